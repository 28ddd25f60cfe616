//! The segments' files that are open, and which of them a reader sees.
//!
//! A compacted segment replaces the one before under the same name. Who began to read before that may
//! still want what is gone, so it is served from the file as it was:
//!
//! ```text
//! Reading::begin ──┐                       ┌── the old file, kept open for it
//!                  ├─ N.seg is replaced ─► ┤
//!                  │                       └── the new file, for everybody who begins later
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use annals_core::Result;
use parking_lot::Mutex;

use super::files::{SegmentFile, segment_name, unreadable};
use crate::position::SegmentNr;
use crate::storage::{Recent, Storage};

/// The most segments' files that are kept open for those who come next.
const OPEN_MAX: usize = 128;
/// The most replaced files that are kept open for readers who began before. One who would need more of
/// them is told that what it reads was deleted.
const REPLACED_MAX: usize = 64;

/// The files of the segments of a store.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    storage: Arc<dyn Storage>,
    store_id: u64,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    open: Recent<SegmentNr, Arc<SegmentFile>>,
    /// Grows with each replacement, before the file has its name and after.
    epoch: u64,
    /// Oldest first.
    replaced: Vec<Replaced>,
    /// How many readers began in which epoch.
    readers: BTreeMap<u64, usize>,
}

/// A file as it was up to an epoch.
#[derive(Debug)]
struct Replaced {
    segment: SegmentNr,
    until: u64,
    file: Arc<SegmentFile>,
}

impl Shared {
    /// The file of `segment` as a reader sees it who began in `epoch`, if that one was replaced.
    fn as_of(&self, epoch: u64, segment: SegmentNr) -> Option<Arc<SegmentFile>> {
        let mut replaced = self.replaced.iter();
        let found = replaced.find(|old| old.segment == segment && old.until >= epoch)?;
        Some(found.file.clone())
    }

    /// Lets go of the files that no reader needs.
    fn prune(&mut self) {
        match self.readers.keys().next() {
            Some(oldest) => self.replaced.retain(|old| old.until >= *oldest),
            None => self.replaced.clear(),
        }
        let extra = self.replaced.len().saturating_sub(REPLACED_MAX);
        self.replaced.drain(..extra);
    }
}

impl SegmentFiles {
    /// The segments of a store.
    pub(crate) fn new(storage: Arc<dyn Storage>, store_id: u64) -> Self {
        let shared = Shared {
            open: Recent::new(OPEN_MAX),
            epoch: 0,
            replaced: Vec::new(),
            readers: BTreeMap::new(),
        };
        Self { storage, store_id, shared: Mutex::new(shared) }
    }

    /// The file of `segment` as it is now.
    pub(crate) fn get(&self, segment: SegmentNr) -> Result<Arc<SegmentFile>> {
        self.get_as_of(u64::MAX, segment)
    }

    fn get_as_of(&self, began: u64, segment: SegmentNr) -> Result<Arc<SegmentFile>> {
        loop {
            let before = {
                let mut shared = self.shared.lock();
                if let Some(file) = shared.as_of(began, segment) {
                    return Ok(file);
                }
                if let Some(file) = shared.open.get(&segment) {
                    return Ok(file);
                }
                shared.epoch
            };
            let file = self.open(segment)?;
            let mut shared = self.shared.lock();
            // Otherwise it may have been opened just before, or after, it was replaced.
            if shared.epoch == before {
                shared.open.put(segment, file.clone());
                return Ok(file);
            }
        }
    }

    fn open(&self, segment: SegmentNr) -> Result<Arc<SegmentFile>> {
        let file = self
            .storage
            .open(&segment_name(segment))
            .map_err(|error| unreadable(&*self.storage, segment, 0, error))?;
        let file = SegmentFile::open(&*self.storage, Some(self.store_id), segment, file)?;
        Ok(Arc::new(file))
    }

    /// Lets `rename` put another file in the place of `old`, the file of its segment, which stays open
    /// for those who read it.
    pub(crate) fn replace(
        &self,
        old: Arc<SegmentFile>,
        rename: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let segment = old.header.segment;
        {
            let mut shared = self.shared.lock();
            let until = shared.epoch;
            if !shared.readers.is_empty() {
                shared.replaced.push(Replaced { segment, until, file: old });
            }
            shared.epoch += 1;
            shared.open.remove(&segment);
            shared.prune();
        }
        let renamed = rename();
        let mut shared = self.shared.lock();
        shared.epoch += 1;
        shared.open.remove(&segment);
        renamed
    }

    /// Closes the files that nobody reads, since another process may have replaced them.
    pub(crate) fn forget(&self) {
        self.shared.lock().open.clear();
    }
}

/// A reader: sees every segment as it was when it began, or with more of it.
#[derive(Debug)]
pub(crate) struct Reading {
    files: Arc<SegmentFiles>,
    began: u64,
}

impl Reading {
    /// A reader that begins now. What it wants to read is to be looked up after this.
    pub(crate) fn begin(files: &Arc<SegmentFiles>) -> Self {
        let mut shared = files.shared.lock();
        let began = shared.epoch;
        *shared.readers.entry(began).or_default() += 1;
        drop(shared);
        Self { files: files.clone(), began }
    }

    /// The file of `segment`.
    pub(crate) fn file(&self, segment: SegmentNr) -> Result<Arc<SegmentFile>> {
        self.files.get_as_of(self.began, segment)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut shared = self.files.shared.lock();
        if let Some(count) = shared.readers.get_mut(&self.began) {
            *count -= 1;
            if *count == 0 {
                shared.readers.remove(&self.began);
                shared.prune();
            }
        }
    }
}
