//! The three replicas and the claim row: what the server's tables hold.

use std::fmt;

use crate::Mistake;
use crate::scope::Scope;

/// A set of replicas, which are numbered 0 to 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Replicas(u8);

impl Replicas {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(0b111);
    /// The quorums, each of which may answer a read.
    pub(crate) const PAIRS: [Self; 3] = [Self(0b011), Self(0b101), Self(0b110)];

    pub(crate) fn has(self, replica: u8) -> bool {
        self.0 & (1 << replica) != 0
    }

    pub(crate) fn with(self, replica: u8) -> Self {
        Self(self.0 | (1 << replica))
    }

    pub(crate) fn without(self, replica: u8) -> Self {
        Self(self.0 & !(1 << replica))
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn count(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) fn is_quorum(self) -> bool {
        self.count() >= 2
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..3).filter(move |replica| self.has(*replica))
    }

    fn permuted(self, order: [u8; 3]) -> Self {
        let mut permuted = Self::NONE;
        for (to, from) in (0..3).zip(order) {
            if self.has(from) {
                permuted = permuted.with(to);
            }
        }
        permuted
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|replica| replica.to_string()).collect();
        f.write_str(&names.join(" and "))
    }
}

/// Names one attempt to append: its rows carry it (`writer_uuid` and the timeuuids).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendKey {
    pub(crate) writer: u8,
    pub(crate) claim: u8,
    /// The number of its first event.
    pub(crate) first: u8,
    /// 0, but for the mistake that repeats an insert with another content.
    pub(crate) attempt: u8,
}

/// One event's row in `messages`, which is number `key.first + idx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) key: AppendKey,
    pub(crate) idx: u8,
    /// The index of the append's last event.
    pub(crate) cnt: u8,
    pub(crate) on: Replicas,
    /// Where the insert may still land; the same for all rows of an append.
    pub(crate) pending: Replicas,
}

impl Row {
    pub(crate) fn number(&self) -> u8 {
        self.key.first + self.idx
    }
}

/// The row of `annals_claims`. Claim 0 is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimRow {
    pub(crate) claim: u8,
    pub(crate) writer: u8,
    pub(crate) from: u8,
    pub(crate) deleted: u8,
}

/// A row of `annals_writers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Revocation {
    pub(crate) writer: u8,
    pub(crate) claim: u8,
    pub(crate) on: Replicas,
}

/// A conditional write to the claim row. Both kinds hold only while `claim` is the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Update {
    pub(crate) by: u8,
    pub(crate) claim: u8,
    pub(crate) deleted: u8,
    pub(crate) change: Change,
}

/// What a conditional write changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    /// The next claim, from this number on, if the entity is deleted as far as `deleted` says.
    Claim { from: u8 },
    /// Deleted up to here, if it was less.
    Delete { to: u8 },
}

