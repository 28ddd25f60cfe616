//! The header of a segment's index: what it says of the segment, and where its parts are.

use super::blocks::{Kind, Stream};
use super::bytes::Input;
use super::list::ListRef;
use crate::position::{Position, SegmentNr};

/// Version 2 adds what compaction needs to know; without it, an index is written as version 1.
pub(super) const KIND: Kind =
    Kind { magic: *b"annalsIX", versions_max: 2, what: "an index of a segment of annals" };

/// What an index says of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    /// The store.
    pub(crate) store_id: u64,
    /// The segment.
    pub(crate) segment: SegmentNr,
    /// Where the segment's last frame ends.
    pub(crate) end: u32,
    /// The checksum of the segment's last frame.
    pub(crate) last_checksum: u32,
    /// The number of events in it.
    pub(crate) events: u64,
    /// The number of ids that have a record in it.
    pub(crate) ids: u64,
    /// The number of tags in it.
    pub(crate) tags: u64,
    /// If it leaves out frames that are deleted: what was deleted up to here was looked at.
    pub(crate) decided: Option<Position>,
}

/// What the header holds beyond what all block files have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) meta: SegmentMeta,
    pub(super) lists: Stream,
    pub(super) first_id_block: u32,
    pub(super) id_blocks: u32,
    pub(super) first_tag_block: u32,
    pub(super) tag_blocks: u32,
    pub(super) first_fence_block: u32,
    pub(super) beginnings: ListRef,
    pub(super) offsets: ListRef,
    pub(super) dead: ListRef,
}

impl Header {
    /// The version of a file with this header.
    pub(super) fn version(&self) -> u32 {
        if self.meta.decided.is_some() || !self.dead.is_empty() { 2 } else { 1 }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let meta = &self.meta;
        out.extend_from_slice(&meta.store_id.to_le_bytes());
        for field in [meta.segment.get(), meta.end, meta.last_checksum] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for field in [meta.events, meta.ids, meta.tags, self.lists.bytes] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let tables = [self.first_id_block, self.id_blocks, self.first_tag_block, self.tag_blocks];
        for field in [self.lists.first].into_iter().chain(tables).chain([self.first_fence_block]) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        self.beginnings.put(out);
        self.offsets.put(out);
        if self.version() > 1 {
            let decided = self.meta.decided.map_or(0, Position::to_u64);
            out.extend_from_slice(&decided.to_le_bytes());
            self.dead.put(out);
        }
    }

    pub(super) fn take(input: &mut Input<'_>, version: u32) -> Option<Self> {
        let store_id = input.u64()?;
        let (segment, end, last_checksum) = (input.u32()?, input.u32()?, input.u32()?);
        let (events, ids, tags) = (input.u64()?, input.u64()?, input.u64()?);
        let segment = SegmentNr::new(segment);
        let bytes = input.u64()?;
        let decided = None;
        let mut header = Self {
            meta: SegmentMeta { store_id, segment, end, last_checksum, events, ids, tags, decided },
            lists: Stream { first: input.u32()?, bytes },
            first_id_block: input.u32()?,
            id_blocks: input.u32()?,
            first_tag_block: input.u32()?,
            tag_blocks: input.u32()?,
            first_fence_block: input.u32()?,
            beginnings: ListRef::take(input, 0)?,
            offsets: ListRef::take(input, 0)?,
            dead: ListRef::EMPTY,
        };
        if version > 1 {
            let decided = input.u64()?;
            header.meta.decided = (decided > 0).then(|| Position::from_u64(decided));
            header.dead = ListRef::take(input, 0)?;
        }
        Some(header)
    }
}
