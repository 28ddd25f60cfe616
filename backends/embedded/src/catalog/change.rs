//! What a frame changes in the catalog: known before it is written, and read back from it.

use annals_core::{
    OffsetRevision, PersistenceId, SeqNr, SnapshotCriteria, StoredOffset, Tag, Timestamp,
};
use bytes::Bytes;

use crate::format::{
    Delete, FrameKind, Malformed, OffsetSave, SnapshotDelete, SnapshotSave, decode_events,
};

/// What a frame changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Events are appended.
    Events {
        id: PersistenceId,
        first: SeqNr,
        count: u32,
        /// `deleted_to` as the frame records it.
        deleted_to: SeqNr,
        /// Whether the id may be, or was, begun above 1.
        ingest: bool,
        /// The tags of all its events, each once.
        tags: Vec<Tag>,
        /// The offset that is saved with them, whose revision must follow the one that stands.
        offset: Option<Box<StoredOffset>>,
    },
    /// Events are deleted.
    Delete { id: PersistenceId, to: SeqNr },
    /// A snapshot is saved.
    SnapshotSave { id: PersistenceId, seq_nr: SeqNr, timestamp: Timestamp },
    /// Snapshots are deleted.
    SnapshotDelete { id: PersistenceId, criteria: SnapshotCriteria },
    /// An offset is saved, whose revision must follow the one that stands.
    OffsetSave(StoredOffset),
}

impl Change {
    /// The change of a stored frame.
    pub(crate) fn decode(kind: FrameKind, body: &Bytes) -> Result<Self, Malformed> {
        Ok(match kind {
            FrameKind::Events => {
                let (head, events) = decode_events(body)?;
                let mut tags: Vec<Tag> =
                    events.iter().flat_map(|event| event.tags.iter().cloned()).collect();
                tags.sort_unstable();
                tags.dedup();
                Self::Events {
                    id: head.id,
                    first: head.first,
                    count: head.count,
                    deleted_to: head.deleted_to,
                    ingest: head.ingest,
                    tags,
                    offset: head.offset.map(Box::new),
                }
            }
            FrameKind::Delete => {
                let delete = Delete::decode(body)?;
                Self::Delete { id: delete.id, to: delete.to }
            }
            FrameKind::SnapshotSave => {
                let snapshot = SnapshotSave::decode(body)?;
                Self::SnapshotSave {
                    id: snapshot.persistence_id,
                    seq_nr: snapshot.seq_nr,
                    timestamp: snapshot.timestamp,
                }
            }
            FrameKind::SnapshotDelete => {
                let delete = SnapshotDelete::decode(body)?;
                Self::SnapshotDelete { id: delete.id, criteria: delete.criteria }
            }
            FrameKind::OffsetSave => Self::OffsetSave(OffsetSave::decode(body)?),
            FrameKind::Gap => return Err(Malformed("a gap changes nothing by itself")),
        })
    }

    /// The entity it is about.
    pub(crate) fn id(&self) -> Option<&PersistenceId> {
        match self {
            Self::Events { id, .. }
            | Self::Delete { id, .. }
            | Self::SnapshotSave { id, .. }
            | Self::SnapshotDelete { id, .. } => Some(id),
            Self::OffsetSave(_) => None,
        }
    }

    /// The offset that it saves.
    pub(crate) fn offset(&self) -> Option<&StoredOffset> {
        match self {
            Self::Events { offset, .. } => offset.as_deref(),
            Self::OffsetSave(offset) => Some(offset),
            Self::Delete { .. } | Self::SnapshotSave { .. } | Self::SnapshotDelete { .. } => None,
        }
    }

    /// Whether the id's set of snapshots must be known to apply it.
    pub(crate) fn needs_snapshots(&self) -> bool {
        matches!(self, Self::SnapshotSave { .. } | Self::SnapshotDelete { .. })
    }

    /// The revision that an offset must stand at before it.
    pub(crate) fn expected_revision(offset: &StoredOffset) -> OffsetRevision {
        OffsetRevision::new(offset.revision.get().saturating_sub(1))
    }
}
