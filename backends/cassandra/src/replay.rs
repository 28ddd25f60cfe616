//! Replay: the events of an entity in bounded batches.

use std::sync::Arc;

use annals_core::{Batch, Bounds, PersistenceId, Result, SeqNr, SeqRange, StoredEvent};

use crate::claims::ClaimReader;
use crate::journal::BATCH_BYTES;
use crate::reader::EventReader;
use crate::row::EventRow;
use crate::store::Inner;

/// Reads an entity as its fencing demands.
pub(crate) enum EntityReader {
    Claimed(Box<ClaimReader>),
    Plain(Box<EventReader>),
}

impl EntityReader {
    /// A reader of `range` of `id`, whose history has `bounds`.
    pub(crate) fn new(inner: &Inner, id: &PersistenceId, range: SeqRange, bounds: Bounds) -> Self {
        if inner.claims.is_some() {
            let to = range.to.min(bounds.highest);
            let reader = ClaimReader::new(id.clone(), SeqRange::new(range.from, to));
            return Self::Claimed(Box::new(reader));
        }
        Self::Plain(Box::new(EventReader::new(inner, id, range, bounds)))
    }

    pub(crate) async fn next(&mut self, inner: &Inner) -> Result<Option<Vec<EventRow>>> {
        match self {
            Self::Claimed(reader) => reader.next(inner.claims()?).await,
            Self::Plain(reader) => reader.next(inner).await,
        }
    }
}

/// A replay on its way.
pub(crate) struct Replay {
    inner: Arc<Inner>,
    id: PersistenceId,
    range: SeqRange,
    reader: Option<EntityReader>,
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
                    // Under claims the reading itself finds where the history ends.
                    let bounds = match inner.claims {
                        Some(_) => Bounds { deleted_to: SeqNr::ZERO, highest: SeqNr::MAX },
                        None => inner.bounds(&self.id).await?,
                    };
                    none.insert(EntityReader::new(&inner, &self.id, self.range, bounds))
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
