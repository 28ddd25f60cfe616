//! The store that is measured, and what it tells about itself.

use std::path::Path;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Journal, NewEvent, Payload, SeqNr, SerializerId, Store, Tags, Timestamp,
};
use annals_embedded::{EmbeddedStore, Stats};
use bytes::Bytes;

use crate::Result;
use crate::driver::{Entity, Target};

/// An open store.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) store: Store,
    embedded: Arc<EmbeddedStore>,
}

impl Subject {
    /// Opens or makes a store with the default settings. Blocks while it recovers.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let embedded = EmbeddedStore::builder(dir).open()?;
        Ok(Self { store: embedded.store(), embedded })
    }

    /// What it counted since it was opened.
    pub(crate) fn stats(&self) -> Stats {
        self.embedded.stats()
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
    appends: Appends,
}

/// Makes the appends of the driver: the same for every target, so that only what becomes of them is
/// compared.
#[derive(Debug, Clone)]
pub(crate) struct Appends {
    manifest: Arc<str>,
    tags: Tags,
}

impl Appends {
    pub(crate) fn new(tags: Tags) -> Self {
        Self { manifest: Arc::from(""), tags }
    }

    /// `payloads` as one append; the first gets number `seq_nr`.
    pub(crate) fn make(
        &self,
        entity: &Entity,
        seq_nr: u64,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<Append> {
        let event = |bytes| {
            let payload = Payload::new(SerializerId::BYTES, self.manifest.clone(), bytes);
            // One moment for all: what time it is does not matter here.
            let timestamp = Timestamp::from_millis(1_700_000_000_000);
            NewEvent::new(payload, timestamp).with_tags(self.tags.clone())
        };
        Ok(Append::new(
            AppendId::new(u128::from(entity.number) << 64 | u128::from(seq_nr)),
            entity.id.clone(),
            SeqNr::new(seq_nr - 1).ok_or("the number is too large")?,
            entity.writer.clone(),
            payloads.into_iter().map(event).collect(),
        )?)
    }
}

impl JournalTarget {
    pub(crate) fn new(journal: Arc<dyn Journal>, tags: Tags) -> Self {
        Self { journal, appends: Appends::new(tags) }
    }

    /// Appends `payloads` as one append; the first gets number `seq_nr`.
    pub(crate) async fn append_all(
        &self,
        entity: &Entity,
        seq_nr: u64,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<()> {
        let append = self.appends.make(entity, seq_nr, payloads)?;
        self.journal.append(append).await?;
        Ok(())
    }
}

impl Target for JournalTarget {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        self.append_all(entity, seq_nr, [payload]).await
    }
}
