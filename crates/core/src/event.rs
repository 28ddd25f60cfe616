//! Events: as a caller hands them to a journal, and as a journal hands them back.

use std::sync::Arc;

use crate::{Payload, SeqNr, Tags, Timestamp, WriterId};

/// An event to be appended. Its number, writer and place come from the append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub payload: Payload,
    /// When, drawn once before the first attempt.
    pub timestamp: Timestamp,
    /// The event adapter's manifest (Pekko: `PersistentRepr.manifest`); usually empty.
    pub event_manifest: Arc<str>,
    /// Labels to read it by.
    pub tags: Tags,
    /// What else is known about it (correlation, replication); kept as it is.
    pub metadata: Option<Payload>,
}

impl NewEvent {
    /// An event without tags, adapter manifest or metadata.
    pub fn new(payload: Payload, timestamp: Timestamp) -> Self {
        // The default text is shared, not allocated anew.
        let event_manifest = Arc::default();
        Self { payload, timestamp, event_manifest, tags: Tags::NONE, metadata: None }
    }

    /// The same event with these tags.
    #[must_use]
    pub fn with_tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }

    /// The same event with this adapter manifest.
    #[must_use]
    pub fn with_event_manifest(mut self, event_manifest: impl Into<Arc<str>>) -> Self {
        self.event_manifest = event_manifest.into();
        self
    }

    /// The same event with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Payload) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// What it counts against a store's limits: payload, manifests, tags and metadata.
    pub fn size_bytes(&self) -> usize {
        size_bytes(&self.payload, &self.event_manifest, &self.tags, self.metadata.as_ref())
    }
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number within its entity.
    pub seq_nr: SeqNr,
    /// The incarnation of the entity that wrote it.
    pub writer: WriterId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub payload: Payload,
    /// The event adapter's manifest; usually empty.
    pub event_manifest: Arc<str>,
    /// Labels to read it by.
    pub tags: Tags,
    /// What else is known about it.
    pub metadata: Option<Payload>,
}

impl StoredEvent {
    /// What it counts against a store's limits: payload, manifests, tags and metadata.
    pub fn size_bytes(&self) -> usize {
        size_bytes(&self.payload, &self.event_manifest, &self.tags, self.metadata.as_ref())
    }
}

fn size_bytes(
    payload: &Payload,
    event_manifest: &str,
    tags: &Tags,
    metadata: Option<&Payload>,
) -> usize {
    let metadata = metadata.map_or(0, Payload::size_bytes);
    tags.iter()
        .map(|tag| tag.as_str().len())
        .fold(payload.size_bytes(), usize::saturating_add)
        .saturating_add(event_manifest.len())
        .saturating_add(metadata)
}
