//! fjall: a log-structured merge tree. A batch per commit, synced (`SyncData`).

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::CACHE_BYTES;
use crate::Result;
use crate::commit::{Sink, Write};

/// The writer.
pub(crate) struct FjallSink {
    database: Database,
    events: Keyspace,
}

impl FjallSink {
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let database = Database::builder(dir).cache_size(u64::from(CACHE_BYTES)).open()?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
        Ok(Self { database, events })
    }
}

impl Sink for FjallSink {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncData));
        for write in batch {
            let mut key = Vec::new();
            write.key(&mut key);
            let (_, _, payload) = write.parts();
            writes.insert(&self.events, key, payload);
        }
        Ok(writes.commit()?)
    }
}
