//! What the log knows of one segment when it is sealed: the input of its index file, and what a
//! lookup in that file gives back.

use annals_core::{PersistenceId, SeqNr, StoredOffset, Tag, Timestamp};

use crate::position::{Position, SegmentNr};

/// A frame of events: where it begins in its segment, and which events it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameRef {
    /// The frame's first byte within its segment.
    pub(crate) byte: u32,
    /// How many events it holds.
    pub(crate) count: u32,
    /// The number of its first event.
    pub(crate) first: SeqNr,
}

/// A stored snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotRef {
    /// Where its frame begins.
    pub(crate) position: Position,
    /// The last event that its state includes.
    pub(crate) seq_nr: SeqNr,
    /// When it was taken.
    pub(crate) timestamp: Timestamp,
}

/// What is known of an id at the end of a segment that holds a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdState {
    /// The highest number deleted.
    pub(crate) deleted_to: SeqNr,
    /// The highest number ever stored.
    pub(crate) highest: SeqNr,
    /// The newest segment, up to this one, in which the id's set of snapshots changed; its index holds
    /// the whole set.
    pub(crate) snapshots_in: Option<SegmentNr>,
}

/// One id in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdSummary {
    /// The id.
    pub(crate) id: PersistenceId,
    /// Its state at the end of the segment.
    pub(crate) state: IdState,
    /// `Some` byte of its first event frame, if the id's first event of all is in this segment.
    pub(crate) begins_at: Option<u32>,
    /// Its event frames in this segment, ascending; may be empty (a delete, a snapshot).
    pub(crate) frames: Vec<FrameRef>,
    /// The whole set of its snapshots, ascending by number, if that changed in this segment.
    pub(crate) snapshots: Option<Vec<SnapshotRef>>,
}

/// One tag in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagSummary {
    /// The tag.
    pub(crate) tag: Tag,
    /// The first bytes of the frames that hold an event with it, ascending.
    pub(crate) frames: Vec<u32>,
}

/// What the frames of a segment deleted in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeadBytes {
    /// In which one: this one or an older one.
    pub(crate) segment: SegmentNr,
    /// About how many bytes of frames.
    pub(crate) bytes: u64,
}

/// Everything that the index file of a segment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    /// The store.
    pub(crate) store_id: u64,
    /// The segment.
    pub(crate) segment: SegmentNr,
    /// Where the segment's last frame ends.
    pub(crate) end: u32,
    /// The checksum of the segment's last frame (of its header, if it holds none).
    pub(crate) last_checksum: u32,
    /// The number of events in it.
    pub(crate) events: u64,
    /// The ids that have a record in it, in no order.
    pub(crate) ids: Vec<IdSummary>,
    /// The tags in it, in no order.
    pub(crate) tags: Vec<TagSummary>,
    /// All projection offsets as they stand at its end.
    pub(crate) offsets: Vec<StoredOffset>,
    /// What its frames deleted, by segment, ascending.
    pub(crate) dead: Vec<DeadBytes>,
    /// If it leaves out frames that are deleted: what was deleted up to here was looked at.
    pub(crate) decided: Option<Position>,
}
