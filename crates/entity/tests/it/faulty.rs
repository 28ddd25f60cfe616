//! A store that does as it is told: it fails, loses answers, hangs, or waits for a signal.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Error, ErrorKind, Journal,
    PersistenceId, Result, SeqNr, SeqRange, Snapshot, SnapshotCriteria, SnapshotInfo,
    SnapshotStore, Store, WriterId,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is passed on.
    None,
    /// It fails and is not passed on.
    Fails(ErrorKind),
    /// It is passed on, and its answer is replaced.
    Loses(ErrorKind),
    /// It never answers and is not passed on.
    Hangs,
    /// It is passed on and never answers.
    HangsAfter,
    /// It panics.
    Panics,
}

/// The faults to come, and what was seen. A list that is empty means no fault.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) appends: Mutex<VecDeque<Fault>>,
    pub(crate) begins: Mutex<VecDeque<Fault>>,
    pub(crate) ends: Mutex<VecDeque<Fault>>,
    pub(crate) saves: Mutex<VecDeque<Fault>>,
    pub(crate) deletes: Mutex<VecDeque<Fault>>,
    pub(crate) seen_appends: Mutex<Vec<Append>>,
    pub(crate) begun: Mutex<Vec<WriterId>>,
    pub(crate) ended: Mutex<Vec<WriterId>>,
    pub(crate) snapshot_deletes: Mutex<Vec<SeqNr>>,
    /// Appends wait for a permit each while the gate is closed.
    gate: Semaphore,
    gate_closed: Mutex<bool>,
    /// Snapshots are loaded one for each permit while this holds them.
    loads: Semaphore,
    /// Replays end this many events early.
    pub(crate) replay_cut: Mutex<usize>,
}

impl Faults {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            appends: Mutex::default(),
            begins: Mutex::default(),
            ends: Mutex::default(),
            saves: Mutex::default(),
            deletes: Mutex::default(),
            seen_appends: Mutex::default(),
            begun: Mutex::default(),
            ended: Mutex::default(),
            snapshot_deletes: Mutex::default(),
            gate: Semaphore::new(0),
            gate_closed: Mutex::new(false),
            loads: Semaphore::new(1_000),
            replay_cut: Mutex::new(0),
        })
    }

    pub(crate) fn on_append(&self, faults: impl IntoIterator<Item = Fault>) {
        self.appends.lock().extend(faults);
    }

    pub(crate) fn close_gate(&self) {
        *self.gate_closed.lock() = true;
    }

    /// Lets everything through from now on.
    pub(crate) fn open_gate(&self) {
        *self.gate_closed.lock() = false;
        self.gate.add_permits(1_000);
    }

    /// Makes loads of snapshots wait.
    pub(crate) fn hold_loads(&self) {
        self.loads.forget_permits(1_000);
    }

    /// Lets loads of snapshots through again.
    pub(crate) fn release_loads(&self) {
        self.loads.add_permits(1_000);
    }

    pub(crate) fn append_count(&self) -> usize {
        self.seen_appends.lock().len()
    }

    async fn pass<T: Send>(
        fault: Fault,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let injected = |kind| Err(Error::new(kind, "injected"));
        match fault {
            Fault::None => call.await,
            Fault::Fails(kind) => injected(kind),
            Fault::Loses(kind) => {
                call.await?;
                injected(kind)
            }
            Fault::Panics => std::panic::resume_unwind(Box::new("as injected")),
            Fault::Hangs => std::future::pending().await,
            Fault::HangsAfter => {
                call.await?;
                std::future::pending().await
            }
        }
    }
}

fn next(faults: &Mutex<VecDeque<Fault>>) -> Fault {
    faults.lock().pop_front().unwrap_or(Fault::None)
}

/// A journal and snapshot store with faults.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Store,
    faults: Arc<Faults>,
}

impl Faulty {
    pub(crate) fn over(inner: &Store, faults: &Arc<Faults>) -> Store {
        let faulty = Arc::new(Self { inner: inner.clone(), faults: faults.clone() });
        Store { journal: faulty.clone(), snapshots: faulty, ..inner.clone() }
    }
}

#[async_trait]
impl Journal for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        self.faults.begun.lock().push(writer.clone());
        let fault = next(&self.faults.begins);
        Faults::pass(fault, self.inner.journal.begin(id, writer)).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.faults.seen_appends.lock().push(append.clone());
        if *self.faults.gate_closed.lock() {
            self.faults.gate.acquire().await.unwrap().forget();
        }
        let fault = next(&self.faults.appends);
        Faults::pass(fault, self.inner.journal.append(append)).await
    }

    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()> {
        self.faults.ended.lock().push(writer.clone());
        let fault = next(&self.faults.ends);
        Faults::pass(fault, self.inner.journal.end(id, writer)).await
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let cut = *self.faults.replay_cut.lock();
        let batches = self.inner.journal.replay(id, range);
        Box::pin(futures_util::StreamExt::map(batches, move |batch| {
            batch.map(|mut batch| {
                batch.events.truncate(batch.events.len().saturating_sub(cut));
                batch
            })
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.inner.journal.bounds(id).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let fault = next(&self.faults.deletes);
        Faults::pass(fault, self.inner.journal.delete_to(id, to)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.journal.close().await
    }
}

#[async_trait]
impl SnapshotStore for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        let fault = next(&self.faults.saves);
        Faults::pass(fault, self.inner.snapshots.save(snapshot)).await
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        let _permit = self.faults.loads.acquire().await.unwrap();
        self.inner.snapshots.load(id, criteria).await
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        self.inner.snapshots.list(id, criteria, infos_max).await
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        self.faults.snapshot_deletes.lock().push(criteria.max_seq_nr);
        self.inner.snapshots.delete(id, criteria).await
    }
}
