//! What the tests share.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use annals_core::{Result, Store};
use annals_embedded::{EmbeddedStore, Settings};
use tempfile::TempDir;

/// A byte of a frame that lies in its body.
const BODY_BYTE: u64 = 40;

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

    /// Compacts the open store at `place`, in tests of compaction.
    pub(crate) async fn compact(&self, place: &str) -> Result<()> {
        if self.settings.compaction.percent_min > 0 {
            return Ok(());
        }
        let open =
            self.open.lock().expect("no test panicked while it held the lock").get(place).cloned();
        match open {
            Some(store) => store.compact(0).await.map(drop),
            None => Ok(()),
        }
    }

    /// Flips a bit of the body of the frame that `locate` finds in the open store at `place`.
    pub(crate) fn damage(
        &self,
        place: &str,
        locate: impl FnOnce(&EmbeddedStore) -> Result<Option<(String, u64)>>,
    ) -> bool {
        let open = self.open.lock().expect("no test panicked while it held the lock");
        let Some(Ok(Some((name, byte)))) = open.get(place).map(|store| locate(store)) else {
            return false;
        };
        let path = self.directory.path().join(place).join(name);
        let file = OpenOptions::new().read(true).write(true).open(path).expect("the segment opens");
        let mut flipped = [0];
        file.read_exact_at(&mut flipped, byte + BODY_BYTE).expect("the frame is read");
        flipped[0] ^= 1;
        file.write_all_at(&flipped, byte + BODY_BYTE).expect("the frame is written");
        true
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