/// All that is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cluster {
    pub(crate) claim_row: ClaimRow,
    pub(crate) rows: Vec<Row>,
    pub(crate) revocations: Vec<Revocation>,
    /// Up to where the owner deleted the rows.
    pub(crate) deletion: u8,
    /// Up to where each replica deleted them.
    pub(crate) deleted: [u8; 3],
    /// Conditional writes that may still happen.
    pub(crate) updates: Vec<Update>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let claim_row = ClaimRow { claim: 0, writer: 0, from: 1, deleted: 0 };
        let (rows, revocations, updates) = (Vec::new(), Vec::new(), Vec::new());
        Self { claim_row, rows, revocations, deletion: 0, deleted: [0; 3], updates }
    }

    /// The insert of an append is on its way to every replica.
    pub(crate) fn insert(&mut self, key: AppendKey, events: u8) {
        for idx in 0..events {
            let pending = Replicas::ALL;
            self.rows.push(Row { key, idx, cnt: events - 1, on: Replicas::NONE, pending });
        }
        self.rows.sort_unstable();
    }

    /// The append reaches a replica, all its rows at once.
    pub(crate) fn land(&mut self, key: AppendKey, replica: u8) {
        let deleted = self.deleted_on(replica);
        for row in self.rows.iter_mut().filter(|row| row.key == key) {
            row.pending = row.pending.without(replica);
            if row.number() > deleted {
                row.on = row.on.with(replica);
            }
        }
    }

    /// The replicas that have a whole append.
    pub(crate) fn holders(&self, key: AppendKey) -> Replicas {
        let rows = || self.rows.iter().filter(|row| row.key == key);
        let mut holders = Replicas::NONE;
        for replica in 0..3 {
            if rows().all(|row| row.on.has(replica) || row.number() <= self.deleted_on(replica)) {
                holders = holders.with(replica);
            }
        }
        holders
    }

    pub(crate) fn deleted_on(&self, replica: u8) -> u8 {
        self.deleted.get(usize::from(replica)).copied().unwrap_or_default()
    }

    /// The deletion of rows reaches a replica.
    pub(crate) fn land_deletion(&mut self, replica: u8) {
        if let Some(deleted) = self.deleted.get_mut(usize::from(replica)) {
            *deleted = self.deletion;
        }
        for row in &mut self.rows {
            if row.number() <= self.deletion {
                row.on = row.on.without(replica);
            }
        }
    }

    /// The rows of a number as these replicas show them together.
    pub(crate) fn peek(&self, number: u8, pair: Replicas) -> Vec<Row> {
        let deleted = pair.iter().map(|replica| self.deleted_on(replica)).max().unwrap_or(0);
        let seen = |row: &&Row| row.number() == number && number > deleted && row.on.meets(pair);
        self.rows.iter().filter(seen).copied().collect()
    }

    /// The same, and what was read is now on both.
    pub(crate) fn read(&mut self, scope: &Scope, number: u8, pair: Replicas) -> Vec<Row> {
        let rows = self.peek(number, pair);
        if !scope.makes(Mistake::NoReadRepair) && !scope.makes(Mistake::RewritesLastAppend) {
            for row in &mut self.rows {
                if rows.iter().any(|read| read.key == row.key && read.idx == row.idx) {
                    row.on = row.on.and(pair);
                }
            }
        }
        rows
    }

    /// A revocation is on its way to every replica.
    pub(crate) fn revoke(&mut self, writer: u8, claim: u8) {
        if !self.revocations.iter().any(|row| row.writer == writer && row.claim == claim) {
            self.revocations.push(Revocation { writer, claim, on: Replicas::NONE });
            self.revocations.sort_unstable();
        }
    }

    pub(crate) fn land_revocation(&mut self, writer: u8, claim: u8, replica: u8) {
        for row in &mut self.revocations {
            if row.writer == writer && row.claim == claim {
                row.on = row.on.with(replica);
            }
        }
    }

    /// On which replicas a revocation has landed.
    pub(crate) fn revoked_on(&self, writer: u8, claim: u8) -> Replicas {
        let mut rows = self.revocations.iter();
        let row = rows.find(|row| row.writer == writer && row.claim == claim);
        row.map_or(Replicas::NONE, |row| row.on)
    }

    /// Whether a conditional write happens, which it now does.
    pub(crate) fn apply(&mut self, scope: &Scope, update: Update) -> bool {
        let row = &mut self.claim_row;
        let newest = row.claim == update.claim;
        match update.change {
            Change::Claim { from } => {
                let deleted = row.deleted == update.deleted;
                let holds = newest && (deleted || scope.makes(Mistake::ClaimIgnoresDeleted));
                if !holds && !scope.makes(Mistake::ClaimWithoutCondition) {
                    return false;
                }
                (row.claim, row.writer, row.from) = (update.claim + 1, update.by, from);
            }
            Change::Delete { to } => {
                if !newest || row.deleted >= to {
                    return false;
                }
                row.deleted = to;
            }
        }
        true
    }

    /// The same cluster with its replicas in order of what they hold: which replica is which decides
    /// nothing. Also drops what can have no effect any more.
    pub(crate) fn canonical(mut self, scope: &Scope) -> Self {
        let newest = self.claim_row.claim;
        if !scope.makes(Mistake::ClaimWithoutCondition) {
            self.updates.retain(|update| update.claim >= newest);
        }
        for index in 0..self.rows.len() {
            let Some(row) = self.rows.get(index).filter(|row| row.idx == 0) else { continue };
            let (key, holders) = (row.key, self.holders(row.key));
            for row in self.rows.iter_mut().filter(|row| row.key == key) {
                row.pending = row.pending.minus(holders);
            }
        }
        let mut order = [0, 1, 2];
        order.sort_by_cached_key(|replica| self.column(*replica));
        self.permute(order);
        self
    }

    /// All that a replica holds, as one number: the replicas are ordered by it.
    fn column(&self, replica: u8) -> (u8, u128) {
        let rows = self.rows.iter().flat_map(|row| [row.on, row.pending]);
        let sets = rows.chain(self.revocations.iter().map(|row| row.on));
        let bits = sets.fold(0, |bits, set| (bits << 1) | u128::from(set.has(replica)));
        (self.deleted_on(replica), bits)
    }

    fn permute(&mut self, order: [u8; 3]) {
        if order == [0, 1, 2] {
            return;
        }
        for row in &mut self.rows {
            row.on = row.on.permuted(order);
            row.pending = row.pending.permuted(order);
        }
        for row in &mut self.revocations {
            row.on = row.on.permuted(order);
        }
        self.deleted = order.map(|replica| self.deleted_on(replica));
    }
}
