//! Segments zeroed ahead: a write into blocks that were written before changes no metadata of the
//! file system, so that its sync is one write of the disk. One spare is kept ready by a background
//! thread; the writer takes it when it rolls.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::storage::{AlignedBuf, BLOCK_BYTES, Storage, StorageFile};

/// How much is zeroed by one write: little enough that a batch of the log never waits long behind it.
const CHUNK_BYTES: usize = 256 << 10;
/// What the names of spares begin with: such a file holds nothing and may be removed.
pub(crate) const SPARE_PREFIX: &str = "spare-";

/// A file of zeroes.
#[derive(Debug)]
pub(crate) struct Spare {
    /// The file, open for writing.
    pub(crate) file: Arc<dyn StorageFile>,
    /// Its name.
    pub(crate) name: String,
    /// Its length.
    pub(crate) capacity: u32,
}

/// Makes a file of `capacity` zeroes, durable but for its name.
pub(crate) fn prepare(storage: &dyn Storage, name: String, capacity: u32) -> io::Result<Spare> {
    let made = storage.create(&name).and_then(|file| {
        let zeroes = AlignedBuf::zeroed(CHUNK_BYTES.min(crate::format::index(capacity)));
        let mut at = 0;
        while at < capacity {
            let rest = crate::format::index(capacity - at);
            let chunk = if rest < zeroes.len() { &AlignedBuf::zeroed(rest) } else { &zeroes };
            file.write_blocks(chunk, at.into())?;
            at += crate::format::byte_count(chunk.len());
        }
        file.sync()?;
        Ok(file)
    });
    match made {
        Ok(file) => Ok(Spare { file, name, capacity }),
        Err(error) => {
            // What is left of it only takes room; the next opening removes it if this cannot.
            let _ = storage.remove(&name);
            Err(error)
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    ready: Option<Spare>,
    /// The last preparation failed, and nobody was told yet.
    failed: Option<io::Error>,
    /// The capacity of the spare to be prepared.
    wanted: Option<u32>,
    made: u64,
    stop: bool,
}

/// The spare that is ready, or being prepared.
#[derive(Debug)]
pub(crate) struct Spares {
    storage: Arc<dyn Storage>,
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Spares {
    /// No spare yet.
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, shared: Mutex::default(), changed: Condvar::new() }
    }

    /// Asks the background thread for a spare of `capacity` bytes, a multiple of a block.
    pub(crate) fn want(&self, capacity: u32) {
        let mut shared = self.shared.lock();
        if shared.ready.is_none() {
            shared.wanted = Some(capacity);
            shared.failed = None;
            self.changed.notify_all();
        }
    }

    /// Takes the spare; waits for one that is being prepared. Makes one if there is none, or if it
    /// has less than `capacity_min` bytes.
    pub(crate) fn take(&self, capacity: u32, capacity_min: u32) -> io::Result<Spare> {
        let mut shared = self.shared.lock();
        while shared.ready.is_none() && shared.wanted.is_some() && shared.failed.is_none() {
            if shared.stop {
                break;
            }
            self.changed.wait(&mut shared);
        }
        if let Some(error) = shared.failed.take() {
            shared.wanted = None;
            return Err(error);
        }
        let small = match shared.ready.take() {
            Some(spare) if spare.capacity >= capacity_min => return Ok(spare),
            small => small,
        };
        shared.wanted = None;
        let name = next_name(&mut shared);
        drop(shared);
        if let Some(small) = small {
            self.storage.remove(&small.name)?;
        }
        prepare(&*self.storage, name, capacity.max(capacity_min))
    }

    /// Prepares spares as they are wanted, until [`Spares::stop`]. The body of the background thread.
    pub(crate) fn run(&self) {
        let mut shared = self.shared.lock();
        while !shared.stop {
            let capacity = match shared.wanted {
                Some(capacity) if shared.ready.is_none() && shared.failed.is_none() => capacity,
                _ => {
                    self.changed.wait(&mut shared);
                    continue;
                }
            };
            let name = next_name(&mut shared);
            drop(shared);
            let made = prepare(&*self.storage, name, capacity);
            shared = self.shared.lock();
            match made {
                Ok(spare) => {
                    shared.ready = Some(spare);
                    shared.wanted = None;
                }
                Err(error) => shared.failed = Some(error),
            }
            self.changed.notify_all();
        }
    }

    /// Ends [`Spares::run`], and removes the spare.
    pub(crate) fn stop(&self) {
        let mut shared = self.shared.lock();
        shared.stop = true;
        self.changed.notify_all();
    }

    /// Removes the spare that is ready, after [`Spares::run`] ended.
    pub(crate) fn remove(&self) {
        if let Some(spare) = self.shared.lock().ready.take() {
            // It holds nothing; the next opening removes it if this cannot.
            let _ = self.storage.remove(&spare.name);
        }
    }
}

fn next_name(shared: &mut Shared) -> String {
    shared.made += 1;
    format!("{SPARE_PREFIX}{}", shared.made)
}

/// Rounds up to whole blocks.
pub(crate) fn whole_blocks(bytes: u32) -> u32 {
    bytes.next_multiple_of(crate::format::byte_count(BLOCK_BYTES))
}
