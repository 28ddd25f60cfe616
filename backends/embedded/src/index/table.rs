//! Hash tables on disk: records sorted by a 64-bit hash, in blocks that stand alone, with the first
//! hash of each block kept in memory, so that a lookup reads one block.
//!
//! ```text
//! ┌───────┬──────────────────────────┬──────────┬──────────┬───┬───────┐
//! │ count │ (hash, end) of each record│ record 0 │ record 1 │ … │ zeroes│
//! └───────┴──────────────────────────┴──────────┴──────────┴───┴───────┘
//! ```

use std::ops::ControlFlow;

use annals_core::{Error, Result};

use super::blocks::{BlockFile, PAYLOAD_BYTES, READ_AHEAD_BLOCKS};
use super::bytes::Input;

const COUNT_BYTES: usize = 2;
const SLOT_BYTES: usize = 10;

/// Makes the blocks of a table.
#[derive(Debug, Default)]
pub(super) struct TableBuilder {
    /// The payloads of finished blocks.
    pub(super) payloads: Vec<u8>,
    /// The first hash of each block.
    pub(super) fences: Vec<u64>,
    slots: Vec<(u64, usize)>,
    records: Vec<u8>,
}

impl TableBuilder {
    /// Adds a record. Hashes ascend; equal ones are allowed.
    ///
    /// # Errors
    /// `Internal` if the record cannot fit in a block.
    pub(super) fn push(&mut self, hash: u64, record: &[u8]) -> Result<()> {
        if COUNT_BYTES + SLOT_BYTES + record.len() > PAYLOAD_BYTES {
            return Err(Error::internal("a record of a segment's index is longer than a block"));
        }
        let slots = SLOT_BYTES * (self.slots.len() + 1);
        if COUNT_BYTES + slots + self.records.len() + record.len() > PAYLOAD_BYTES {
            self.end_block();
        }
        self.records.extend_from_slice(record);
        self.slots.push((hash, self.records.len()));
        Ok(())
    }

    /// Ends the last block.
    pub(super) fn finish(mut self) -> Self {
        self.end_block();
        self
    }

    fn end_block(&mut self) {
        let Some((first, _)) = self.slots.first() else {
            return;
        };
        self.fences.push(*first);
        let small = |value: usize| u16::try_from(value).expect("a block is shorter than 64 KiB");
        let start = self.payloads.len();
        let base = COUNT_BYTES + SLOT_BYTES * self.slots.len();
        self.payloads.extend_from_slice(&small(self.slots.len()).to_le_bytes());
        for (hash, end) in &self.slots {
            self.payloads.extend_from_slice(&hash.to_le_bytes());
            self.payloads.extend_from_slice(&small(base + end).to_le_bytes());
        }
        self.payloads.extend_from_slice(&self.records);
        self.payloads.resize(start + PAYLOAD_BYTES, 0);
        self.slots.clear();
        self.records.clear();
    }
}

/// A table open for reading.
#[derive(Debug)]
pub(super) struct Table {
    first: u32,
    fences: Box<[u64]>,
}

impl Table {
    /// The table whose blocks begin at `first`.
    pub(super) fn new(first: u32, fences: Vec<u64>) -> Self {
        Self { first, fences: fences.into() }
    }

    /// Gives `visit` every record of `hash`, with the block that it stands in, until it breaks.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`; what `visit` gives.
    pub(super) fn find<B>(
        &self,
        blocks: &BlockFile,
        hash: u64,
        mut visit: impl FnMut(u32, &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        // Records of one hash may cross into further blocks; the last of them is the likely one.
        let after = self.fences.partition_point(|fence| *fence <= hash);
        for index in (0..after).rev() {
            let (number, block) = self.read(blocks, index)?;
            for slot in block.slots_of(hash) {
                let record = block.record(slot).unwrap_or_default();
                if let ControlFlow::Break(found) = visit(number, record)? {
                    return Ok(Some(found));
                }
            }
            if self.fences.get(index).is_some_and(|fence| *fence < hash) {
                break;
            }
        }
        Ok(None)
    }

    /// Gives `visit` every record, with its block and hash, in the order of the hashes.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`; what `visit` gives.
    pub(super) fn for_each(
        &self,
        blocks: &BlockFile,
        mut visit: impl FnMut(u32, u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut last = 0;
        let mut first = self.first;
        let mut fences = self.fences.iter();
        let mut left = u32::try_from(self.fences.len()).unwrap_or(u32::MAX);
        while left > 0 {
            let count = left.min(READ_AHEAD_BLOCKS);
            let payloads = blocks.read(first, count)?;
            let payloads = payloads.chunks_exact(PAYLOAD_BYTES).zip(fences.by_ref());
            for (number, (payload, fence)) in (first..).zip(payloads) {
                let block = TableBlock::parse(payload.to_vec(), *fence)
                    .ok_or_else(|| blocks.corrupt_block(number, "a table's block is malformed"))?;
                for slot in 0..block.count {
                    let hash = block.hash(slot).unwrap_or_default();
                    if hash < last {
                        return Err(blocks.corrupt_block(number, "a table does not ascend"));
                    }
                    last = hash;
                    visit(number, hash, block.record(slot).unwrap_or_default())?;
                }
            }
            first += count;
            left -= count;
        }
        Ok(())
    }

    /// What the table takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.fences)
    }

    fn read(&self, blocks: &BlockFile, index: usize) -> Result<(u32, TableBlock)> {
        let number = u32::try_from(index).ok().and_then(|index| self.first.checked_add(index));
        let number = number.unwrap_or(u32::MAX);
        let fence = self.fences.get(index).copied().unwrap_or_default();
        let block = TableBlock::parse(blocks.read(number, 1)?, fence)
            .ok_or_else(|| blocks.corrupt_block(number, "a table's block is malformed"))?;
        Ok((number, block))
    }
}

/// One block, checked as a whole.
struct TableBlock {
    payload: Vec<u8>,
    count: usize,
}

impl TableBlock {
    fn parse(payload: Vec<u8>, fence: u64) -> Option<Self> {
        let mut input = Input::new(&payload);
        let count = usize::from(input.u16()?);
        let mut end = COUNT_BYTES + SLOT_BYTES * count;
        let mut last = fence;
        for slot in 0..count {
            let (hash, next) = (input.u64()?, usize::from(input.u16()?));
            if hash < last || (slot == 0 && hash != fence) || next < end || next > payload.len() {
                return None;
            }
            (last, end) = (hash, next);
        }
        (count > 0).then_some(Self { payload, count })
    }

    fn slot(&self, slot: usize) -> Option<(u64, usize)> {
        let mut input = Input::new(self.payload.get(COUNT_BYTES + SLOT_BYTES * slot..)?);
        Some((input.u64()?, usize::from(input.u16()?)))
    }

    fn hash(&self, slot: usize) -> Option<u64> {
        self.slot(slot).map(|(hash, _)| hash)
    }

    fn record(&self, slot: usize) -> Option<&[u8]> {
        let start = match slot.checked_sub(1) {
            Some(before) => self.slot(before)?.1,
            None => COUNT_BYTES + SLOT_BYTES * self.count,
        };
        self.payload.get(start..self.slot(slot)?.1)
    }

    fn slots_of(&self, hash: u64) -> impl Iterator<Item = usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.hash(middle).is_some_and(|found| found < hash) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.count).take_while(move |slot| self.hash(*slot) == Some(hash))
    }
}
