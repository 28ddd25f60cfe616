//! The journal over the log.

use annals_core::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Error, Journal, PersistenceId,
    Result, SeqNr, SeqRange, WriterId,
};
use async_trait::async_trait;
use futures_util::stream;

use crate::MemoryStore;

/// The most events of one batch, so that small events do not make one of millions.
const BATCH_EVENTS_MAX: usize = 1024;

#[async_trait]
impl Journal for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn begin(&self, id: &PersistenceId, _writer: &WriterId) -> Result<Bounds> {
        self.bounds(id).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.limits().check_append(&append)?;
        let (receipt, position) = self.locked(|state| {
            if let Some(save) = append.offset_save() {
                self.position(&save.offset, state.last_position)?;
            }
            Ok((state.append(&append)?, state.last_position))
        })?;
        self.announce(position);
        Ok(receipt)
    }

    async fn end(&self, _id: &PersistenceId, _writer: &WriterId) -> Result<()> {
        self.locked(|_| Ok(()))
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let replay = Replay { store: self.clone(), id: id.clone(), range, begun: false };
        Box::pin(stream::try_unfold(replay, |mut replay| async move {
            let batch = replay.next_batch()?;
            Ok(batch.map(|batch| (batch, replay)))
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.locked(|state| {
            Ok(state.entities.get(id).map_or(Bounds::default(), |entity| entity.bounds))
        })
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.locked(|state| {
            state.delete_to(id, to);
            Ok(())
        })
    }

    async fn close(&self) -> Result<()> {
        self.end_all();
        Ok(())
    }
}

/// A replay on its way; holds no event between two batches.
struct Replay {
    store: MemoryStore,
    id: PersistenceId,
    /// What is still to be delivered.
    range: SeqRange,
    begun: bool,
}

impl Replay {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let store = self.store.clone();
        store.locked(|state| {
            let Some(entity) = state.entities.get(&self.id) else { return Ok(None) };
            let first = entity.bounds.deleted_to.next();
            if !self.begun {
                self.begun = true;
                self.range.from = self.range.from.max(first);
                self.range.to = self.range.to.min(entity.bounds.highest);
            }
            if self.range.is_empty() {
                return Ok(None);
            }
            if self.range.from < first {
                return Err(Error::unavailable(format!(
                    "events of {} up to {} were deleted while they were being replayed: replay anew",
                    self.id, entity.bounds.deleted_to
                )));
            }
            let mut bytes = 0;
            let mut events = Vec::new();
            for record in entity.range(self.range).take(BATCH_EVENTS_MAX) {
                bytes += record.event.size_bytes();
                events.push(record.event.clone());
                if bytes >= self.store.batch_bytes() {
                    break;
                }
            }
            let Some(last) = events.last() else { return Ok(None) };
            self.range.from = last.seq_nr.next();
            if last.seq_nr == self.range.to {
                // Also at the greatest number, whose successor is itself.
                self.range = SeqRange::new(SeqNr::FIRST, SeqNr::ZERO);
            }
            Ok(Some(Batch { events }))
        })
    }
}
