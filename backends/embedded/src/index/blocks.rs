//! Files of checksummed blocks: the container of segment indexes and directory runs.
//!
//! ```text
//! block 0: header     block 1        …     block n-1
//! ┌──────────┬─────┐ ┌──────────┬─────┐   ┌──────────┬─────┐
//! │ 4,092 B  │ crc │ │ 4,092 B  │ crc │   │ 4,092 B  │ crc │
//! └──────────┴─────┘ └──────────┴─────┘   └──────────┴─────┘
//! ```
//!
//! Every byte of a file lies under a checksum that is verified whenever its block is read. The
//! checksum also covers the block's number and the file's key, so that a block in a wrong place, or of
//! another file, is damage too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::{Error, Result};

use super::bytes::{Input, to_u64, to_usize};
use super::handles::{Handle, Handles};
use crate::storage::{BLOCK_BYTES, Storage, StorageFile, read_exact_at};

/// What a block holds besides its checksum.
pub(super) const PAYLOAD_BYTES: usize = BLOCK_BYTES - CHECKSUM_BYTES;

/// How many blocks a sequential reader asks for at a time.
pub(super) const READ_AHEAD_BLOCKS: u32 = 64;

pub(super) const CHECKSUM_BYTES: usize = 4;

/// What a file is for.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) magic: [u8; 8],
    /// The newest version that is known; all from 1 on are.
    pub(super) versions_max: u32,
    pub(super) what: &'static str,
}

/// Consecutive blocks whose payloads make one run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) first: u32,
    pub(super) bytes: u64,
}

impl Stream {
    /// How many blocks it takes.
    pub(super) fn blocks(self) -> u64 {
        self.bytes.div_ceil(to_u64(PAYLOAD_BYTES))
    }

    /// Where byte `offset` of it lies in the file.
    pub(super) fn position(self, offset: u64) -> u64 {
        let payload = to_u64(PAYLOAD_BYTES);
        let block = u64::from(self.first).saturating_add(offset / payload);
        position_of(block).saturating_add(offset % payload)
    }
}

fn position_of(block: u64) -> u64 {
    block.saturating_mul(to_u64(BLOCK_BYTES))
}

pub(super) fn checksum(key: u32, block: u32, payload: &[u8]) -> u32 {
    let key = if block == 0 { 0 } else { key };
    let seed = crc32c::crc32c_append(crc32c::crc32c(&key.to_le_bytes()), &block.to_le_bytes());
    crc32c::crc32c_append(seed, payload)
}

/// Makes the checksums of a whole file right, whatever it holds: for fuzzing.
pub(crate) fn reseal_blocks(file: &mut [u8]) {
    let key = file.get(12..16).and_then(|key| key.first_chunk()).copied().unwrap_or_default();
    let key = u32::from_le_bytes(key);
    for (number, block) in (0..).zip(file.chunks_exact_mut(BLOCK_BYTES)) {
        let (payload, sum) = block.split_at_mut(PAYLOAD_BYTES);
        sum.copy_from_slice(&checksum(key, number, payload).to_le_bytes());
    }
}

/// A finished file, open for reading.
#[derive(Debug)]
pub(super) struct BlockFile {
    handle: Handle,
    path: String,
    version: u32,
    key: u32,
    blocks: u32,
    reads: Arc<AtomicU64>,
}

