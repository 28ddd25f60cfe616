//! The server that the tests share, and stores on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use annals_core::Result;
use annals_dynamodb::{Credentials, DynamoDb, Settings};

/// A text that no other run uses.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{:x}-{count}", std::process::id(), now.as_nanos() & 0xff_ffff)
}

/// Settings for the tables of this run.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    let run = std::process::id();
    settings.endpoint = Some(annals_servers::dynamodb().to_owned());
    settings.credentials = Credentials::Static {
        access_key_id: "any".to_owned(),
        secret_access_key: "any".to_owned(),
    };
    settings.journal_table = format!("annals-{run}");
    settings.snapshot_table = format!("annals-{run}-snapshots");
    settings
}

/// A store with these settings, its tables created.
pub(crate) async fn open(settings: Settings) -> Result<Arc<DynamoDb>> {
    let store = DynamoDb::builder().settings(settings).open().await?;
    store.create_tables().await?;
    Ok(store)
}
