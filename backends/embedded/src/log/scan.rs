//! Walks through the frames of a segment in order and checks everything: checksums, the chain of
//! frames, the zeroes between batches.

use annals_core::Result;
use bytes::Bytes;

use super::files::{SegmentFile, unreadable};
use crate::format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, Gap, byte_count, index};
use crate::storage::{BLOCK_BYTES, Storage};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A frame that was checked.
#[derive(Debug, Clone)]
pub(crate) struct ScannedFrame {
    /// Its first byte within the segment.
    pub(crate) byte: u32,
    /// Its header.
    pub(crate) header: FrameHeader,
    /// Its body; shares the memory of what was read.
    pub(crate) body: Bytes,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole frame.
    Frame(ScannedFrame),
    /// Zeroes: nothing was written behind this byte, the end of the last frame.
    End { byte: u32 },
    /// At this byte, something that is neither.
    Invalid { byte: u32, what: &'static str },
}

/// Where the scan of a segment has come.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    storage: &'a dyn Storage,
    segment: &'a SegmentFile,
    /// Where the next frame may begin.
    at: u32,
    /// The checksum of the last frame, if it is known.
    previous: Option<u32>,
    /// Nothing at or behind this byte is looked at.
    limit: u32,
    chunk: Bytes,
    chunk_at: u32,
}

impl<'a> Scan<'a> {
    /// A scan from `at`, where a frame begins, up to `limit`. With `previous` the chain is checked
    /// from the first frame on.
    pub(crate) fn new(
        storage: &'a dyn Storage,
        segment: &'a SegmentFile,
        at: u32,
        previous: Option<u32>,
        limit: u32,
    ) -> Self {
        let limit = limit.min(segment.header.capacity);
        Self { storage, segment, at, previous, limit, chunk: Bytes::new(), chunk_at: at }
    }

    /// The next frame, or what stands in its place.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be read, `Corrupt` if it is cut.
    pub(crate) fn step(&mut self) -> Result<Step> {
        let end = self.at;
        let Some(byte) = self.skip_padding()? else {
            return Ok(Step::Invalid {
                byte: end,
                what: "what lies between two writes is not zero",
            });
        };
        if byte >= self.limit {
            return Ok(Step::End { byte: end });
        }
        let head = self.read(byte, FRAME_HEADER_BYTES)?;
        let header = match FrameHeader::decode(&head, self.segment.header.epoch) {
            Ok(Some(header)) => header,
            Ok(None) if head.iter().all(|byte| *byte == 0) => return Ok(Step::End { byte: end }),
            Ok(None) => return Ok(Step::Invalid { byte, what: "a frame has no length" }),
            Err(malformed) => return Ok(Step::Invalid { byte, what: malformed.0 }),
        };
        if self.previous.is_some_and(|previous| previous != header.previous) {
            return Ok(Step::Invalid { byte, what: "a frame does not follow the one before it" });
        }
        if header.length > self.limit - byte {
            return Ok(Step::Invalid { byte, what: "a frame is longer than what was written" });
        }
        let frame = self.read(byte, index(header.length))?;
        let body = match header.body(&frame) {
            Ok(body) => frame.slice(body),
            Err(malformed) => return Ok(Step::Invalid { byte, what: malformed.0 }),
        };
        let frame = ScannedFrame { byte, header, body };
        match self.end_of(&frame) {
            Some((end, checksum)) => (self.at, self.previous) = (end, Some(checksum)),
            None => return Ok(Step::Invalid { byte, what: "a gap is where none can be" }),
        }
        Ok(Step::Frame(frame))
    }

    /// Where the next frame may begin behind `frame`, and what it is chained to. `None` for a gap that
    /// cannot be.
    fn end_of(&self, frame: &ScannedFrame) -> Option<(u32, u32)> {
        let ScannedFrame { byte, header, body } = frame;
        let end = byte.checked_add(header.length)?;
        if header.kind != FrameKind::Gap {
            return Some((end, header.checksum));
        }
        self.segment.packed.as_ref()?;
        let (bytes, checksum) = Gap::decode_link(body).ok()?;
        let gone_to = byte.checked_add(bytes)?;
        (end <= gone_to && gone_to <= self.limit).then_some((gone_to, checksum))
    }

    /// Where the next frame may begin, and the checksum of the one before.
    pub(crate) fn end(&self) -> (u32, Option<u32>) {
        (self.at, self.previous)
    }

    /// Where the next frame begins: here, or at the next block if zeroes fill this one. `None` if
    /// something else fills it.
    fn skip_padding(&mut self) -> Result<Option<u32>> {
        let in_block = index(self.at) % BLOCK_BYTES;
        if in_block == 0 || self.at >= self.limit {
            return Ok(Some(self.at));
        }
        let rest = (BLOCK_BYTES - in_block).min(index(self.limit - self.at));
        let padding = self.read(self.at, rest)?;
        if padding.iter().take(4).any(|byte| *byte != 0) {
            return Ok(Some(self.at));
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Ok(None);
        }
        Ok(Some(self.at + byte_count(rest)))
    }

    /// `length` bytes at `at`, from the chunk or from the file.
    fn read(&mut self, at: u32, length: usize) -> Result<Bytes> {
        let from = index(at.saturating_sub(self.chunk_at));
        if at < self.chunk_at || from.saturating_add(length) > self.chunk.len() {
            self.fill(at, length)?;
            return Ok(self.chunk.slice(..length.min(self.chunk.len())));
        }
        Ok(self.chunk.slice(from..from + length))
    }

    fn fill(&mut self, at: u32, length: usize) -> Result<()> {
        let available = index(self.segment.header.capacity.saturating_sub(at));
        let mut bytes = vec![0; CHUNK_BYTES.max(length).min(available)];
        let segment = self.segment.header.segment;
        crate::storage::read_exact_at(&*self.segment.file, &mut bytes, at.into())
            .map_err(|error| unreadable(self.storage, segment, at.into(), error))?;
        self.chunk = bytes.into();
        self.chunk_at = at;
        Ok(())
    }
}

impl Scan<'_> {
    /// The first block behind `byte`, the end of the last frame, that is not all zero.
    ///
    /// # Errors
    /// As [`Scan::step`].
    pub(crate) fn first_used(&self, byte: u32) -> Result<Option<u32>> {
        let from = byte.next_multiple_of(byte_count(BLOCK_BYTES));
        first_used(self.storage, self.segment, from, self.segment.header.capacity)
    }
}

/// The first block of `segment` at or behind `from` and before `to` that is not all zero.
///
/// # Errors
/// As [`Scan::step`].
pub(crate) fn first_used(
    storage: &dyn Storage,
    segment: &SegmentFile,
    from: u32,
    to: u32,
) -> Result<Option<u32>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = from;
    while let Some(left) = segment.left_from(at)
        && left < to
    {
        // What is gone from a compacted segment is zero.
        at = left - left % byte_count(BLOCK_BYTES);
        let length = chunk.len().min(index(to - at));
        let part = chunk.get_mut(..length).unwrap_or_default();
        crate::storage::read_exact_at(&*segment.file, part, at.into())
            .map_err(|error| unreadable(storage, segment.header.segment, at.into(), error))?;
        let used = part.chunks(BLOCK_BYTES).position(|block| block.iter().any(|byte| *byte != 0));
        if let Some(block) = used {
            return Ok(Some(at + byte_count(block * BLOCK_BYTES)));
        }
        at += byte_count(length);
    }
    Ok(None)
}
