//! The records of the id table and of the tag table.

use annals_core::{PersistenceId, Result, SeqNr};

use super::bytes::{Input, put_varint, to_u64};
use super::list::{ListRef, ListSink};
use super::summary::IdState;
use crate::position::SegmentNr;

/// Texts up to this size stand in their record; of longer ones the record says where they are.
const INLINE_TEXT_MAX: usize = 1024;

/// What a segment's index knows of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdRecord {
    /// The id.
    pub(crate) id: PersistenceId,
    /// Its state at the end of the segment.
    pub(crate) state: IdState,
    /// The newest segment before this one that knows an id of the same hash.
    pub(crate) previous: Option<SegmentNr>,
    /// The byte of its first event frame, if its first event of all is in this segment.
    pub(crate) begins_at: Option<u32>,
    /// Its event frames in this segment.
    pub(crate) frames: ListRef,
    /// The whole set of its snapshots, if that changed in this segment.
    pub(crate) snapshots: Option<ListRef>,
}

/// A text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextRef<'a> {
    /// In the record.
    Inline(&'a [u8]),
    /// In the stream of lists.
    At { offset: u64, bytes: u64 },
}

impl<'a> TextRef<'a> {
    /// Adds `text`, or what stands for it.
    pub(super) fn put(out: &mut Vec<u8>, sink: &mut dyn ListSink, text: &str) -> Result<()> {
        put_varint(out, to_u64(text.len()));
        if text.len() <= INLINE_TEXT_MAX {
            out.extend_from_slice(text.as_bytes());
        } else {
            put_varint(out, sink.put_list(text.as_bytes())?);
        }
        Ok(())
    }

    pub(super) fn take(input: &mut Input<'a>) -> Option<Self> {
        let bytes = input.varint_usize()?;
        if bytes <= INLINE_TEXT_MAX {
            return Some(Self::Inline(input.bytes(bytes)?));
        }
        Some(Self::At { offset: input.varint()?, bytes: to_u64(bytes) })
    }
}

/// A record of the id table, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdFields {
    pub(super) state: IdState,
    pub(super) previous: Option<SegmentNr>,
    pub(super) begins_at: Option<u32>,
    pub(super) frames: ListRef,
    pub(super) snapshots: Option<ListRef>,
}

impl IdFields {
    /// Adds what follows the text.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_segment(out, self.previous);
        put_varint(out, self.state.deleted_to.get());
        put_varint(out, self.state.highest.get());
        put_segment(out, self.state.snapshots_in);
        put_varint(out, self.begins_at.map_or(0, |byte| u64::from(byte) + 1));
        self.frames.put(out);
        out.push(u8::from(self.snapshots.is_some()));
        if let Some(snapshots) = &self.snapshots {
            snapshots.put(out);
        }
    }

    /// The record whose bytes, after the text, stand in block `block` of the index of `segment`.
    pub(super) fn take(input: &mut Input<'_>, segment: SegmentNr, block: u32) -> Option<Self> {
        // Segments that lead to older ones only: a walk over them ends.
        let previous = take_segment(input)?;
        let deleted_to = SeqNr::new(input.varint()?)?;
        let highest = SeqNr::new(input.varint()?)?;
        let snapshots_in = take_segment(input)?;
        let begins_at = match input.varint()?.checked_sub(1) {
            Some(byte) => Some(u32::try_from(byte).ok()?),
            None => None,
        };
        let frames = ListRef::take(input, block)?;
        let snapshots = match input.array()? {
            [0] => None,
            [1] => Some(ListRef::take(input, block)?),
            _ => return None,
        };
        let state = IdState { deleted_to, highest, snapshots_in };
        let older = previous.is_none_or(|previous| previous < segment)
            && snapshots_in.is_none_or(|snapshots_in| snapshots_in <= segment);
        (older && input.len() == 0).then_some(Self {
            state,
            previous,
            begins_at,
            frames,
            snapshots,
        })
    }

    /// The record of `id`.
    pub(super) fn of(self, id: PersistenceId) -> IdRecord {
        let Self { state, previous, begins_at, frames, snapshots } = self;
        IdRecord { id, state, previous, begins_at, frames, snapshots }
    }
}

/// Segments count from 1; 0 is none.
fn put_segment(out: &mut Vec<u8>, segment: Option<SegmentNr>) {
    put_varint(out, segment.map_or(0, |segment| u64::from(segment.get())));
}

fn take_segment(input: &mut Input<'_>) -> Option<Option<SegmentNr>> {
    let number = input.varint_u32()?;
    Some((number > 0).then(|| SegmentNr::new(number)))
}
