//! A storage in memory whose bytes a test may change, and that can stop between any two steps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::storage::{AlignedBuf, LockGuard, Storage, StorageFile, WritePath};

#[derive(Debug, Default)]
pub(super) struct Memory {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
    /// How many more changes succeed.
    changes_left: Arc<ChangesLeft>,
    /// Whether reads fail.
    pub(super) reads_fail: Arc<AtomicBool>,
    /// What the next listings say, whatever there is.
    pub(super) stale_listings: Mutex<Vec<Vec<String>>>,
}

#[derive(Debug)]
struct ChangesLeft(AtomicI64);

impl Default for ChangesLeft {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl ChangesLeft {
    fn take(&self) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            left if left > 0 => Ok(()),
            _ => Err(io::Error::other("the process was stopped here")),
        }
    }
}

#[derive(Debug)]
struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
    changes_left: Arc<ChangesLeft>,
    reads_fail: Arc<AtomicBool>,
}

impl Memory {
    pub(super) fn stop_after(&self, changes: i64) {
        self.changes_left.0.store(changes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.files.lock()[name].bytes.lock().clone()
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let file = MemoryFile {
            bytes: Mutex::new(bytes),
            changes_left: self.changes_left.clone(),
            reads_fail: self.reads_fail.clone(),
        };
        self.files.lock().insert(name.to_owned(), Arc::new(file));
    }

    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.files.lock()[name].bytes.lock());
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.files.lock().keys().cloned().collect()
    }

    fn get(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        match self.files.lock().get(name) {
            Some(file) => Ok(file.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Storage for Memory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.changes_left.take()?;
        if self.files.lock().contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.put(name, Vec::new());
        self.get(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.get(name)
    }

    fn open_writable(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.get(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.stale_listings.lock().pop().unwrap_or_else(|| self.names()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.changes_left.take()?;
        self.files.lock().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.changes_left.take()?;
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.changes_left.take()
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        Ok(None)
    }
}

impl StorageFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.bytes.lock().len()).unwrap())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.reads_fail.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk does not answer"));
        }
        let bytes = self.bytes.lock();
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.changes_left.take()?;
        let mut file = self.bytes.lock();
        let start = usize::try_from(offset).unwrap();
        let length = file.len().max(start + bytes.len());
        file.resize(length, 0);
        file[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn write_blocks_synced(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        self.write_at(blocks.as_slice(), offset)
    }

    fn write_blocks(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        self.write_at(blocks.as_slice(), offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.changes_left.take()
    }

    fn write_path(&self) -> WritePath {
        WritePath::Buffered
    }
}