impl BlockFile {
    /// Opens the file `name`, whose block reads `reads` counts; gives it with what its header says
    /// beyond the common part. `None` if there is no such file.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` if it is of another version, `Unavailable`.
    pub(super) fn open(
        storage: &dyn Storage,
        name: &str,
        kind: &Kind,
        reads: Arc<AtomicU64>,
    ) -> Result<Option<(Self, Vec<u8>)>> {
        let path = format!("{}/{name}", storage.location());
        let file = match storage.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, error)),
        };
        let length = file.length().map_err(|error| unreadable(&path, error))?;
        let mut blocks =
            Self { handle: Handle::Open(file), path, version: 0, key: 0, blocks: 1, reads };
        let whole = to_u64(BLOCK_BYTES);
        if length < whole || !length.is_multiple_of(whole) {
            return Err(blocks.corrupt(length, "the file is cut"));
        }
        let header = blocks.read(0, 1)?;
        let mut input = Input::new(&header);
        if input.array() != Some(kind.magic) {
            return Err(blocks.corrupt(0, format!("this is not {}", kind.what)));
        }
        let version = input.u32().unwrap_or_default();
        if version == 0 || version > kind.versions_max {
            return Err(Error::unsupported(format!(
                "{} is {} of format version {version}, and this program reads version {}: open it with \
                 the version of annals that wrote it",
                blocks.path, kind.what, kind.versions_max
            )));
        }
        blocks.version = version;
        blocks.key = input.u32().unwrap_or_default();
        blocks.blocks = input.u32().unwrap_or_default();
        let expected = position_of(u64::from(blocks.blocks));
        if length != expected {
            let what = format!("the file has {length} bytes, and its header says {expected}");
            return Err(blocks.corrupt(length.min(expected), what));
        }
        let body = input.bytes(input.len()).unwrap_or_default().to_vec();
        Ok(Some((blocks, body)))
    }

    /// A file that is still being written, of which `blocks` blocks are there; block 0 is not.
    pub(super) fn unfinished(
        file: Arc<dyn StorageFile>,
        path: String,
        key: u32,
        blocks: u32,
        reads: Arc<AtomicU64>,
    ) -> Self {
        Self { handle: Handle::Open(file), path, version: 0, key, blocks, reads }
    }

    /// From now on it is open only while it is read, and as long as `handles` keeps it.
    pub(super) fn close(self, name: &str, handles: Arc<Handles>) -> Self {
        let Handle::Open(file) = self.handle else { return self };
        Self { handle: Handle::named(handles, name, self.key, file), ..self }
    }

    /// Keeps it open from now on: another file is about to get its name.
    pub(super) fn pin(&self) -> Result<()> {
        self.handle.pin().map_err(|error| unreadable(&self.path, error))
    }

    /// The payloads of `count` blocks from `first` on, verified, in one read.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn read(&self, first: u32, count: u32) -> Result<Vec<u8>> {
        let start = position_of(u64::from(first));
        if first.checked_add(count).is_none_or(|end| end > self.blocks) {
            return Err(self.corrupt(start, "a block past the end of the file is named"));
        }
        let mut bytes = vec![0; to_usize(position_of(u64::from(count)))];
        let file = self.handle.get().map_err(|error| unreadable(&self.path, error))?;
        read_exact_at(&*file, &mut bytes, start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.corrupt(start, "the file is cut"),
            _ => unreadable(&self.path, error),
        })?;
        self.reads.fetch_add(u64::from(count), Ordering::Relaxed);
        for (number, block) in (first..).zip(bytes.chunks_exact(BLOCK_BYTES)) {
            let (payload, stored) = block.split_at_checked(PAYLOAD_BYTES).unwrap_or_default();
            let found = checksum(self.key, number, payload);
            if stored != found.to_le_bytes() {
                let what = format!("the checksum of block {number} does not match its bytes");
                return Err(self.corrupt(position_of(u64::from(number)), what));
            }
        }
        let blocks = bytes.len() / BLOCK_BYTES;
        for block in 1..blocks {
            let start = block * BLOCK_BYTES;
            bytes.copy_within(start..start + PAYLOAD_BYTES, block * PAYLOAD_BYTES);
        }
        bytes.truncate(blocks * PAYLOAD_BYTES);
        Ok(bytes)
    }

    /// `bytes` bytes of `stream` from `offset` on, in one read.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn read_stream(&self, stream: Stream, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        let outside =
            || self.corrupt(stream.position(offset), "bytes outside their section are named");
        let end =
            offset.checked_add(bytes).filter(|end| *end <= stream.bytes).ok_or_else(outside)?;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let payload = to_u64(PAYLOAD_BYTES);
        let skipped = offset / payload;
        let count = u32::try_from(end.div_ceil(payload) - skipped).map_err(|_| outside())?;
        let first = u32::try_from(skipped).ok().and_then(|blocks| stream.first.checked_add(blocks));
        let mut found = self.read(first.ok_or_else(outside)?, count)?;
        found.drain(..to_usize(offset % payload).min(found.len()));
        found.truncate(to_usize(bytes));
        Ok(found)
    }

    /// Reads every block, and forgets it.
    ///
    /// # Errors
    /// `Corrupt`, naming the first damaged block; `Unavailable`.
    pub(super) fn verify(&self) -> Result<()> {
        let mut first = 0;
        while first < self.blocks {
            let count = READ_AHEAD_BLOCKS.min(self.blocks - first);
            self.read(first, count)?;
            first += count;
        }
        Ok(())
    }

    /// The version of its format.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// How many blocks there are, the header among them.
    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// How many blocks were read.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// What this value takes in memory beyond itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.path.capacity()
    }

    /// The error of damage at `position`, in bytes from the file's beginning.
    pub(super) fn corrupt(&self, position: u64, what: impl std::fmt::Display) -> Error {
        Error::corrupt(format!(
            "{}, byte {position}: {what}; this is an index, the events themselves are in the log",
            self.path
        ))
    }

    /// The error of damage in block `block`.
    pub(super) fn corrupt_block(&self, block: u32, what: impl std::fmt::Display) -> Error {
        self.corrupt(position_of(u64::from(block)), what)
    }
}

fn unreadable(path: &str, error: io::Error) -> Error {
    Error::unavailable(format!("{path} could not be read")).with_source(error)
}
