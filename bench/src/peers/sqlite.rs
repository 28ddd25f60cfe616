//! SQLite with a write-ahead log, synced at every commit (`synchronous = FULL`). A transaction per
//! commit.

use std::path::Path;

use rusqlite::{Connection, params};

use super::CACHE_BYTES;
use crate::Result;
use crate::commit::{Sink, Write};

/// The writer.
pub(crate) struct SqliteSink {
    connection: Connection,
}

impl SqliteSink {
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let connection = Connection::open(dir.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Negative: in KiB instead of pages.
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_BYTES >> 10))?;
        connection.execute_batch(
            "CREATE TABLE events (pid TEXT NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, \
             PRIMARY KEY (pid, seq)) WITHOUT ROWID",
        )?;
        Ok(Self { connection })
    }
}

impl Sink for SqliteSink {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)")?;
            for write in batch {
                let (id, seq_nr, payload) = write.parts();
                insert.execute(params![id, seq_nr.cast_signed(), payload])?;
            }
        }
        Ok(transaction.commit()?)
    }
}
