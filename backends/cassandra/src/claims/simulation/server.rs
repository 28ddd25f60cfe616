//! Three replicas and a claim row per entity, with faults.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annals_core::{Append, AppendId, Error, PersistenceId, Result, SeqNr};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::random::Random;
use crate::claims::check::Question;
use crate::claims::claim::{Claim, ClaimRow};
use crate::claims::claimant::{End, NewClaim, Written};
use crate::claims::history::{EndSearch, Found, Mark, Marked, voids};
use crate::claims::owner::Attempt;
use crate::claims::tables::{Inserted, Revocations, Strength, Tables};
use crate::pages::Asked;

/// A row; the append id stands for the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) event: AppendId,
    /// Draws of timeuuids: rows of two tries are two rows.
    stamp: u64,
}

impl Marked for Row {
    fn mark(&self) -> Mark {
        self.mark
    }
}

#[derive(Debug, Default)]
struct Replica {
    rows: HashMap<PersistenceId, Vec<Row>>,
    deleted_to: HashMap<PersistenceId, SeqNr>,
    alive: HashSet<String>,
    revoked: HashSet<(String, PersistenceId, Claim)>,
    /// Tombstones: of rows, by their draws, and of processes.
    removed: HashSet<u64>,
    forgotten: HashSet<String>,
}

#[derive(Debug, Clone)]
enum Mutation {
    Rows(PersistenceId, Vec<Row>),
    Deletion(PersistenceId, SeqNr),
    Revocation(String, PersistenceId, Claim),
    Removal(PersistenceId, HashSet<u64>),
    Forgetting(String),
}

