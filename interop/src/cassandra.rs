//! Systems on pekko-persistence-cassandra, and its keyspaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{App, Error, PekkoSystem, Recovery, Result};

/// A pair of keyspaces on a server. To make them takes seconds: tests share some and keep to ids of their own.
#[derive(Debug, Clone)]
pub struct Keyspaces {
    app: Arc<App>,
    address: String,
    /// What every system on them is told, since it decides on what is stored.
    config: String,
    /// The keyspace of events and tags.
    pub journal: String,
    /// The keyspace of snapshots.
    pub snapshots: String,
}

impl Keyspaces {
    /// Lets the plugin make new ones with their tables, on the node at `address` (`HOST:PORT`).
    ///
    /// # Errors
    /// The node cannot be reached, or refuses.
    pub async fn create(app: Arc<App>, address: &str, config: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("interop_{}_{count}", std::process::id());
        let (journal, snapshots) = (format!("{prefix}_j"), format!("{prefix}_s"));
        let (address, config) = (address.to_owned(), config.to_owned());
        let keyspaces = Self { app, address, config, journal, snapshots };
        // The plugin makes its tables when they are first used.
        let pekko = keyspaces.pekko("").await?;
        pekko.recover("first", Recovery::default()).await?;
        pekko.save_snapshot("first", &json!({"kind": "string", "value": ""})).await?;
        pekko.delete_snapshots("first", 0, 1).await?;
        pekko.close().await?;
        Ok(keyspaces)
    }

    /// An actor system on them, with more configuration.
    ///
    /// # Errors
    /// The configuration is not accepted.
    pub async fn pekko(&self, more: &str) -> Result<PekkoSystem> {
        let Self { address, config, journal, snapshots, .. } = self;
        let first = yesterday();
        let config = format!(
            "pekko.persistence.journal.plugin = pekko.persistence.cassandra.journal
            pekko.persistence.snapshot-store.plugin = pekko.persistence.cassandra.snapshot
            pekko.persistence.cassandra {{
                journal {{ keyspace = {journal}, keyspace-autocreate = on, tables-autocreate = on }}
                snapshot {{ keyspace = {snapshots}, keyspace-autocreate = on, tables-autocreate = on }}
                query.refresh-interval = 200ms
                events-by-tag {{ first-time-bucket = \"{first}\", eventual-consistency-delay = 200ms }}
            }}
            datastax-java-driver {{
                basic.contact-points = [\"{address}\"]
                basic.load-balancing-policy.local-datacenter = datacenter1
                basic.request.timeout = 20s
                advanced.control-connection.schema.request-timeout = 20s
            }}
            {config}
            {more}"
        );
        PekkoSystem::open(self.app.clone(), &config).await
    }
}

impl PekkoSystem {
    /// The rows of a CQL query as they are: blobs as hexadecimal, numbers, everything else as text.
    ///
    /// # Errors
    /// The system is not on Cassandra, or the server refuses.
    pub async fn rows(&self, query: &str) -> Result<Vec<Value>> {
        match self.ask(json!({"do": "cql", "query": query})).await? {
            Value::Array(rows) => Ok(rows),
            other => Err(Error(format!("a list of rows was expected: {other}"))),
        }
    }
}

/// Yesterday's date as the plugin's `first-time-bucket` has it: queries by tag look at every bucket since.
fn yesterday() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let mut day = since.as_secs() / 86_400 - 1;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year:04}{month:02}{:02}T00:00", day + 1)
}
