//! Writes a file of blocks under a temporary name, and gives it its name when it is whole and durable.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use annals_core::{Error, Result};

use super::blocks::{BlockFile, CHECKSUM_BYTES, Kind, PAYLOAD_BYTES, Stream, checksum};
use super::bytes::to_u64;
use crate::storage::{BLOCK_BYTES, Storage, StorageFile};

/// What the names of unfinished files end with. Nobody reads them.
pub(super) const TEMPORARY: &str = ".tmp";

const FLUSH_BYTES: usize = 64 * BLOCK_BYTES;

/// A file being written: block 0 last, the others in order.
pub(super) struct BlockWriter<'a> {
    storage: &'a dyn Storage,
    name: String,
    file: Arc<dyn StorageFile>,
    key: u32,
    /// Finished blocks that are still to be written.
    pending: Vec<u8>,
    /// Where `pending` goes.
    written: u64,
    /// The payload being filled, and its block.
    payload: Vec<u8>,
    block: u32,
}

impl<'a> BlockWriter<'a> {
    /// Begins the file `name`. Its `key` should differ between files that might replace each other.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn create(storage: &'a dyn Storage, name: String, key: u32) -> Result<Self> {
        let temporary = format!("{name}{TEMPORARY}");
        let file = match storage.create(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                storage.remove(&temporary).and_then(|()| storage.create(&temporary))
            }
            result => result,
        };
        let file = file.map_err(|error| unwritable(storage, &name, error))?;
        let pending = vec![0; BLOCK_BYTES];
        Ok(Self { storage, name, file, key, pending, written: 0, payload: Vec::new(), block: 1 })
    }

    /// Adds bytes to the current section.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PAYLOAD_BYTES.saturating_sub(self.payload.len());
            let (taken, left) = rest.split_at(room.min(rest.len()));
            self.payload.extend_from_slice(taken);
            rest = left;
            if self.payload.len() == PAYLOAD_BYTES {
                self.end_block()?;
            }
        }
        Ok(())
    }

    /// Ends the current section at a block boundary; gives the block where the next one begins.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn end_section(&mut self) -> Result<u32> {
        if !self.payload.is_empty() {
            self.payload.resize(PAYLOAD_BYTES, 0);
            self.end_block()?;
        }
        Ok(self.block)
    }

    /// Writes `bytes` as a section of its own.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn put_stream(&mut self, bytes: &[u8]) -> Result<Stream> {
        let first = self.end_section()?;
        self.put(bytes)?;
        self.end_section()?;
        Ok(Stream { first, bytes: to_u64(bytes.len()) })
    }

    /// What was written up to the last section's end, for reading.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) fn read_back(&mut self) -> Result<BlockFile> {
        self.flush()?;
        let path = format!("{}/{}{TEMPORARY}", self.storage.location(), self.name);
        let reads = Arc::new(AtomicU64::new(0));
        Ok(BlockFile::unfinished(self.file.clone(), path, self.key, self.block, reads))
    }

    /// Writes the header, makes the file durable and gives it its name.
    ///
    /// # Errors
    /// `Unavailable`: there is no file of that name then, or the older one.
    pub(super) fn finish(mut self, kind: &Kind, version: u32, body: &[u8]) -> Result<()> {
        let blocks = self.end_section()?;
        self.flush()?;
        let mut header = Vec::with_capacity(BLOCK_BYTES);
        header.extend_from_slice(&kind.magic);
        header.extend_from_slice(&version.to_le_bytes());
        header.extend_from_slice(&self.key.to_le_bytes());
        header.extend_from_slice(&blocks.to_le_bytes());
        header.extend_from_slice(body);
        if header.len() > PAYLOAD_BYTES {
            return Err(Error::internal(format!("the header of {} is too long", self.name)));
        }
        header.resize(PAYLOAD_BYTES, 0);
        header.extend_from_slice(&checksum(self.key, 0, &header).to_le_bytes());
        let temporary = format!("{}{TEMPORARY}", self.name);
        self.file
            .write_at(&header, 0)
            .and_then(|()| self.file.sync())
            .and_then(|()| self.storage.rename(&temporary, &self.name))
            .and_then(|()| self.storage.sync_directory())
            .map_err(|error| unwritable(self.storage, &self.name, error))
    }

    fn end_block(&mut self) -> Result<()> {
        let checksum = checksum(self.key, self.block, &self.payload);
        self.pending.extend_from_slice(&self.payload);
        self.pending.extend_from_slice(&checksum.to_le_bytes());
        debug_assert_eq!(self.payload.len() + CHECKSUM_BYTES, BLOCK_BYTES);
        self.payload.clear();
        self.block = self
            .block
            .checked_add(1)
            .ok_or_else(|| Error::internal(format!("{} has too many blocks", self.name)))?;
        if self.pending.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_at(&self.pending, self.written)
            .map_err(|error| unwritable(self.storage, &self.name, error))?;
        self.written += to_u64(self.pending.len());
        self.pending.clear();
        Ok(())
    }
}

fn unwritable(storage: &dyn Storage, name: &str, error: io::Error) -> Error {
    let location = storage.location();
    let message =
        format!("the index file {location}/{name} could not be written; no event is lost");
    Error::unavailable(message).with_source(error)
}