impl Replica {
    fn take(&mut self, mutation: Mutation) {
        match mutation {
            Mutation::Rows(id, rows) => {
                let deleted_to = self.deleted_to.get(&id).copied().unwrap_or_default();
                let stored = self.rows.entry(id).or_default();
                for row in rows {
                    let removed = self.removed.contains(&row.stamp);
                    if row.mark.seq_nr > deleted_to && !removed && !stored.contains(&row) {
                        stored.push(row);
                    }
                }
            }
            Mutation::Deletion(id, to) => {
                let deleted_to = self.deleted_to.entry(id.clone()).or_default();
                *deleted_to = (*deleted_to).max(to);
                self.rows.entry(id).or_default().retain(|row| row.mark.seq_nr > to);
            }
            Mutation::Revocation(process, id, claim) => {
                self.revoked.insert((process, id, claim));
            }
            Mutation::Removal(id, stamps) => {
                self.rows.entry(id).or_default().retain(|row| !stamps.contains(&row.stamp));
                self.removed.extend(stamps);
            }
            Mutation::Forgetting(process) => {
                self.forgotten.insert(process);
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    replicas: [Replica; 3],
    claims: HashMap<PersistenceId, ClaimRow>,
    /// Every process that ever entered.
    processes: Vec<String>,
}

/// The server, as every process sees it.
#[derive(Debug)]
pub(super) struct Server {
    me: std::sync::Weak<Self>,
    state: Mutex<State>,
    random: Mutex<Random>,
    faults: std::sync::atomic::AtomicBool,
    requests: AtomicUsize,
    checks: AtomicUsize,
    stamps: AtomicUsize,
    /// How many requests may still be made before all stand still; for one process at a time.
    left: Mutex<Option<usize>>,
}

impl Server {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Self::with(seed, true)
    }

    pub(super) fn faultless() -> Arc<Self> {
        Self::with(1, false)
    }

    fn with(seed: u64, faults: bool) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            state: Mutex::default(),
            random: Mutex::new(Random::new(seed)),
            faults: faults.into(),
            requests: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            stamps: AtomicUsize::new(0),
            left: Mutex::new(None),
        })
    }

    /// The process's own row, which it waits for when it starts.
    pub(super) fn enter(&self, process: &str) {
        let mut state = self.state.lock();
        state.processes.push(process.to_owned());
        for replica in &mut state.replicas {
            replica.alive.insert(process.to_owned());
        }
    }

    /// No fault from here on; what is under way stays so.
    pub(super) fn heal(&self) {
        self.faults.store(false, Ordering::Relaxed);
    }

    /// A JVM's event, which these replicas have.
    pub(super) fn written_by_jvm(&self, id: &PersistenceId, number: SeqNr, replicas: &[usize]) {
        let mark = Mark { seq_nr: number, claim: None, idx: 0, cnt: 0 };
        let stamp = u64::try_from(self.stamps.fetch_add(1, Ordering::Relaxed)).unwrap();
        let row = Row { mark, event: AppendId::new(u128::from(number.get())), stamp };
        let mut state = self.state.lock();
        for replica in replicas {
            state.replicas[*replica].take(Mutation::Rows(id.clone(), vec![row]));
        }
    }

    /// All requests but those of searches for the last number.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }

    /// Lets a process make so many requests, and no more; gives how many it made.
    pub(super) async fn limited(&self, requests: usize, work: impl Future<Output = ()>) -> usize {
        let before = self.requests();
        *self.left.lock() = Some(requests);
        // It either ends, or stands still for ever.
        let _ = tokio::time::timeout(Duration::from_secs(600), work).await;
        *self.left.lock() = None;
        self.requests() - before
    }

    fn one_in(&self, chances: u64) -> bool {
        self.faults.load(Ordering::Relaxed) && self.random.lock().one_in(chances)
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.lock().below(bound)
    }

    /// The way to the server: it takes a while, and a process whose requests are used up stands still.
    async fn way(&self) {
        let allowed = {
            let mut left = self.left.lock();
            match left.as_mut() {
                Some(0) => false,
                Some(left) => {
                    *left -= 1;
                    true
                }
                None => true,
            }
        };
        if !allowed {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(self.below(8))).await;
    }

    fn pair(&self) -> [usize; 2] {
        let left_out = usize::try_from(self.below(3)).unwrap();
        [(left_out + 1) % 3, (left_out + 2) % 3]
    }

    /// Sends a mutation to every replica, where it lands at any time or never; whether two have it.
    async fn mutate(&self, mutation: Mutation) -> bool {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for replica in 0..3 {
            if self.one_in(8) {
                continue;
            }
            let late = if self.one_in(6) { 3_000 } else { 12 };
            let delay = Duration::from_millis(self.below(late));
            let (server, mutation, sender) =
                (self.me.upgrade().unwrap(), mutation.clone(), sender.clone());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                server.state.lock().replicas[replica].take(mutation);
                let _ = sender.send(());
            });
        }
        drop(sender);
        let answers = async {
            receiver.recv().await?;
            receiver.recv().await
        };
        let answered = tokio::time::timeout(Duration::from_millis(60), answers).await;
        matches!(answered, Ok(Some(()))) && !self.one_in(25)
    }

    /// Reads the rows of a number from two replicas, or from all, which have the same ones afterwards.
    pub(super) async fn rows(
        &self,
        id: &PersistenceId,
        number: SeqNr,
        asked: Asked,
    ) -> Result<Vec<Row>> {
        tokio::time::sleep(Duration::from_millis(self.below(4))).await;
        if self.one_in(60) {
            return Err(Error::unavailable("a read timed out"));
        }
        let pair = self.pair();
        let asked: &[usize] = if asked == Asked::All { &[0, 1, 2] } else { &pair };
        let mut state = self.state.lock();
        let deleted_to = asked
            .iter()
            .filter_map(|r| state.replicas[*r].deleted_to.get(id).copied())
            .max()
            .unwrap_or_default();
        let removed = asked.iter().flat_map(|r| state.replicas[*r].removed.iter().copied());
        let removed: HashSet<u64> = removed.collect();
        let mut rows: Vec<Row> = Vec::new();
        for replica in asked {
            for row in state.replicas[*replica].rows.get(id).into_iter().flatten() {
                let lives = number > deleted_to && !removed.contains(&row.stamp);
                if row.mark.seq_nr == number && lives && !rows.contains(row) {
                    rows.push(*row);
                }
            }
        }
        for replica in asked {
            state.replicas[*replica].take(Mutation::Removal(id.clone(), removed.clone()));
            state.replicas[*replica].take(Mutation::Rows(id.clone(), rows.clone()));
        }
        rows.sort_by_key(|row| row.stamp);
        Ok(rows)
    }

    /// The numbers that any replica has a row of, the highest first.
    fn numbers(&self, id: &PersistenceId) -> Vec<SeqNr> {
        let state = self.state.lock();
        let rows = state.replicas.iter().flat_map(|replica| replica.rows.get(id));
        let numbers: BTreeSet<SeqNr> = rows.flatten().map(|row| row.mark.seq_nr).collect();
        numbers.into_iter().rev().collect()
    }

    /// How far the claim row says that the entity is deleted.
    pub(super) fn deleted_to(&self, id: &PersistenceId) -> SeqNr {
        self.state.lock().claims.get(id).map(|row| row.deleted_to).unwrap_or_default()
    }

    /// Removes the rows up to `to`, in the background.
    pub(super) fn remove_rows(&self, id: &PersistenceId, to: SeqNr) {
        let (server, id) = (self.me.upgrade().unwrap(), id.clone());
        tokio::spawn(async move { server.mutate(Mutation::Deletion(id, to)).await });
    }

    /// Removes void rows.
    pub(super) async fn clean_voids(&self, id: &PersistenceId) -> Result<()> {
        let row = self.read_claim(id, Strength::Serial).await?;
        for number in self.numbers(id) {
            let Some(voids) = voids(&row, number, self.rows(id, number, Asked::Quorum).await?)
            else {
                break;
            };
            let stamps: HashSet<u64> = voids.iter().map(|row| row.stamp).collect();
            if !stamps.is_empty() {
                self.mutate(Mutation::Removal(id.clone(), stamps)).await;
            }
        }
        Ok(())
    }

    /// Removes the rows of a process that no claim names, dead or alive.
    pub(super) async fn forget_process(&self) {
        let process = {
            let state = self.state.lock();
            let chosen = usize::try_from(self.below(64)).unwrap();
            let process = state.processes.get(chosen % state.processes.len().max(1)).cloned();
            process.filter(|process| state.claims.values().all(|row| *row.process != **process))
        };
        if let Some(process) = process {
            tokio::time::sleep(Duration::from_millis(self.below(100))).await;
            self.mutate(Mutation::Forgetting(process)).await;
        }
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A conditional write: it happens now, later or never, and its answer may get lost.
    async fn conditional<F>(&self, change: F) -> Written
    where
        F: FnOnce(&mut State) -> bool + Send + 'static,
    {
        self.way().await;
        self.count();
        if self.one_in(12) {
            let server = self.me.upgrade().unwrap();
            let never = self.one_in(2);
            let delay = Duration::from_millis(self.below(2_000));
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                if !never {
                    change(&mut server.state.lock());
                }
            });
            return Written::Unknown;
        }
        let applied = change(&mut self.state.lock());
        if self.one_in(12) {
            return Written::Unknown;
        }
        if applied { Written::Applied } else { Written::Refused }
    }
}

