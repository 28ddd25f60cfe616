//! What the lists of a segment's index hold, and how each is coded.

use annals_core::{Offset, OffsetRevision, PersistenceId, SeqNr, StoredOffset, Timestamp};

use super::bytes::{Input, put_signed, put_varint, to_u64};
use super::list::Item;
use super::summary::{DeadBytes, FrameRef, SnapshotRef};
use crate::position::{Position, SegmentNr};

impl FrameRef {
    /// The number after its last event's.
    fn end(&self) -> u64 {
        self.first.get().saturating_add(u64::from(self.count))
    }

    /// The number of its last event.
    pub(crate) fn last(&self) -> SeqNr {
        self.first.plus(u64::from(self.count)).previous()
    }
}

/// Byte delta; count, doubled, plus 1 if a gap follows; the gap to the number expected.
impl Item for FrameRef {
    fn key(&self) -> u64 {
        self.first.get()
    }

    fn follows(&self, previous: &Self) -> bool {
        self.byte > previous.byte && self.first.get() >= previous.end()
    }

    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>) {
        let (byte, expected) = previous.map_or((0, 1), |previous| (previous.byte, previous.end()));
        put_varint(out, u64::from(self.byte.wrapping_sub(byte)));
        let gap = self.first.get().wrapping_sub(expected);
        put_varint(out, (u64::from(self.count) << 1) | u64::from(gap != 0));
        if gap != 0 {
            put_varint(out, gap);
        }
    }

    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        let (byte, expected) = previous.map_or((0, 1), |previous| (previous.byte, previous.end()));
        let byte = byte.checked_add(input.varint_u32()?)?;
        let count = input.varint()?;
        let gap = if count & 1 == 1 { input.varint()? } else { 0 };
        let count = u32::try_from(count >> 1).ok().filter(|count| *count > 0)?;
        let first = SeqNr::new(expected.wrapping_add(gap))?;
        SeqNr::new(first.get().checked_add(u64::from(count) - 1)?)?;
        Some(Self { byte, count, first })
    }
}

/// The first byte of a frame that holds an event of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagFrame(pub(super) u32);

/// Byte delta.
impl Item for TagFrame {
    fn key(&self) -> u64 {
        u64::from(self.0)
    }

    fn follows(&self, previous: &Self) -> bool {
        self.0 > previous.0
    }

    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.0.wrapping_sub(previous.map_or(0, |previous| previous.0))));
    }

    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        previous.map_or(0, |previous| previous.0).checked_add(input.varint_u32()?).map(Self)
    }
}

/// An id whose first event of all is in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) id: PersistenceId,
    pub(super) byte: u32,
}

/// Byte delta, id.
impl Item for Beginning {
    fn key(&self) -> u64 {
        u64::from(self.byte)
    }

    fn follows(&self, previous: &Self) -> bool {
        self.byte > previous.byte
    }

    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>) {
        let before = previous.map_or(0, |previous| previous.byte);
        put_varint(out, u64::from(self.byte.wrapping_sub(before)));
        put_text(out, self.id.as_str());
    }

    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        let before = previous.map_or(0, |previous| previous.byte);
        let byte = before.checked_add(input.varint_u32()?)?;
        let id = PersistenceId::new(take_text(input)?).ok()?;
        Some(Self { id, byte })
    }
}

/// Number delta, segment, byte, timestamp.
impl Item for SnapshotRef {
    fn key(&self) -> u64 {
        self.seq_nr.get()
    }

    fn follows(&self, previous: &Self) -> bool {
        self.seq_nr > previous.seq_nr
    }

    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>) {
        let before = previous.map_or(0, |previous| previous.seq_nr.get());
        put_varint(out, self.seq_nr.get().wrapping_sub(before));
        put_varint(out, u64::from(self.position.segment.get()));
        put_varint(out, u64::from(self.position.byte));
        put_signed(out, self.timestamp.as_millis());
    }

    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        let before = previous.map_or(0, |previous| previous.seq_nr.get());
        let seq_nr = SeqNr::new(before.checked_add(input.varint()?)?)?;
        let segment = SegmentNr::new(input.varint_u32()?);
        let position = Position::new(segment, input.varint_u32()?);
        let timestamp = Timestamp::from_millis(input.signed()?);
        Some(Self { position, seq_nr, timestamp })
    }
}

/// Segment delta, bytes.
impl Item for DeadBytes {
    fn key(&self) -> u64 {
        self.segment.get().into()
    }

    fn follows(&self, previous: &Self) -> bool {
        self.segment > previous.segment
    }

    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>) {
        let before = previous.map_or(0, |previous| previous.segment.get());
        put_varint(out, u64::from(self.segment.get().wrapping_sub(before)));
        put_varint(out, self.bytes);
    }

    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        let before = previous.map_or(0, |previous| previous.segment.get());
        let segment = SegmentNr::new(before.checked_add(input.varint_u32()?)?);
        Some(Self { segment, bytes: input.varint()? })
    }
}

/// Name, revision, length of the offset, the offset.
impl Item for StoredOffset {
    fn key(&self) -> u64 {
        0
    }

    fn follows(&self, previous: &Self) -> bool {
        self.name > previous.name
    }

    fn put(&self, _previous: Option<&Self>, out: &mut Vec<u8>) {
        put_text(out, &self.name);
        put_varint(out, self.revision.get());
        put_varint(out, to_u64(self.offset.as_bytes().len()));
        out.extend_from_slice(self.offset.as_bytes());
    }

    fn take(_previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self> {
        let name = take_text(input)?.to_owned();
        let revision = OffsetRevision::new(input.varint()?);
        let bytes = input.varint_usize()?;
        let offset = Offset::from_bytes(input.bytes(bytes)?.to_vec());
        Some(Self { name, offset, revision })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, to_u64(text.len()));
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(input: &mut Input<'a>) -> Option<&'a str> {
    let bytes = input.varint_usize()?;
    std::str::from_utf8(input.bytes(bytes)?).ok()
}
