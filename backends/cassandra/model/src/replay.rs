//! The rule of reading: which rows are the entity's history.

use crate::Mistake;
use crate::cluster::{AppendKey, ClaimRow, Cluster, Replicas, Row};
use crate::jvm::NO_CLAIM;
use crate::scope::Scope;

/// An append that was read whole, or as much of it as is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Whole {
    pub(crate) key: AppendKey,
    pub(crate) cnt: u8,
    pub(crate) first: u8,
    pub(crate) last: u8,
}

/// An append of which only a part was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Part {
    key: AppendKey,
    cnt: u8,
    /// The number read first.
    start: u8,
    /// The index that has to come next.
    idx: u8,
}

/// What a read of one number leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Done,
    /// A row of a claim that the claim row did not name.
    Outdated,
    /// A JVM's row beside one of an older claim, past the newest one's begin: which counts cannot be told.
    Mixed,
}

/// A replay under way, number by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Replay {
    /// The claim row as it was read before.
    pub(crate) seen: ClaimRow,
    /// The number that is read next.
    pub(crate) next: u8,
    pub(crate) whole: Vec<Whole>,
    part: Option<Part>,
    downwards: bool,
    /// Whether every replica is asked.
    all: bool,
}

impl Replay {
    /// Everything, from the first number that is not deleted.
    pub(crate) fn new(seen: ClaimRow) -> Self {
        let next = seen.deleted + 1;
        Self { seen, next, whole: Vec::new(), part: None, downwards: false, all: false }
    }

    /// Only the last whole append, looked for from `top` down.
    pub(crate) fn from_the_end(seen: ClaimRow, top: u8) -> Self {
        let next = top.max(seen.deleted);
        Self { seen, next, whole: Vec::new(), part: None, downwards: true, all: false }
    }

    /// The same, of every replica.
    pub(crate) fn of_all(self) -> Self {
        Self { all: true, ..self }
    }

    /// The replicas that may be asked next.
    pub(crate) fn asks(&self) -> &'static [Replicas] {
        if self.all { &[Replicas::ALL] } else { &Replicas::PAIRS }
    }

    /// Whether a JVM may have left more than a quorum shows: what was found ends with an event of its.
    pub(crate) fn may_go_on(&self, scope: &Scope) -> bool {
        let jvm = self.whole.last().is_some_and(|last| last.key.claim == NO_CLAIM);
        jvm && !self.all && !scope.makes(Mistake::EndAtQuorum)
    }

    /// Whether there is nothing to read at all.
    pub(crate) fn is_done(&self) -> bool {
        self.downwards && self.next <= self.seen.deleted
    }

    /// The last number of the history that was read.
    pub(crate) fn end(&self) -> u8 {
        self.whole.last().map_or(self.seen.deleted, |whole| whole.last)
    }

    /// *highest*: never below what is deleted, or where the newest claim began.
    pub(crate) fn highest(&self) -> u8 {
        self.end().max(self.seen.deleted).max(self.seen.from - 1)
    }

    /// Takes the rows of the next number.
    pub(crate) fn take(&mut self, scope: &Scope, rows: &[Row]) -> Next {
        if rows.iter().any(|row| row.key.claim > self.seen.claim) {
            return Next::Outdated;
        }
        if self.is_mixed(rows) {
            return Next::Mixed;
        }
        let row = self.counting(scope, rows);
        if self.downwards { self.take_down(row) } else { self.take_up(scope, row) }
    }

    fn is_mixed(&self, rows: &[Row]) -> bool {
        let claims = || rows.iter().map(|row| row.key.claim);
        let older = |claim: u8| claim != NO_CLAIM && claim < self.seen.claim;
        self.next >= self.seen.from && claims().any(older) && claims().any(|c| c == NO_CLAIM)
    }

    /// The row that counts, if it is in the history.
    fn counting(&self, scope: &Scope, rows: &[Row]) -> Option<Row> {
        let below = self.next < self.seen.from || scope.makes(Mistake::NoFromSeq);
        let counts = |claim: u8| below || claim == self.seen.claim || claim == NO_CLAIM;
        let rows = rows.iter().filter(|row| counts(row.key.claim));
        // Of a JVM's rows the later one counts; of one claim's the older timeuuid is first, which only a
        // mistake makes matter.
        let order = |row: &Row| {
            let AppendKey { claim, attempt, .. } = row.key;
            (claim, if claim == NO_CLAIM { attempt } else { u8::MAX - attempt })
        };
        let row = if scope.makes(Mistake::LowestClaim) {
            rows.min_by_key(|row| (row.key.claim, row.key.attempt))
        } else {
            rows.max_by_key(|row| order(row))
        };
        row.copied()
    }

    fn take_up(&mut self, scope: &Scope, row: Option<Row>) -> Next {
        let Some(row) = row else { return Next::Done };
        let number = self.next;
        self.next += 1;
        if scope.makes(Mistake::NotDelimited) {
            let (key, cnt) = (row.key, row.cnt);
            self.whole.push(Whole { key, cnt, first: number, last: number });
            return Next::More;
        }
        let start = match self.part.take() {
            Some(part) if part.key == row.key && part.idx == row.idx => part.start,
            Some(_) => return Next::Done,
            // What precedes it in its append may be deleted.
            None if row.idx == 0 || number == self.seen.deleted + 1 => number,
            None => return Next::Done,
        };
        let (key, cnt) = (row.key, row.cnt);
        if row.idx == cnt {
            self.whole.push(Whole { key, cnt, first: start, last: number });
        } else {
            self.part = Some(Part { key, cnt, start, idx: row.idx + 1 });
        }
        Next::More
    }

    fn take_down(&mut self, row: Option<Row>) -> Next {
        let number = self.next;
        self.next -= 1;
        let part = self.part.take();
        if let Some(row) = row {
            let goes_on = part.filter(|part| part.key == row.key && part.idx == row.idx + 1);
            let last = match goes_on {
                Some(part) => Some(part.start),
                None if row.idx == row.cnt => Some(number),
                None => None,
            };
            if let Some(last) = last {
                let (key, cnt) = (row.key, row.cnt);
                if row.idx == 0 || number == self.seen.deleted + 1 {
                    self.whole.push(Whole { key, cnt, first: number, last });
                    return Next::Done;
                }
                self.part = Some(Part { key, cnt, start: last, idx: row.idx });
            }
        }
        if self.next <= self.seen.deleted { Next::Done } else { Next::More }
    }

    /// The history that two replicas show now, mending nothing.
    pub(crate) fn view(scope: &Scope, cluster: &Cluster, pair: Replicas) -> Self {
        let mut replay = Self::new(cluster.claim_row);
        while replay.take(scope, &cluster.peek(replay.next, pair)) == Next::More {}
        replay
    }
}
