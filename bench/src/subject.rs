//! The store that is measured, and what it tells about itself.

use std::path::Path;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Journal, NewEvent, Payload, SeqNr, SerializerId, Store, Tags, Timestamp,
};
use annals_memory::MemoryStore;
use bytes::Bytes;

use crate::Result;
use crate::driver::{Entity, Target};

/// An open store.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) store: Store,
}

/// What the store counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Events decoded for readers across entities.
    pub(crate) events_decoded: u64,
    /// Heap that the indexes of sealed segments take.
    pub(crate) index_heap_bytes: u64,
    /// Events in sealed segments.
    pub(crate) sealed_events: u64,
    /// Sealed segments.
    pub(crate) sealed_segments: u64,
    /// Blocks of sealed indexes read.
    pub(crate) index_block_reads: u64,
    /// The path taken to the disk.
    pub(crate) path: &'static str,
}

impl Subject {
    pub(crate) async fn open(_dir: &Path) -> Result<Self> {
        Ok(Self { store: MemoryStore::new().store() })
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            events_decoded: 0,
            index_heap_bytes: 0,
            sealed_events: 0,
            sealed_segments: 0,
            index_block_reads: 0,
            path: "memory",
        }
    }

    pub(crate) fn target(&self) -> JournalTarget {
        JournalTarget::new(self.store.journal.clone(), Tags::NONE)
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.store.close().await?)
    }
}

/// A journal as a target: each event is an append of its own.
#[derive(Debug, Clone)]
pub(crate) struct JournalTarget {
    journal: Arc<dyn Journal>,
    manifest: Arc<str>,
    tags: Tags,
}

impl JournalTarget {
    pub(crate) fn new(journal: Arc<dyn Journal>, tags: Tags) -> Self {
        Self { journal, manifest: Arc::from(""), tags }
    }

    /// Appends `payloads` as one append; the first gets number `seq_nr`.
    pub(crate) async fn append_all(
        &self,
        entity: &Entity,
        seq_nr: u64,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<()> {
        let event = |bytes| {
            let payload = Payload::new(SerializerId::BYTES, self.manifest.clone(), bytes);
            // One moment for all: what time it is does not matter here.
            let timestamp = Timestamp::from_millis(1_700_000_000_000);
            NewEvent::new(payload, timestamp).with_tags(self.tags.clone())
        };
        let append = Append::new(
            AppendId::new(u128::from(entity.number) << 64 | u128::from(seq_nr)),
            entity.id.clone(),
            SeqNr::new(seq_nr - 1).ok_or("the number is too large")?,
            entity.writer.clone(),
            payloads.into_iter().map(event).collect(),
        )?;
        self.journal.append(append).await?;
        Ok(())
    }
}

impl Target for JournalTarget {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        self.append_all(entity, seq_nr, [payload]).await
    }
}
