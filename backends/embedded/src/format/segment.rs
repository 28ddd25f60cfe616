//! The first block of a segment file.
//!
//! ```text
//!  0  "ANNALSEG"
//!  8  version (2 if it is compacted, else 1), zero        u16, u16
//! 12  segment                                             u32
//! 16  store                                               u64
//! 24  epoch, random                                       u64
//! 32  where the log ended when this segment was begun     u64   (0 for the first)
//! 40  checksum of the last frame before it                u32   (0 for the first)
//! 44  length of the segment                               u32
//! 48  of a compacted one: what was looked at, number of
//!     pieces, their bytes, checksum of their table        u64, u32, u32, u32
//!     zeroes
//! 4092 checksum of the bytes before                       u32   CRC-32C
//! ```

use super::Packing;
use super::encoding::Malformed;
use crate::position::{Position, SegmentNr};
use crate::storage::{AlignedBuf, BLOCK_BYTES};

/// The length of a segment's header: one block.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 4096;
const MAGIC: &[u8; 8] = b"ANNALSEG";
/// As the writer makes it: each byte of the segment stands at that byte of the file.
const VERSION: u16 = 1;
/// Compacted: the pieces that are left stand one after another.
const PACKED_VERSION: u16 = 2;
const FIELDS_BYTES: usize = 48;

/// What the first block of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The store's random number.
    pub(crate) store_id: u64,
    /// Which segment this is.
    pub(crate) segment: SegmentNr,
    /// The segment's random number.
    pub(crate) epoch: u64,
    /// Where the log ended when this segment was begun; `None` for the first.
    pub(crate) previous_end: Option<Position>,
    /// The checksum of the last frame before it.
    pub(crate) previous_checksum: u32,
    /// The length of the segment: of its file, unless it is compacted.
    pub(crate) capacity: u32,
    /// How its file is packed, if it is compacted.
    pub(crate) packing: Option<Packing>,
}

impl SegmentHeader {
    /// The header as a block.
    pub(crate) fn encode(&self) -> AlignedBuf {
        let mut block = AlignedBuf::with_capacity(BLOCK_BYTES);
        let version = if self.packing.is_some() { PACKED_VERSION } else { VERSION };
        block.extend(MAGIC);
        block.extend(&version.to_le_bytes());
        block.extend(&[0; 2]);
        block.extend(&self.segment.get().to_le_bytes());
        block.extend(&self.store_id.to_le_bytes());
        block.extend(&self.epoch.to_le_bytes());
        block.extend(&self.previous_end.map_or(0, Position::to_u64).to_le_bytes());
        block.extend(&self.previous_checksum.to_le_bytes());
        block.extend(&self.capacity.to_le_bytes());
        if let Some(packing) = &self.packing {
            block.extend(&packing.encode());
        }
        block.pad_to_block();
        let checksum = checksum_of(block.as_slice());
        if let Some(place) = block.as_mut_slice().last_chunk_mut::<4>() {
            *place = checksum.to_le_bytes();
        }
        block
    }

    /// What the first frame is chained to: the header's checksum before the segment was compacted.
    pub(crate) fn checksum(&self) -> u32 {
        let written = Self { packing: None, ..*self };
        checksum_of(written.encode().as_slice())
    }

    /// What is said of the header in `block` if it is of another version.
    pub(crate) fn another_version(block: &[u8]) -> Option<String> {
        let (magic, rest) = block.split_first_chunk::<8>()?;
        let version = u16::from_le_bytes(*rest.first_chunk::<2>()?);
        let known = [VERSION, PACKED_VERSION].contains(&version);
        (magic == MAGIC && !known).then(|| super::another_version(version, PACKED_VERSION))
    }

    /// The header in `block`, the first block of a file.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, Malformed> {
        let fields = block
            .first_chunk::<FIELDS_BYTES>()
            .ok_or(Malformed("the segment header ends too early"))?;
        let (magic, rest) = fields.split_first_chunk::<8>().ok_or(Malformed("no magic"))?;
        if magic != MAGIC {
            return Err(Malformed("this is not a segment of annals"));
        }
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(Malformed("no version"))?;
        let packed = match u16::from_le_bytes(*version) {
            VERSION => false,
            PACKED_VERSION => true,
            _ => return Err(Malformed("the segment is of another version of annals")),
        };
        let checked = block.get(..BLOCK_BYTES - 4).ok_or(Malformed("the header is cut"))?;
        let stored = block.get(BLOCK_BYTES - 4..BLOCK_BYTES).unwrap_or_default();
        if stored != crc32c::crc32c(checked).to_le_bytes() {
            return Err(Malformed("the checksum of the segment header is wrong"));
        }
        let (_, rest) = rest.split_first_chunk::<2>().ok_or(Malformed("it is cut"))?;
        let (segment, rest) = rest.split_first_chunk::<4>().ok_or(Malformed("it is cut"))?;
        let (store_id, rest) = rest.split_first_chunk::<8>().ok_or(Malformed("it is cut"))?;
        let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(Malformed("it is cut"))?;
        let (end, rest) = rest.split_first_chunk::<8>().ok_or(Malformed("it is cut"))?;
        let (checksum, rest) = rest.split_first_chunk::<4>().ok_or(Malformed("it is cut"))?;
        let capacity = rest.first_chunk::<4>().ok_or(Malformed("it is cut"))?;
        let end = u64::from_le_bytes(*end);
        let packing = if packed { Some(Packing::decode(block, FIELDS_BYTES)?) } else { None };
        Ok(Self {
            packing,
            store_id: u64::from_le_bytes(*store_id),
            segment: SegmentNr::new(u32::from_le_bytes(*segment)),
            epoch: u64::from_le_bytes(*epoch),
            previous_end: (end != 0).then(|| Position::from_u64(end)),
            previous_checksum: u32::from_le_bytes(*checksum),
            capacity: u32::from_le_bytes(*capacity),
        })
    }
}

fn checksum_of(block: &[u8]) -> u32 {
    crc32c::crc32c(block.get(..BLOCK_BYTES - 4).unwrap_or_default())
}
