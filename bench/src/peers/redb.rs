//! redb: a copy-on-write B-tree. A transaction per commit, synced (`Durability::Immediate`).

use std::path::Path;

use redb::{Database, Durability, TableDefinition};

use super::CACHE_BYTES;
use crate::Result;
use crate::commit::{Sink, Write};

const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");

/// The writer.
pub(crate) struct RedbSink {
    database: Database,
    key: Vec<u8>,
}

impl RedbSink {
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let cache = usize::try_from(CACHE_BYTES)?;
        let database = Database::builder().set_cache_size(cache).create(dir.join("redb"))?;
        Ok(Self { database, key: Vec::new() })
    }
}

impl Sink for RedbSink {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut events = transaction.open_table(EVENTS)?;
            for write in batch {
                self.key.clear();
                write.key(&mut self.key);
                let (_, _, payload) = write.parts();
                events.insert(self.key.as_slice(), payload)?;
            }
        }
        Ok(transaction.commit()?)
    }
}
