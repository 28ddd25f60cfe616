//! Storing records. What is there already is compared, never overwritten, so that what was interrupted is
//! run again.
//!
//! Events are begun in the order in which they come: those of one entity that follow each other go as
//! one append, and appends of different entities are under way together, so that a store may commit near
//! ones in another order; with one append in flight the order is kept exactly.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use annals::environment::System;
use annals::{
    Append, AppendMode, Appended, Error, Ids, JournalExt, NewEvent, Payload, PersistenceId, Result,
    RetryPolicy, SeqNr, Snapshot, SnapshotCriteria, Store, WriterId,
};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::compare::Comparer;
use super::counts::Counts;
use crate::record::Record;

/// Events of one append, unless the store takes fewer.
const BATCH_EVENTS_MAX: usize = 256;
/// Bytes of one append past which another is begun.
const BATCH_BYTES: usize = 256 << 10;

/// What is known of an entity in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) deleted_to: SeqNr,
    /// Stored and acknowledged.
    pub(super) stored: SeqNr,
    /// With what is under way.
    pub(super) highest: SeqNr,
}

/// Events of one entity that follow each other.
#[derive(Debug)]
struct Batch {
    id: PersistenceId,
    writer: WriterId,
    after: SeqNr,
    mode: AppendMode,
    events: Vec<NewEvent>,
    bytes: usize,
    /// The line of its first event, if it came in lines.
    line: Option<u64>,
}

type Running = Pin<Box<dyn Future<Output = (PersistenceId, Result<Appended>)>>>;

/// A store that records are put into.
pub(crate) struct Target {
    system: Arc<System>,
    pub(super) store: Store,
    in_flight: usize,
    batch_bytes: usize,
    batch_events: usize,
    known: HashMap<PersistenceId, Known>,
    comparer: Comparer,
    batch: Option<Batch>,
    running: FuturesUnordered<Running>,
    pub(crate) counts: Counts,
    /// An append failed.
    failed: bool,
}

impl Target {
    /// `store`, with at most `in_flight` appends unacknowledged.
    pub(crate) fn new(store: Store, system: Arc<System>, in_flight: u32) -> Self {
        let limits = store.capabilities();
        Self {
            system,
            in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
            batch_bytes: BATCH_BYTES.min(limits.append_bytes_max / 2),
            batch_events: BATCH_EVENTS_MAX.min(limits.events_per_append_max),
            known: HashMap::new(),
            comparer: Comparer::new(store.clone()),
            store,
            batch: None,
            running: FuturesUnordered::new(),
            counts: Counts::default(),
            failed: false,
        }
    }

    /// Whether appends are under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Waits for the end of one append that is under way. Polling this is what sends off what was begun.
    pub(crate) async fn settle_one(&mut self) -> Result<()> {
        match self.running.next().await {
            Some(ended) => self.settle(ended),
            None => Ok(()),
        }
    }

    /// Settles what has ended already, and sends off what was begun.
    pub(crate) fn settle_ready(&mut self) -> Result<()> {
        while let Some(Some(ended)) = self.running.next().now_or_never() {
            self.settle(ended)?;
        }
        Ok(())
    }

    /// Takes in one record, which came in `line`.
    pub(crate) async fn take(&mut self, record: Record, line: Option<u64>) -> Result<()> {
        match record {
            Record::Entity { id, deleted_to, highest } => {
                self.entity(&id, deleted_to, highest).await
            }
            Record::Event { id, seq_nr, writer, event } => {
                self.event(line, id, seq_nr, writer, event).await
            }
            Record::Snapshot(snapshot) => self.snapshot(snapshot).await,
        }
    }

    /// Waits until everything that was taken in is stored, and gives the first failure; `so_far` is how
    /// the taking went.
    pub(crate) async fn finish(&mut self, so_far: Result<()>) -> Result<()> {
        let mut done = so_far;
        // What stands before a bad record is stored; behind a failed append nothing is sent, since it
        // might leave a hole where a store does not look at the end.
        if !self.failed {
            let sent = self.send_batch().await;
            done = done.and(sent);
        }
        // Also after a failure: what was begun has an end that must be known.
        while let Some(ended) = self.running.next().await {
            let settled = self.settle(ended);
            done = done.and(settled);
        }
        done
    }

    async fn event(
        &mut self,
        line: Option<u64>,
        id: PersistenceId,
        seq_nr: SeqNr,
        writer: WriterId,
        event: NewEvent,
    ) -> Result<()> {
        let mut known = self.known(&id).await?;
        if known.stored < seq_nr && seq_nr <= known.highest {
            // A line that stands twice: the first one has to be stored before they are compared.
            known = self.settled(&id).await?;
        }
        if seq_nr <= known.deleted_to {
            self.counts.events_deleted += 1;
            return Ok(());
        }
        if seq_nr <= known.stored {
            self.comparer.event(&id, seq_nr, &writer, &event, known.stored).await?;
            self.counts.events_present += 1;
            return Ok(());
        }
        let fresh = known.highest.is_zero();
        if seq_nr != known.highest.next() && !fresh {
            let message = format!(
                "event {seq_nr} of {id} does not follow its highest event here, which is {}",
                known.highest
            );
            return Err(Error::conflict(known.highest, message));
        }
        let mode = if fresh { AppendMode::Ingest } else { AppendMode::Next };
        let bytes = size(&event);
        let joins = self.batch.as_ref().is_some_and(|batch| {
            batch.id == id
                && batch.writer == writer
                && batch.events.len() < self.batch_events
                && batch.bytes + bytes <= self.batch_bytes
        });
        if !joins {
            self.send_batch().await?;
        }
        let batch = self.batch.get_or_insert_with(|| Batch {
            id: id.clone(),
            writer,
            after: seq_nr.previous(),
            mode,
            events: Vec::new(),
            bytes: 0,
            line,
        });
        batch.events.push(event);
        batch.bytes += bytes;
        if fresh {
            known.deleted_to = seq_nr.previous();
            known.stored = seq_nr.previous();
        }
        known.highest = seq_nr;
        self.known.insert(id, known);
        Ok(())
    }

