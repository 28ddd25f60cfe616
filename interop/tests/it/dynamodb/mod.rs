//! Beside pekko-persistence-dynamodb, on one DynamoDB Local.

mod golden;
mod items;
mod old_format;
mod pekko_writes;

use std::sync::atomic::{AtomicU32, Ordering};

use annals_interop::{App, PekkoSystem};
use serde_json::{Value, json};

use items::Item;

/// The tables of one test.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) journal: String,
    pub(crate) snapshots: String,
}

impl Tables {
    /// New ones, as the plugin's own scripts make them.
    pub(crate) async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("interop-{}-{count}", std::process::id());
        let tables = Self { journal: format!("{prefix}-j"), snapshots: format!("{prefix}-s") };
        let request = json!({"do": "dynamodb_create", "endpoint": annals_servers::dynamodb(),
            "journal": tables.journal, "snapshot": tables.snapshots});
        App::shared().ask(request).await.unwrap();
        tables
    }

    /// An actor system on them, with more configuration.
    pub(crate) async fn pekko(&self, more: &str) -> PekkoSystem {
        let Self { journal, snapshots } = self;
        let endpoint = annals_servers::dynamodb();
        let config = format!(
            "pekko.persistence.journal.plugin = dynamodb-journal
            pekko.persistence.snapshot-store.plugin = dynamodb-snapshot-store
            dynamodb-journal {{ endpoint = \"{endpoint}\", journal-table = {journal} }}
            dynamodb-snapshot-store.snapshot-table = {snapshots}
            dynamodb-read-journal.journal-table = {journal}
            {more}"
        );
        PekkoSystem::open(&config).await.unwrap()
    }

    /// The journal's items, in the order of their keys.
    pub(crate) async fn journal_items(&self) -> Vec<Item> {
        items(&self.journal).await
    }

    /// The snapshots' items, in the order of their keys.
    pub(crate) async fn snapshot_items(&self) -> Vec<Item> {
        items(&self.snapshots).await
    }
}

async fn items(table: &str) -> Vec<Item> {
    let request = json!({"do": "dynamodb_items", "endpoint": annals_servers::dynamodb(),
        "table": table});
    let Value::Array(items) = App::shared().ask(request).await.unwrap() else {
        panic!("a list of items");
    };
    let mut items: Vec<Item> = items.into_iter().map(Item::new).collect();
    items.sort_by_key(Item::key);
    items
}
