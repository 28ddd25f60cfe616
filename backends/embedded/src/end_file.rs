//! The file `end`: where the durable log ends. While a writer runs it is overwritten after each
//! batch, unsynced, so that other processes see what is synced; closing writes it synced. It is one
//! block of the disk at most, so a crash leaves the old or the new, and it never says more than is
//! durable.
//!
//! ```text
//!  0  "ANNALEND"
//!  8  version (1)                                          u16
//! 10  1 running, 2 closed                                  u8
//! 11  zero                                                 5 bytes
//! 16  store                                                u64
//! 24  position                                             u64
//! 32  checksum of the last frame                           u32
//! 36  checksum of the bytes before                         u32   CRC-32C
//! ```

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use annals_core::{Error, Result};

use crate::format::another_version;
use crate::position::Position;
use crate::storage::{Storage, StorageFile};

/// The file's name.
pub(crate) const END_FILE: &str = "end";
/// Its name until it is whole; what is called so is removed at the next opening.
const UNFINISHED: &str = "end.tmp";
const MAGIC: &[u8; 8] = b"ANNALEND";
const VERSION: u16 = 1;
const BYTES: usize = 40;
/// How often a reader tries again that met the file while it was being written.
const ATTEMPTS_MAX: u32 = 100;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// The store's random number.
    pub(crate) store_id: u64,
    /// Everything before this is durable.
    pub(crate) position: Position,
    /// The checksum of the last frame before it, or of the segment's header.
    pub(crate) last_checksum: u32,
    /// Whether the store was closed in order: then nothing follows.
    pub(crate) closed: bool,
}

impl LogEnd {
    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(if self.closed { 2 } else { 1 });
        bytes.extend_from_slice(&[0; 5]);
        bytes.extend_from_slice(&self.store_id.to_le_bytes());
        bytes.extend_from_slice(&self.position.to_u64().to_le_bytes());
        bytes.extend_from_slice(&self.last_checksum.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.try_into().expect("the fields above are 40 bytes")
    }

    /// What the bytes of the file say, or what is wrong with them.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Cow<'static, str>> {
        let bytes: &[u8; BYTES] = bytes.try_into().map_err(|_| "it is not of 40 bytes")?;
        let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, state, rest @ ..] = *bytes;
        let [_, _, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7, rest @ ..] = rest;
        let [p0, p1, p2, p3, p4, p5, p6, p7, l0, l1, l2, l3, c0, c1, c2, c3] = rest;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
            return Err("it is not of annals".into());
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(another_version(version, VERSION).into());
        }
        let checked = bytes.get(..BYTES - 4).unwrap_or_default();
        if crc32c::crc32c(checked) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err("its checksum is wrong".into());
        }
        Ok(Self {
            store_id: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            position: Position::from_u64(u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7])),
            last_checksum: u32::from_le_bytes([l0, l1, l2, l3]),
            closed: state == 2,
        })
    }
}

/// The file, open.
#[derive(Debug, Clone)]
pub(crate) struct EndFile {
    file: Arc<dyn StorageFile>,
}

impl EndFile {
    /// Makes the file of a new store; durable when the directory is synced. It gets its name when its
    /// bytes are durable: a loss of power must not leave an empty one.
    pub(crate) fn create(storage: &dyn Storage, end: &LogEnd) -> io::Result<Self> {
        let file = storage.create(UNFINISHED)?;
        Self::finish(storage, file, UNFINISHED, end)
    }

    /// Makes `file`, called `name` so far, the end file; durable when the directory is synced.
    pub(crate) fn finish(
        storage: &dyn Storage,
        file: Arc<dyn StorageFile>,
        name: &str,
        end: &LogEnd,
    ) -> io::Result<Self> {
        let end_file = Self { file };
        end_file.write_synced(end)?;
        storage.rename(name, END_FILE)?;
        Ok(end_file)
    }

    /// Opens the file; `None` if there is none.
    pub(crate) fn open(storage: &dyn Storage, writable: bool) -> io::Result<Option<Self>> {
        let opened =
            if writable { storage.open_writable(END_FILE) } else { storage.open(END_FILE) };
        match opened {
            Ok(file) => Ok(Some(Self { file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Overwrites the file, unsynced.
    pub(crate) fn write(&self, end: &LogEnd) -> io::Result<()> {
        self.file.write_at(&end.encode(), 0)
    }

    /// Overwrites the file, durably.
    pub(crate) fn write_synced(&self, end: &LogEnd) -> io::Result<()> {
        self.write(end)?;
        self.file.sync()
    }

    /// What the file says.
    ///
    /// # Errors
    /// `Corrupt` if it says nothing.
    pub(crate) fn read(&self, storage: &dyn Storage) -> Result<LogEnd> {
        let mut last = Cow::from("it cannot be read");
        for _ in 0..ATTEMPTS_MAX {
            let mut bytes = [0; BYTES + 1];
            let count = self.file.read_at(&mut bytes, 0).map_err(|error| {
                let location = storage.location();
                Error::unavailable(format!("file {END_FILE} in {location} cannot be read"))
                    .with_source(error)
            })?;
            match LogEnd::decode(bytes.get(..count).unwrap_or_default()) {
                Ok(end) => return Ok(end),
                Err(what) => last = what,
            }
        }
        let location = storage.location();
        Err(Error::corrupt(format!(
            "file {END_FILE} in {location} is damaged at byte 0-{BYTES}: {last}; the log itself is whole: \
             restore this file from a backup"
        )))
    }
}
