//! The files of indexes that are open: of thousands of segments, only those that were asked lately.

use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::storage::{Recent, Storage, StorageFile};

/// The most index files that are kept open.
const OPEN_MAX: usize = 128;

/// A file's name and its key.
type Name = (Arc<str>, u32);

/// Index files that are open, by their name and key: one that was replaced has another key.
#[derive(Debug)]
pub(crate) struct Handles {
    storage: Arc<dyn Storage>,
    open: Mutex<Recent<Name, Arc<dyn StorageFile>>>,
}

impl Handles {
    /// None is open yet.
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, open: Mutex::new(Recent::new(OPEN_MAX)) }
    }

    /// The storage that the files are in.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}

/// How the bytes of a file are reached.
#[derive(Debug)]
pub(super) enum Handle {
    /// It stays open.
    Open(Arc<dyn StorageFile>),
    /// It is opened when it is read.
    Named {
        handles: Arc<Handles>,
        file: Name,
        /// Set before another file gets its name: from then on this one stays open.
        pinned: OnceLock<Arc<dyn StorageFile>>,
    },
}

impl Handle {
    /// The file `name` with `key`, open now as `file`, and opened anew when it was closed meanwhile.
    pub(super) fn named(
        handles: Arc<Handles>,
        name: &str,
        key: u32,
        file: Arc<dyn StorageFile>,
    ) -> Self {
        let name: Arc<str> = name.into();
        handles.open.lock().put((name.clone(), key), file);
        Self::Named { handles, file: (name, key), pinned: OnceLock::new() }
    }

    /// The file, open.
    pub(super) fn get(&self) -> io::Result<Arc<dyn StorageFile>> {
        let (handles, name, pinned) = match self {
            Self::Open(file) => return Ok(file.clone()),
            Self::Named { handles, file, pinned } => (handles, file, pinned),
        };
        if let Some(file) = handles.open.lock().get(name) {
            return Ok(file);
        }
        let file = handles.storage.open(&name.0)?;
        // Asked last: what was opened before the file was pinned cannot be the one that replaced it.
        if let Some(pinned) = pinned.get() {
            return Ok(pinned.clone());
        }
        handles.open.lock().put(name.clone(), file.clone());
        Ok(file)
    }

    /// Keeps the file open from now on.
    pub(super) fn pin(&self) -> io::Result<()> {
        let file = self.get()?;
        if let Self::Named { pinned, .. } = self {
            // Whoever came first opened the same file.
            let _ = pinned.set(file);
        }
        Ok(())
    }
}
