//! The first block of a segment file.
//!
//! ```text
//!  0  "ANNALSEG"
//!  8  version (1), zero                                   u16, u16
//! 12  segment                                             u32
//! 16  store                                               u64
//! 24  epoch, random                                       u64
//! 32  where the log ended when this segment was begun     u64   (0 for the first)
//! 40  checksum of the last frame before it                u32   (0 for the first)
//! 44  length of the file                                  u32
//! 48  zeroes
//! 4092 checksum of the bytes before                       u32   CRC-32C
//! ```

use super::encoding::Malformed;
use crate::position::{Position, SegmentNr};
use crate::storage::{AlignedBuf, BLOCK_BYTES};

/// The length of a segment's header: one block.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 4096;
const MAGIC: &[u8; 8] = b"ANNALSEG";
const VERSION: u16 = 1;
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
    /// The length of the file.
    pub(crate) capacity: u32,
}

impl SegmentHeader {
    /// The header as a block.
    pub(crate) fn encode(&self) -> AlignedBuf {
        let mut block = AlignedBuf::with_capacity(BLOCK_BYTES);
        block.extend(MAGIC);
        block.extend(&VERSION.to_le_bytes());
        block.extend(&[0; 2]);
        block.extend(&self.segment.get().to_le_bytes());
        block.extend(&self.store_id.to_le_bytes());
        block.extend(&self.epoch.to_le_bytes());
        block.extend(&self.previous_end.map_or(0, Position::to_u64).to_le_bytes());
        block.extend(&self.previous_checksum.to_le_bytes());
        block.extend(&self.capacity.to_le_bytes());
        block.pad_to_block();
        let checksum = self.checksum_of(block.as_slice());
        if let Some(place) = block.as_mut_slice().last_chunk_mut::<4>() {
            *place = checksum.to_le_bytes();
        }
        block
    }

    /// The header's checksum: what the first frame is chained to.
    pub(crate) fn checksum(&self) -> u32 {
        self.checksum_of(self.encode().as_slice())
    }

    fn checksum_of(&self, block: &[u8]) -> u32 {
        crc32c::crc32c(block.get(..BLOCK_BYTES - 4).unwrap_or_default())
    }

    /// What is said of the header in `block` if it is of another version.
    pub(crate) fn another_version(block: &[u8]) -> Option<String> {
        let (magic, rest) = block.split_first_chunk::<8>()?;
        let version = u16::from_le_bytes(*rest.first_chunk::<2>()?);
        (magic == MAGIC && version != VERSION).then(|| super::another_version(version, VERSION))
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
        if u16::from_le_bytes(*version) != VERSION {
            return Err(Malformed("the segment is of another version of annals"));
        }
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
        Ok(Self {
            store_id: u64::from_le_bytes(*store_id),
            segment: SegmentNr::new(u32::from_le_bytes(*segment)),
            epoch: u64::from_le_bytes(*epoch),
            previous_end: (end != 0).then(|| Position::from_u64(end)),
            previous_checksum: u32::from_le_bytes(*checksum),
            capacity: u32::from_le_bytes(*capacity),
        })
    }
}
