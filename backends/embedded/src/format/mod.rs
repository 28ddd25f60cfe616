//! The bytes of the log, as `docs/format/log.md` describes them. Pure: from values to bytes and back,
//! and any bytes give a value or an error that says what is wrong with them.

mod encoding;
mod events;
mod frame;
mod gap;
mod packing;
mod record;
mod segment;

#[cfg(test)]
mod tests;

pub(crate) use encoding::Malformed;
pub(crate) use events::{decode_events, decode_events_head, encode_events};
pub(crate) use frame::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKind, Link, SealedBody, reseal_frame, seal_body,
    seal_frame,
};
pub(crate) use gap::{Gap, GapEvents, GapId};
pub(crate) use packing::{PIECE_BYTES, Packing, Piece, decode_pieces, encode_pieces};
pub(crate) use record::{Delete, OffsetSave, SnapshotDelete, SnapshotSave};
pub(crate) use segment::{SEGMENT_HEADER_BYTES, SegmentHeader};

/// What is said of a file of another version than `ours`.
pub(crate) fn another_version(found: u16, ours: u16) -> String {
    format!("it is of version {found} of the format, and this annals reads version {ours}")
}

/// A 32-bit length as an index.
pub(crate) fn index(value: u32) -> usize {
    usize::try_from(value).expect("annals needs a machine of 32 bits or more")
}

/// A length within a segment, whose bytes are counted in 32 bits.
pub(crate) fn byte_count(length: usize) -> u32 {
    u32::try_from(length).expect("lengths within a segment were checked against its capacity")
}
