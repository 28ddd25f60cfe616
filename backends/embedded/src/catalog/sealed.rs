//! The sealed segments: their index files, and the directory over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{PersistenceId, Result, SeqRange, StoredOffset, Tag};

use super::Head;
use crate::index::{FrameRef, SnapshotRef};
use crate::position::{Position, SegmentNr};
use crate::storage::Storage;

/// The sealed segments of a store.
#[derive(Debug, Default)]
pub(crate) struct Sealed {}

impl Sealed {
    /// The sealed segments in `storage`.
    pub(crate) fn open(
        _storage: Arc<dyn Storage>,
        _store_id: u64,
        _writable: bool,
    ) -> Result<Self> {
        Ok(Self::default())
    }

    /// How many there are.
    pub(crate) fn segments(&self) -> usize {
        0
    }

    /// Where the newest one ends, and the checksum of its last frame.
    pub(crate) fn last_end(&self) -> Option<(Position, u32)> {
        None
    }

    /// The projections' offsets at the end of the newest one.
    pub(crate) fn offsets(&self) -> Result<BTreeMap<String, StoredOffset>> {
        Ok(BTreeMap::new())
    }

    /// Memory held, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        0
    }

    /// Index blocks read.
    pub(crate) fn block_reads(&self) -> u64 {
        0
    }

    /// What is known of `id`; `None` if no sealed segment holds a record of it.
    pub(crate) fn head(&self, _id: &PersistenceId) -> Result<Option<Head>> {
        Ok(None)
    }

    /// The snapshots of `id`, as the index of `segment` holds them.
    pub(crate) fn snapshots(
        &self,
        _segment: SegmentNr,
        _id: &PersistenceId,
    ) -> Result<Vec<SnapshotRef>> {
        Ok(Vec::new())
    }

    /// The segments that may hold events of `id` in `range`, newest first.
    pub(crate) fn segments_of(
        &self,
        _id: &PersistenceId,
        _range: SeqRange,
    ) -> Result<Vec<SegmentNr>> {
        Ok(Vec::new())
    }

    /// The frames of `id` in `segment` that hold events of `range`.
    pub(crate) fn frames(
        &self,
        _segment: SegmentNr,
        _id: &PersistenceId,
        _range: SeqRange,
    ) -> Result<Vec<FrameRef>> {
        Ok(Vec::new())
    }

    /// The frames of `segment` from `byte` on that hold an event with `tag`.
    pub(crate) fn tag_frames(
        &self,
        _segment: SegmentNr,
        _tag: &Tag,
        _byte: u32,
    ) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    /// The ids that begin in `segment` at or after `byte`.
    pub(crate) fn beginning_ids(
        &self,
        _segment: SegmentNr,
        _byte: u32,
        _ids_max: usize,
    ) -> Result<Vec<(PersistenceId, u32)>> {
        Ok(Vec::new())
    }
}