    async fn snapshot(&mut self, snapshot: Snapshot) -> Result<()> {
        let (id, seq_nr) = (&snapshot.persistence_id, snapshot.seq_nr);
        let known = self.settled(id).await?;
        if seq_nr > known.highest {
            return Err(Error::invalid(format!(
                "snapshot {seq_nr} of {id} lies past its highest event here, which is {}",
                known.highest
            )));
        }
        let present = self.store.snapshots.load(id, &SnapshotCriteria::at(seq_nr)).await?;
        match present {
            Some(present) if present == snapshot => self.counts.snapshots_present += 1,
            Some(_) => {
                let message = format!("snapshot {seq_nr} of {id} is another one here");
                return Err(Error::conflict(known.highest, message));
            }
            None => {
                self.store.snapshots.save(snapshot).await?;
                self.counts.snapshots += 1;
            }
        }
        Ok(())
    }

    pub(super) async fn known(&mut self, id: &PersistenceId) -> Result<Known> {
        if let Some(known) = self.known.get(id) {
            return Ok(*known);
        }
        let bounds = self.store.journal.bounds(id).await?;
        let known = Known {
            deleted_to: bounds.deleted_to,
            stored: bounds.highest,
            highest: bounds.highest,
        };
        self.known.insert(id.clone(), known);
        Ok(known)
    }

    /// What is known of `id` when nothing of it is under way.
    pub(super) async fn settled(&mut self, id: &PersistenceId) -> Result<Known> {
        let known = self.known(id).await?;
        if known.stored == known.highest {
            return Ok(known);
        }
        if self.batch.as_ref().is_some_and(|batch| batch.id == *id) {
            self.send_batch().await?;
        }
        self.wait_for(id).await?;
        self.known(id).await
    }

    /// Waits until no append of `id` is under way.
    async fn wait_for(&mut self, id: &PersistenceId) -> Result<()> {
        let unsent = match &self.batch {
            Some(batch) if batch.id == *id => batch.after,
            _ => SeqNr::MAX,
        };
        while self.known.get(id).is_some_and(|known| known.stored < known.highest.min(unsent)) {
            let Some(ended) = self.running.next().await else { break };
            self.settle(ended)?;
        }
        Ok(())
    }

    pub(super) fn set_known(&mut self, id: &PersistenceId, known: Known) {
        self.known.insert(id.clone(), known);
    }

    /// Appends `events`, and waits.
    pub(super) async fn append(
        &self,
        id: &PersistenceId,
        after: SeqNr,
        writer: WriterId,
        events: Vec<NewEvent>,
    ) -> Result<Appended> {
        let append = Append::new(self.system.append_id(), id.clone(), after, writer, events)?;
        append_retrying(&self.system, &self.store, append.with_mode(AppendMode::Ingest)).await
    }

    async fn send_batch(&mut self) -> Result<()> {
        let Some(id) = self.batch.as_ref().map(|batch| batch.id.clone()) else { return Ok(()) };
        // Per entity one at a time: the order must not depend on what a store does with two.
        self.wait_for(&id).await?;
        while self.running.len() >= self.in_flight {
            let Some(ended) = self.running.next().await else { break };
            self.settle(ended)?;
        }
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let append_id = self.system.append_id();
        let append =
            Append::new(append_id, batch.id.clone(), batch.after, batch.writer, batch.events)?
                .with_mode(batch.mode);
        let (store, system) = (self.store.clone(), self.system.clone());
        self.running.push(Box::pin(async move {
            let done = append_retrying(&system, &store, append).await;
            let done = done.map_err(|error| match batch.line {
                Some(line) => {
                    error.context(format!("the events of {} from line {line} on", batch.id))
                }
                None => error.context(format!("the events of {}", batch.id)),
            });
            (batch.id, done)
        }));
        Ok(())
    }

    fn settle(&mut self, (id, done): (PersistenceId, Result<Appended>)) -> Result<()> {
        self.failed |= done.is_err();
        let appended = done?;
        self.counts.events += appended.last.get() - appended.first.get() + 1;
        if let Some(known) = self.known.get_mut(&id) {
            known.stored = appended.last;
        }
        Ok(())
    }
}

async fn append_retrying(system: &Arc<System>, store: &Store, append: Append) -> Result<Appended> {
    let retry = RetryPolicy::default().start(system.clone());
    store.journal.append_retrying(append, retry, system.as_ref()).await
}

/// What an event counts towards the size of an append, about.
fn size(event: &NewEvent) -> usize {
    let payload = |payload: &Payload| payload.bytes.len() + payload.manifest.len();
    payload(&event.payload)
        + event.metadata.as_ref().map_or(0, payload)
        + event.event_manifest.len()
        + event.tags.iter().map(|tag| tag.as_str().len()).sum::<usize>()
}
