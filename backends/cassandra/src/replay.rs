//! Replay: the events of an entity in bounded batches.

use std::sync::Arc;

use annals_core::{Batch, PersistenceId, Result, SeqRange, StoredEvent};

use crate::journal::BATCH_BYTES;
use crate::reader::EventReader;
use crate::store::Inner;

/// A replay on its way.
pub(crate) struct Replay {
    inner: Arc<Inner>,
    id: PersistenceId,
    range: SeqRange,
    reader: Option<EventReader>,
    /// What was read and not delivered yet.
    rest: std::vec::IntoIter<StoredEvent>,
}

impl Replay {
    pub(crate) fn new(inner: Arc<Inner>, id: PersistenceId, range: SeqRange) -> Self {
        Self { inner, id, range, reader: None, rest: Vec::new().into_iter() }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Batch>> {
        let inner = self.inner.clone();
        let _request = inner.enter().await?;
        if self.rest.as_slice().is_empty() {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    let bounds = inner.bounds(&self.id).await?;
                    none.insert(EventReader::new(&inner, &self.id, self.range, bounds))
                }
            };
            let Some(rows) = reader.next(&inner).await? else { return Ok(None) };
            let events: Vec<StoredEvent> = rows.into_iter().map(|row| row.event).collect();
            self.rest = events.into_iter();
        }
        let mut bytes = 0_usize;
        let mut events = Vec::new();
        while bytes < BATCH_BYTES {
            let Some(event) = self.rest.next() else { break };
            bytes = bytes.saturating_add(event.size_bytes());
            events.push(event);
        }
        Ok(Some(Batch { events }))
    }
}