#[async_trait]
impl Tables for Server {
    type Prepared = (PersistenceId, Vec<Row>);

    async fn read_claim(&self, id: &PersistenceId, _strength: Strength) -> Result<ClaimRow> {
        self.way().await;
        self.count();
        if self.one_in(30) {
            return Err(Error::unavailable("a read timed out"));
        }
        Ok(self.state.lock().claims.get(id).cloned().unwrap_or_else(ClaimRow::none))
    }

    async fn revoke(&self, process: &str, id: &PersistenceId, claim: Claim) -> Result<()> {
        self.way().await;
        self.count();
        let mutation = Mutation::Revocation(process.to_owned(), id.clone(), claim);
        if self.mutate(mutation).await {
            return Ok(());
        }
        Err(Error::unavailable("a write timed out"))
    }

    async fn find_end(
        &self,
        id: &PersistenceId,
        claim_row: &ClaimRow,
        asked: Asked,
    ) -> Result<Option<End>> {
        let mut search = EndSearch::new(claim_row.clone(), claim_row.deleted_to);
        for number in self.numbers(id) {
            match search.take(number, self.rows(id, number, asked).await?) {
                Found::More => {}
                Found::End(end) => return Ok(Some(end)),
                Found::Outdated => return Ok(None),
            }
        }
        Ok(Some(search.nothing()))
    }

