//! Beside pekko-persistence-cassandra, on one Cassandra.

mod golden;
mod pekko_writes;

use annals_interop::{App, Keyspaces, PekkoSystem};
use serde_json::Value;

/// New keyspaces. `config` is what decides on what is stored.
async fn keyspaces(config: &str) -> Keyspaces {
    Keyspaces::create(App::shared(), annals_servers::cassandra(), config).await.unwrap()
}

/// The rows of a table of the journal, as `SELECT` gives them.
async fn rows(pekko: &PekkoSystem, keyspaces: &Keyspaces, table: &str) -> Vec<Value> {
    pekko.rows(&format!("SELECT * FROM {}.{table}", keyspaces.journal)).await.unwrap()
}
