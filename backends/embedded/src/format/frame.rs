//! A frame: the unit of atomicity. One append, delete, snapshot or offset is one frame.
//!
//! ```text
//!  0  length of the whole frame, a multiple of 8          u32
//!  4  checksum of (epoch, bytes 0..4, bytes 8..32)        u32   CRC-32C
//!  8  checksum of the frame before it                     u32   (of the segment header for the first)
//! 12  checksum of the body, its padding included          u32   CRC-32C
//! 16  position that was synced before this write began    u64
//! 24  kind                                                u8
//! 25  zero                                                3 bytes
//! 28  length of the body without its padding              u32
//! 32  body, padded with zeroes to a multiple of 8
//! ```

use super::encoding::Malformed;
use super::{byte_count, index};
use crate::position::Position;

/// The length of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 32;
const ALIGNMENT: usize = 8;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Events,
    Delete,
    SnapshotSave,
    SnapshotDelete,
    OffsetSave,
    /// Frames that are gone, in a compacted segment.
    Gap,
}

impl FrameKind {
    const fn code(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Delete => 2,
            Self::SnapshotSave => 3,
            Self::SnapshotDelete => 4,
            Self::OffsetSave => 5,
            Self::Gap => 6,
        }
    }

    pub(crate) const fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Events),
            2 => Some(Self::Delete),
            3 => Some(Self::SnapshotSave),
            4 => Some(Self::SnapshotDelete),
            5 => Some(Self::OffsetSave),
            6 => Some(Self::Gap),
            _ => None,
        }
    }
}

/// What ties a frame to its place: it is valid only in its segment, after its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The segment's random number.
    pub(crate) epoch: u64,
    /// The checksum of the frame before.
    pub(crate) previous: u32,
    /// What was synced before the write began.
    pub(crate) synced: Position,
}

/// A decoded, verified frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The length of the whole frame.
    pub(crate) length: u32,
    /// The frame's checksum.
    pub(crate) checksum: u32,
    /// The checksum of the frame before.
    pub(crate) previous: u32,
    /// What the frame holds.
    pub(crate) kind: FrameKind,
    /// What was synced before its write began.
    pub(crate) synced: Position,
    body_checksum: u32,
    body_bytes: u32,
}

/// Finishes a frame: `frame` begins with room for the header, the body follows. Gives its checksum
/// and pads it. The body's checksum is taken by [`body_checksum`] in the caller's task, so that the
/// writer thread touches the header alone.
pub(crate) fn seal_frame(frame: &mut [u8], kind: FrameKind, body: SealedBody, link: Link) -> u32 {
    let Some(header) = frame.first_chunk_mut::<FRAME_HEADER_BYTES>() else {
        unreachable!("every frame is made with room for its header");
    };
    let mut fields = [0; FRAME_HEADER_BYTES];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = fields.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        at += bytes.len();
    };
    put(&body.frame_bytes.to_le_bytes());
    put(&[0; 4]);
    put(&link.previous.to_le_bytes());
    put(&body.checksum.to_le_bytes());
    put(&link.synced.to_u64().to_le_bytes());
    put(&[kind.code(), 0, 0, 0]);
    put(&body.body_bytes.to_le_bytes());
    let checksum = header_checksum(link.epoch, &fields);
    *header = fields;
    if let Some(place) = header.get_mut(4..8) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    checksum
}

/// A body whose checksum was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedBody {
    checksum: u32,
    body_bytes: u32,
    frame_bytes: u32,
}

/// Pads a frame whose body is complete, and takes the body's checksum.
pub(crate) fn seal_body(frame: &mut Vec<u8>) -> SealedBody {
    let body_bytes = frame.len().saturating_sub(FRAME_HEADER_BYTES);
    frame.resize(frame.len().next_multiple_of(ALIGNMENT), 0);
    let body = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    SealedBody {
        checksum: crc32c::crc32c(body),
        body_bytes: byte_count(body_bytes),
        frame_bytes: byte_count(frame.len()),
    }
}

impl FrameHeader {
    /// The header at the front of `bytes`, if it is one of the segment `epoch`. `None` if the bytes
    /// are zero where a frame would have its length: the log goes on at the next block, or ends.
    pub(crate) fn decode(bytes: &[u8], epoch: u64) -> Result<Option<Self>, Malformed> {
        let header = bytes
            .first_chunk::<FRAME_HEADER_BYTES>()
            .ok_or(Malformed("a frame header ends too early"))?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, p0, p1, p2, p3, b0, b1, b2, b3, rest @ ..] = *header;
        let [s0, s1, s2, s3, s4, s5, s6, s7, kind, z0, z1, z2, n0, n1, n2, n3] = rest;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length == 0 {
            return Ok(None);
        }
        let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
        if header_checksum(epoch, header) != checksum {
            return Err(Malformed("the checksum of a frame header is wrong"));
        }
        let kind = FrameKind::of(kind).ok_or(Malformed("a frame is of an unknown kind"))?;
        let body_bytes = u32::from_le_bytes([n0, n1, n2, n3]);
        let padded =
            index(body_bytes).saturating_add(FRAME_HEADER_BYTES).next_multiple_of(ALIGNMENT);
        if padded != index(length) || [z0, z1, z2] != [0; 3] {
            return Err(Malformed("the lengths of a frame disagree"));
        }
        Ok(Some(Self {
            length,
            checksum,
            previous: u32::from_le_bytes([p0, p1, p2, p3]),
            kind,
            synced: Position::from_u64(u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7])),
            body_checksum: u32::from_le_bytes([b0, b1, b2, b3]),
            body_bytes,
        }))
    }

    /// The body within the whole frame `frame`, verified: its range.
    pub(crate) fn body(&self, frame: &[u8]) -> Result<std::ops::Range<usize>, Malformed> {
        let padded = frame
            .get(FRAME_HEADER_BYTES..index(self.length))
            .ok_or(Malformed("a frame ends too early"))?;
        if crc32c::crc32c(padded) != self.body_checksum {
            return Err(Malformed("the checksum of a frame body is wrong"));
        }
        let end = FRAME_HEADER_BYTES + index(self.body_bytes);
        if frame.get(end..index(self.length)).is_some_and(|pad| pad.iter().any(|byte| *byte != 0)) {
            return Err(Malformed("the padding of a frame is not zero"));
        }
        Ok(FRAME_HEADER_BYTES..end)
    }
}

/// Makes the checksums of `frame` right, whatever it holds: for fuzzing.
pub(crate) fn reseal_frame(frame: &mut [u8], epoch: u64) {
    let Some((header, body)) = frame.split_first_chunk_mut::<FRAME_HEADER_BYTES>() else { return };
    let [l0, l1, l2, l3, ..] = *header;
    let length = index(u32::from_le_bytes([l0, l1, l2, l3]));
    let body = body.get(..length.saturating_sub(FRAME_HEADER_BYTES)).unwrap_or(body);
    if let Some(place) = header.get_mut(12..16) {
        place.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }
    let checksum = header_checksum(epoch, header);
    if let Some(place) = header.get_mut(4..8) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

fn header_checksum(epoch: u64, header: &[u8; FRAME_HEADER_BYTES]) -> u32 {
    let checksum = crc32c::crc32c(&epoch.to_le_bytes());
    let checksum = crc32c::crc32c_append(checksum, header.get(..4).unwrap_or_default());
    crc32c::crc32c_append(checksum, header.get(8..).unwrap_or_default())
}
