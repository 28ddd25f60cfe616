//! Every system call of the engine, behind one small trait: [`Disk`] is the real one, tests put a
//! simulated one in its place that loses power, fills up or fails.
//!
//! ```text
//! log, index, lock ──► Storage (a directory) ──► StorageFile (a file in it)
//! ```

mod aligned;
mod disk;
mod recent;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use aligned::{AlignedBuf, BLOCK_BYTES};
pub use disk::Disk;
pub(crate) use disk::link;
pub(crate) use recent::Recent;

/// The file that the writing process holds locked.
pub(crate) const LOCK_FILE: &str = "lock";

/// How synced writes reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WritePath {
    /// One `O_DIRECT|O_DSYNC` write per batch.
    Direct,
    /// A buffered write followed by `fdatasync`, where the file system refuses direct writes.
    Buffered,
}

impl WritePath {
    /// The path's name, as benchmarks print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Buffered => "buffered",
        }
    }
}

/// A directory of files, all of one store.
pub trait Storage: Debug + Send + Sync + 'static {
    /// Where the store is, for messages.
    fn location(&self) -> String;

    /// The directory of the file system that the files are in, if they are in one: backups share files
    /// between two of them. Only ever a saving, so a storage need not have one.
    fn directory(&self) -> Option<&Path> {
        None
    }

    /// Makes the file `name`, open for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, and what the system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens the file `name` for reading.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens the file `name` for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn open_writable(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes the file `name`.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing one of the new name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes what was created, renamed and removed durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes the store's exclusive lock on the file `name`, or says that another process (or another
    /// opening in this one) holds it: `None`. The lock ends when the value is dropped, or the process.
    ///
    /// # Errors
    /// What the system says.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>>;
}

/// Holds a store's lock.
pub trait LockGuard: Debug + Send + Sync {}

/// An open file. Offsets and lengths are in bytes.
pub trait StorageFile: Debug + Send + Sync + 'static {
    /// The file's length.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; durable after [`StorageFile::sync`].
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes whole blocks at a block boundary, durable when it returns.
    ///
    /// # Errors
    /// What the system says; any blocks of it may have been written, durably or not.
    fn write_blocks_synced(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()>;

    /// Writes whole blocks at a block boundary past the page cache where the file system allows it;
    /// durable after [`StorageFile::sync`].
    ///
    /// # Errors
    /// What the system says; any blocks of it may have been written.
    fn write_blocks(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()>;

    /// Makes the file's data and length durable.
    ///
    /// # Errors
    /// What the system says; what was written since the last sync may be lost.
    fn sync(&self) -> io::Result<()>;

    /// How [`StorageFile::write_blocks_synced`] writes.
    fn write_path(&self) -> WritePath;
}

/// Reads exactly `buffer.len()` bytes at `offset`.
///
/// # Errors
/// `UnexpectedEof` if the file ends before; otherwise what the system says.
pub fn read_exact_at(file: &dyn StorageFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut rest = buffer;
    let mut offset = offset;
    while !rest.is_empty() {
        let count = file.read_at(rest, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest = rest.get_mut(count..).unwrap_or_default();
        offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok(())
}