    async fn claim_at(
        &self,
        id: &PersistenceId,
        _claim_row: &ClaimRow,
        number: SeqNr,
    ) -> Result<Option<Option<Claim>>> {
        let rows = self.rows(id, number, Asked::Quorum).await?;
        let counts = rows.iter().filter_map(|row| row.mark.claim).max();
        Ok((!rows.is_empty()).then_some(counts))
    }

    async fn write_claim(&self, id: &PersistenceId, claim: &NewClaim) -> Written {
        let (id, claim) = (id.clone(), claim.clone());
        self.conditional(move |state| {
            let row = state.claims.entry(id).or_insert_with(ClaimRow::none);
            let expected = (claim.expected, claim.expected_deleted_to);
            if (row.claim, row.deleted_to) != expected {
                return false;
            }
            (row.claim, row.process, row.from_seq) = (claim.claim, claim.process, claim.from_seq);
            true
        })
        .await
    }

    async fn write_deleted(&self, id: &PersistenceId, claim: Claim, to: SeqNr) -> Written {
        let id = id.clone();
        self.conditional(move |state| {
            let row = state.claims.get_mut(&id);
            let row = row.filter(|row| row.claim == claim && row.deleted_to < to);
            row.map(|row| row.deleted_to = to).is_some()
        })
        .await
    }

    async fn publish_deleted(&self, _id: &PersistenceId, _to: SeqNr) -> Result<()> {
        Ok(())
    }

    fn prepare(&self, attempt: &Attempt, append: &Append) -> Result<Self::Prepared> {
        let cnt = u32::try_from(append.events().len()).unwrap() - 1;
        let row = |idx: u32| {
            let seq_nr = attempt.range.from.plus(u64::from(idx));
            let stamp = u64::try_from(self.stamps.fetch_add(1, Ordering::Relaxed)).unwrap();
            let mark = Mark { seq_nr, claim: Some(attempt.claim), idx, cnt };
            Row { mark, event: attempt.append_id, stamp }
        };
        Ok((append.id().clone(), (0..=cnt).map(row).collect()))
    }

    async fn insert(&self, (id, rows): &Self::Prepared) -> Inserted {
        self.way().await;
        self.count();
        if self.one_in(40) {
            return Inserted::Refused(Error::unavailable("no connection"));
        }
        if self.mutate(Mutation::Rows(id.clone(), rows.clone())).await {
            return Inserted::Finished;
        }
        Inserted::Unknown(Error::unavailable("a write timed out"))
    }

    async fn check(&self, process: &str, question: &Question) -> Result<Revocations> {
        self.way().await;
        self.count();
        self.checks.fetch_add(1, Ordering::Relaxed);
        if self.one_in(30) {
            return Err(Error::unavailable("a read timed out"));
        }
        let mut found = Revocations::default();
        let state = self.state.lock();
        let pair = self.pair();
        if pair.iter().any(|replica| state.replicas[*replica].forgotten.contains(process)) {
            return Ok(found);
        }
        for replica in pair {
            let replica = &state.replicas[replica];
            found.alive |= replica.alive.contains(process);
            for (of, id, claim) in &replica.revoked {
                let wanted = match question {
                    Question::All => true,
                    Question::Only(ids) => ids.contains(id),
                };
                if of == process && wanted {
                    found.revoked.insert((id.clone(), *claim));
                }
            }
        }
        Ok(found)
    }
}
