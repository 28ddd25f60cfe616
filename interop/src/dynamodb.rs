//! Systems on pekko-persistence-dynamodb, and its tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{App, Error, PekkoSystem, Result};

/// A pair of tables on a server.
#[derive(Debug, Clone)]
pub struct Tables {
    app: Arc<App>,
    endpoint: String,
    /// The table of events.
    pub journal: String,
    /// The table of snapshots.
    pub snapshots: String,
}

impl Tables {
    /// Makes new ones, as the plugin's own scripts do, with the index for ids and paid by request.
    ///
    /// # Errors
    /// The server at `endpoint` refuses.
    pub async fn create(app: Arc<App>, endpoint: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("interop-{}-{count}", std::process::id());
        let (journal, snapshots) = (format!("{prefix}-j"), format!("{prefix}-s"));
        let request = json!({"do": "dynamodb_create", "endpoint": endpoint, "journal": journal,
            "snapshot": snapshots});
        app.ask(request).await?;
        Ok(Self { app, endpoint: endpoint.to_owned(), journal, snapshots })
    }

    /// An actor system on them, with more configuration.
    ///
    /// # Errors
    /// The configuration is not accepted.
    pub async fn pekko(&self, more: &str) -> Result<PekkoSystem> {
        let Self { journal, snapshots, endpoint, .. } = self;
        let config = format!(
            "pekko.persistence.journal.plugin = dynamodb-journal
            pekko.persistence.snapshot-store.plugin = dynamodb-snapshot-store
            dynamodb-journal {{ endpoint = \"{endpoint}\", journal-table = {journal} }}
            dynamodb-snapshot-store.snapshot-table = {snapshots}
            dynamodb-read-journal.journal-table = {journal}
            {more}"
        );
        PekkoSystem::open(self.app.clone(), &config).await
    }

    /// The items of one of the tables as they are, in DynamoDB's own JSON.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn items(&self, table: &str) -> Result<Vec<Value>> {
        let request = json!({"do": "dynamodb_items", "endpoint": self.endpoint, "table": table});
        match self.app.ask(request).await? {
            Value::Array(items) => Ok(items),
            other => Err(Error(format!("a list of items was expected: {other}"))),
        }
    }

    /// Stores an item in one of the tables, whatever lies there.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn put(&self, table: &str, item: &Value) -> Result<()> {
        let request = json!({"do": "dynamodb_put", "endpoint": self.endpoint, "table": table,
            "item": item});
        self.app.ask(request).await.map(drop)
    }
}
