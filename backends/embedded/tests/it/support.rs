//! What the tests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use annals_core::{Result, Store};
use annals_embedded::{EmbeddedStore, Settings};
use tempfile::TempDir;

/// Stores in directories of their own, removed with it.
#[derive(Debug)]
pub(crate) struct Places {
    directory: TempDir,
    settings: Settings,
    open: Mutex<HashMap<String, Arc<EmbeddedStore>>>,
}

impl Places {
    /// Stores with small segments, so that a test crosses many of them.
    pub(crate) fn new(settings: Settings) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, settings, open: Mutex::default() }
    }

    pub(crate) fn open(&self, place: &str) -> Result<Store> {
        let path = self.directory.path().join(place);
        let store = EmbeddedStore::builder(path).settings(self.settings).open()?;
        self.open
            .lock()
            .expect("no test panicked while it held the lock")
            .insert(place.to_owned(), store.clone());
        Ok(store.store())
    }

    /// Ends the store at `place` without its orderly end.
    pub(crate) fn abandon(&self, place: &str) {
        if let Some(store) =
            self.open.lock().expect("no test panicked while it held the lock").remove(place)
        {
            store.abandon();
        }
    }
}
