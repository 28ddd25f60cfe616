//! The physical limit: the bytes of the events, concatenated and written raw into a file that was
//! zeroed before, past the page cache and synced (`O_DIRECT|O_DSYNC`).

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::Result;
use crate::commit::{Sink, Write};
use crate::number::count;

/// What direct I/O is aligned to.
pub(crate) const BLOCK: usize = 4_096;
/// Bytes zeroed ahead; a run longer than this writes them again.
const FILE_BYTES: u64 = 512 << 20;
const ZEROES: usize = 1 << 20;

/// A file zeroed ahead that is written front to back, then from the front again.
#[derive(Debug)]
pub(crate) struct RawFile {
    file: File,
    offset: u64,
    direct: bool,
}

impl RawFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let (file, direct) = open(path)?;
        let mut zeroes = AlignedBuffer::default();
        zeroes.append(&vec![0; ZEROES]);
        let mut offset = 0;
        while offset < FILE_BYTES {
            file.write_all_at(zeroes.padded(), offset)?;
            offset += count(ZEROES);
        }
        file.sync_all()?;
        Ok(Self { file, offset: 0, direct })
    }

    /// Writes whole blocks with one synced write.
    pub(crate) fn write(&mut self, blocks: &[u8]) -> Result<()> {
        let bytes = count(blocks.len());
        if self.offset + bytes > FILE_BYTES {
            self.offset = 0;
        }
        self.file.write_all_at(blocks, self.offset)?;
        self.offset += bytes;
        Ok(())
    }

    /// The path taken.
    pub(crate) fn path(&self) -> &'static str {
        if self.direct { "direct" } else { "buffered" }
    }
}

/// Opens for direct and synced writes; without direct where the file system refuses it.
fn open(path: &Path) -> Result<(File, bool)> {
    let open = |flags: OFlags| {
        let flags = flags.bits().cast_signed();
        OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)
    };
    match open(OFlags::DIRECT | OFlags::DSYNC) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok((open(OFlags::DSYNC)?, false)),
        Err(error) => Err(error.into()),
    }
}

/// Bytes whose first one lies at a multiple of [`BLOCK`], as direct I/O asks: a vector with room to
/// spare, used from its first aligned byte on.
#[derive(Debug, Default)]
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.start);
    }

    fn room_for(&mut self, bytes: usize) {
        if self.bytes.len() + bytes + BLOCK <= self.bytes.capacity() {
            return;
        }
        // The vector moves when it grows, so its content is laid out anew.
        let content = self.bytes.get(self.start..).unwrap_or_default();
        let capacity = 2 * (content.len() + bytes) + 2 * BLOCK;
        let mut grown: Vec<u8> = Vec::with_capacity(capacity);
        let start = grown.as_ptr().align_offset(BLOCK);
        grown.resize(start, 0);
        grown.extend_from_slice(content);
        *self = Self { bytes: grown, start };
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room_for(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// The content, filled up with zeroes to whole blocks.
    pub(crate) fn padded(&mut self) -> &[u8] {
        let length = self.bytes.len() - self.start;
        self.bytes.resize(self.start + length.next_multiple_of(BLOCK), 0);
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// What one write held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) events: u64,
    pub(crate) bytes: usize,
}

/// The writer of the limit; remembers the batches.
#[derive(Debug)]
pub(crate) struct RawSink {
    file: RawFile,
    buffer: AlignedBuffer,
    key: Vec<u8>,
    pub(crate) batches: Vec<Batch>,
}

impl RawSink {
    pub(crate) fn new(file: RawFile) -> Self {
        Self { file, buffer: AlignedBuffer::default(), key: Vec::new(), batches: Vec::new() }
    }

    pub(crate) fn into_file(self) -> RawFile {
        self.file
    }
}

impl Sink for RawSink {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        self.buffer.clear();
        for write in batch {
            self.key.clear();
            write.key(&mut self.key);
            self.buffer.append(&self.key);
            self.buffer.append(&write.payload);
        }
        let blocks = self.buffer.padded();
        self.batches.push(Batch { events: count(batch.len()), bytes: blocks.len() });
        self.file.write(blocks)
    }
}

/// Writes `batches` over and over in a bare loop for `duration`: no tasks, no thread, no answers.
/// Gives the events written and the time it took.
pub(crate) fn bare_loop(
    file: &mut RawFile,
    batches: &[Batch],
    duration: Duration,
) -> Result<(u64, Duration)> {
    let largest = batches.iter().map(|batch| batch.bytes).max().ok_or("there is no batch")?;
    let mut buffer = AlignedBuffer::default();
    buffer.append(&vec![0xA5; largest]);
    let blocks = buffer.padded();
    let start = Instant::now();
    let mut events = 0;
    for batch in batches.iter().cycle() {
        file.write(blocks.get(..batch.bytes).unwrap_or_default())?;
        events += batch.events;
        if start.elapsed() >= duration {
            break;
        }
    }
    Ok((events, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_stays_aligned_and_whole_while_it_grows() {
        let mut buffer = AlignedBuffer::default();
        for round in 0..3 {
            buffer.clear();
            let mut expected = Vec::new();
            for index in 0..2_000_u32 {
                let bytes = (index + round).to_le_bytes();
                buffer.append(&bytes);
                expected.extend_from_slice(&bytes);
            }
            expected.resize(expected.len().next_multiple_of(BLOCK), 0);
            let blocks = buffer.padded();
            assert_eq!(blocks.as_ptr().align_offset(BLOCK), 0);
            assert_eq!(blocks, expected);
        }
    }
}
