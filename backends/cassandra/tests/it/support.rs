//! A store on the shared node, in keyspaces of this process.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_cassandra::{CassandraSettings, CassandraStore};
use tokio::sync::Mutex;

/// The keyspaces that this process has made.
static MADE: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();

/// Settings with keyspaces of this process; `name` tells the tests' tables apart.
pub(crate) fn settings(name: &str) -> CassandraSettings {
    let process = std::process::id();
    let keyspace = format!("annals_{process}_{name}");
    let snapshots = format!("annals_{process}_{name}_s");
    CassandraSettings::new().with_keyspaces(keyspace, snapshots)
}

/// Opens a store with these settings; makes its tables the first time.
pub(crate) async fn open(settings: CassandraSettings) -> annals_core::Result<CassandraStore> {
    let address = server().await;
    let keyspace = settings.journal.keyspace.clone();
    {
        let mut made = MADE.get_or_init(Mutex::default).lock().await;
        if !made.contains(&keyspace) {
            let builder = CassandraStore::builder([address]).settings(settings.clone());
            builder.create_schema().await?;
            made.insert(keyspace);
        }
    }
    CassandraStore::builder([address]).settings(settings).open().await
}

/// The address of the shared node. Starting it blocks.
pub(crate) async fn server() -> &'static str {
    tokio::task::spawn_blocking(annals_servers::cassandra).await.unwrap()
}

/// A text that no other test of this process, nor of another on the same server, uses.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Some hours ago.
pub(crate) fn today_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() - 3 * 3_600_000
}
