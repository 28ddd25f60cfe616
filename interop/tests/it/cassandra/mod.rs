//! Beside pekko-persistence-cassandra, on one Cassandra.

mod golden;
mod pekko_writes;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use annals_interop::PekkoSystem;
use serde_json::{Value, json};

/// The keyspaces of some tests: to make one takes a second, so tests share them and keep to ids of their own.
#[derive(Debug)]
pub(crate) struct Keyspaces {
    pub(crate) journal: String,
    pub(crate) snapshots: String,
    /// More configuration of every system on them.
    config: String,
}

impl Keyspaces {
    /// New ones, which the plugin makes itself, with tables of its own. `config` is what decides on what is
    /// stored.
    pub(crate) async fn create(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("interop_{}_{count}", std::process::id());
        let (journal, snapshots) = (format!("{prefix}_j"), format!("{prefix}_s"));
        let keyspaces = Self { journal, snapshots, config: config.to_owned() };
        let pekko = keyspaces.pekko("").await;
        // The plugin makes the tables when it is first used.
        pekko.recover("first", annals_interop::Recovery::default()).await.unwrap();
        pekko.save_snapshot("first", &crate::kinds::text("")).await.unwrap();
        pekko.delete_snapshots("first", 0, 1).await.unwrap();
        pekko.close().await.unwrap();
        keyspaces
    }

    /// An actor system on them, with more configuration.
    pub(crate) async fn pekko(&self, more: &str) -> PekkoSystem {
        let Self { journal, snapshots, config } = self;
        let address = annals_servers::cassandra();
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
        PekkoSystem::open(&config).await.unwrap()
    }

    /// The rows of a table of the journal, as `SELECT` gives them.
    pub(crate) async fn rows(&self, pekko: &PekkoSystem, table: &str, filter: &str) -> Vec<Value> {
        rows(pekko, &format!("SELECT * FROM {}.{table} {filter}", self.journal)).await
    }
}

pub(crate) async fn rows(pekko: &PekkoSystem, query: &str) -> Vec<Value> {
    match pekko.ask(json!({"do": "cql", "query": query})).await.unwrap() {
        Value::Array(rows) => rows,
        other => panic!("a list of rows: {other}"),
    }
}

/// Yesterday's date as the plugin's `first-time-bucket` has it: queries by tag look at every bucket since.
fn yesterday() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
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
