//! Comparing an import with what is stored already.

use std::collections::{HashMap, VecDeque};

use annals::{
    Error, NewEvent, PersistenceId, Result, SeqNr, SeqRange, Store, StoredEvent, WriterId,
};
use futures_util::StreamExt;

/// Events read ahead of one entity.
const WINDOW_EVENTS: usize = 64;
/// Payload bytes read ahead of one entity.
const WINDOW_BYTES: usize = 1 << 20;
/// Payload bytes kept of all entities together.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Reads stored events a few at a time, since those of one entity are asked for in order.
pub(super) struct Comparer {
    store: Store,
    ahead: HashMap<PersistenceId, VecDeque<StoredEvent>>,
    kept_bytes: usize,
}

impl Comparer {
    pub(super) fn new(store: Store) -> Self {
        Self { store, ahead: HashMap::new(), kept_bytes: 0 }
    }

    /// Checks that event `seq_nr` of `id`, which ends at `highest`, is the one given.
    ///
    /// # Errors
    /// `Conflict`, naming what differs.
    pub(super) async fn event(
        &mut self,
        id: &PersistenceId,
        seq_nr: SeqNr,
        writer: &WriterId,
        event: &NewEvent,
        highest: SeqNr,
    ) -> Result<()> {
        let stored = self.stored(id, seq_nr, highest).await?;
        let differs = [
            ("payload", stored.payload != event.payload),
            ("timestamp", stored.timestamp != event.timestamp),
            ("writer", stored.writer != *writer),
            ("event_manifest", stored.event_manifest != event.event_manifest),
            ("tags", stored.tags != event.tags),
            ("metadata", stored.metadata != event.metadata),
        ];
        let differs: Vec<&str> =
            differs.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect();
        if differs.is_empty() {
            return Ok(());
        }
        let message = format!(
            "event {seq_nr} of {id} is another one here ({} differ); nothing was overwritten",
            differs.join(", ")
        );
        Err(Error::conflict(highest, message))
    }

    async fn stored(
        &mut self,
        id: &PersistenceId,
        seq_nr: SeqNr,
        highest: SeqNr,
    ) -> Result<StoredEvent> {
        if let Some(ahead) = self.ahead.get_mut(id) {
            while let Some(event) = ahead.pop_front() {
                self.kept_bytes = self.kept_bytes.saturating_sub(event.payload.bytes.len());
                if event.seq_nr == seq_nr {
                    return Ok(event);
                }
            }
        }
        let mut window = self.read(id, SeqRange::new(seq_nr, highest)).await?;
        let first = window.pop_front().filter(|event| event.seq_nr == seq_nr);
        let bytes = window.iter().map(|event| event.payload.bytes.len()).sum::<usize>();
        if self.kept_bytes + bytes > KEPT_BYTES_MAX {
            self.ahead.clear();
            self.kept_bytes = 0;
        }
        self.kept_bytes += bytes;
        if window.is_empty() {
            self.ahead.remove(id);
        } else {
            self.ahead.insert(id.clone(), window);
        }
        first.ok_or_else(|| {
            let message = format!("event {seq_nr} of {id} was deleted while it was compared");
            Error::conflict(highest, message)
        })
    }

    async fn read(&self, id: &PersistenceId, range: SeqRange) -> Result<VecDeque<StoredEvent>> {
        let mut batches = self.store.journal.replay(id, range);
        let mut window = VecDeque::new();
        let mut bytes = 0;
        while let Some(batch) = batches.next().await {
            for event in batch?.events {
                bytes += event.payload.bytes.len();
                window.push_back(event);
                if window.len() >= WINDOW_EVENTS || bytes >= WINDOW_BYTES {
                    return Ok(window);
                }
            }
        }
        Ok(window)
    }
}
