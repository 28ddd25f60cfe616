//! A store that does as a test tells it: it fails, loses answers, or hangs, operation by operation.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

use annals_core::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Error, ErrorKind, Journal,
    PersistenceId, Result, SeqNr, SeqRange, Snapshot, SnapshotCriteria, SnapshotInfo,
    SnapshotStore, Store, WriterId,
};
use async_trait::async_trait;
use futures_util::StreamExt;
use parking_lot::Mutex;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on as it is.
    None,
    /// It fails and is not passed on.
    Fails(ErrorKind),
    /// It is passed on, and if it succeeds its answer is replaced by this error.
    Loses(ErrorKind),
    /// It is not passed on, and never answers.
    Hangs,
    /// It is passed on, and never answers.
    HangsAfter,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Journal::begin`].
    Begin,
    /// [`Journal::append`].
    Append,
    /// [`Journal::end`].
    End,
    /// [`Journal::replay`], before its first batch; an answer cannot be lost, only withheld.
    Replay,
    /// [`Journal::bounds`].
    Bounds,
    /// [`Journal::delete_to`].
    DeleteEvents,
    /// [`SnapshotStore::save`].
    SaveSnapshot,
    /// [`SnapshotStore::load`].
    LoadSnapshot,
    /// [`SnapshotStore::list`].
    ListSnapshots,
    /// [`SnapshotStore::delete`].
    DeleteSnapshots,
}

/// The faults to come of one store. Each is for one call, in the order in which they were added; those
/// for an entity come before those for any.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    any: HashMap<Operation, VecDeque<Fault>>,
    entities: HashMap<(Operation, PersistenceId), VecDeque<Fault>>,
    calls: HashMap<Operation, usize>,
}

impl Faults {
    /// A store over `inner` that has faults, and the faults, none yet.
    pub fn over(inner: &Store) -> (Store, Arc<Self>) {
        let faults = Arc::new(Self::default());
        let faulty = Arc::new(Faulty { inner: inner.clone(), faults: faults.clone() });
        (Store { journal: faulty.clone(), snapshots: faulty, ..inner.clone() }, faults)
    }

    /// The next calls of `operation`, for any entity, meet `faults`, one each.
    pub fn on(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().any.entry(operation).or_default().extend(faults);
    }

    /// The next calls of `operation` for the entity `id` meet `faults`, one each.
    pub fn on_entity(
        &self,
        id: &PersistenceId,
        operation: Operation,
        faults: impl IntoIterator<Item = Fault>,
    ) {
        let key = (operation, id.clone());
        self.plan.lock().entities.entry(key).or_default().extend(faults);
    }

    /// No more faults.
    pub fn clear(&self) {
        let mut plan = self.plan.lock();
        plan.any.clear();
        plan.entities.clear();
    }

    /// How many calls of `operation` there were.
    pub fn calls(&self, operation: Operation) -> usize {
        self.plan.lock().calls.get(&operation).copied().unwrap_or_default()
    }

    fn next(&self, operation: Operation, id: &PersistenceId) -> Fault {
        let mut plan = self.plan.lock();
        *plan.calls.entry(operation).or_default() += 1;
        let of_entity = plan.entities.get_mut(&(operation, id.clone()));
        let fault = of_entity.and_then(VecDeque::pop_front);
        let any = || plan.any.get_mut(&operation).and_then(VecDeque::pop_front);
        fault.or_else(any).unwrap_or(Fault::None)
    }
}

/// A journal and snapshot store with faults.
#[derive(Debug)]
struct Faulty {
    inner: Store,
    faults: Arc<Faults>,
}

impl Faulty {
    async fn pass<T: Send>(
        &self,
        operation: Operation,
        id: &PersistenceId,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match self.faults.next(operation, id) {
            Fault::None => call.await,
            Fault::Fails(kind) => Err(injected(kind, id)),
            Fault::Loses(kind) => {
                call.await?;
                Err(injected(kind, id))
            }
            Fault::Hangs => std::future::pending().await,
            Fault::HangsAfter => {
                call.await?;
                std::future::pending().await
            }
        }
    }
}

fn injected(kind: ErrorKind, id: &PersistenceId) -> Error {
    Error::new(kind, format!("{id}: a fault that the test injected"))
}

#[async_trait]
impl Journal for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        self.pass(Operation::Begin, id, self.inner.journal.begin(id, writer)).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let id = append.id().clone();
        self.pass(Operation::Append, &id, self.inner.journal.append(append)).await
    }

    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()> {
        self.pass(Operation::End, id, self.inner.journal.end(id, writer)).await
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        match self.faults.next(Operation::Replay, id) {
            Fault::None => self.inner.journal.replay(id, range),
            Fault::Fails(kind) | Fault::Loses(kind) => {
                let error = injected(kind, id);
                Box::pin(futures_util::stream::once(async { Err(error) }))
            }
            Fault::Hangs => Box::pin(futures_util::stream::pending()),
            Fault::HangsAfter => {
                let replay = self.inner.journal.replay(id, range);
                Box::pin(replay.chain(futures_util::stream::pending()))
            }
        }
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.pass(Operation::Bounds, id, self.inner.journal.bounds(id)).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.pass(Operation::DeleteEvents, id, self.inner.journal.delete_to(id, to)).await
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
        let id = snapshot.persistence_id.clone();
        self.pass(Operation::SaveSnapshot, &id, self.inner.snapshots.save(snapshot)).await
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        self.pass(Operation::LoadSnapshot, id, self.inner.snapshots.load(id, criteria)).await
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let list = self.inner.snapshots.list(id, criteria, infos_max);
        self.pass(Operation::ListSnapshots, id, list).await
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        let delete = self.inner.snapshots.delete(id, criteria);
        self.pass(Operation::DeleteSnapshots, id, delete).await
    }
}
