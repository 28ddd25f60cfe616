//! Beside pekko-persistence-cassandra, on one Cassandra.

mod both_ways;
mod golden;
mod partitions;
mod pekko_writes;
mod tags;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, PartitionSize};
use annals_interop::{App, Keyspaces, PekkoSystem};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::sides::{Annals, Sides};

/// Above the largest append and group of appends, which may touch two partitions; below what tests write.
const PARTITION: u64 = 140;
/// So that nearly every append meets the end of a partition.
const SMALL_PARTITION: u64 = 7;

/// New keyspaces. `config` is what decides on what is stored.
async fn keyspaces(config: &str) -> Keyspaces {
    Keyspaces::create(App::shared(), annals_servers::cassandra(), config).await.unwrap()
}

/// The keyspaces of the tests under one fencing, made when they are first asked for.
fn shared(fencing: Fencing) -> &'static OnceCell<Keyspaces> {
    static CLAIMS: OnceCell<Keyspaces> = OnceCell::const_new();
    static LWT: OnceCell<Keyspaces> = OnceCell::const_new();
    static OFF: OnceCell<Keyspaces> = OnceCell::const_new();
    match fencing {
        Fencing::Claims => &CLAIMS,
        Fencing::Lwt => &LWT,
        Fencing::Off => &OFF,
    }
}

/// Both sides on the keyspaces of the tests under one fencing.
async fn sides(fencing: Fencing) -> Sides {
    sides_on(shared(fencing), PARTITION, fencing).await
}

/// Both sides where partitions are small.
async fn sides_on_small_partitions() -> Sides {
    static SMALL: OnceCell<Keyspaces> = OnceCell::const_new();
    sides_on(&SMALL, SMALL_PARTITION, Fencing::Lwt).await
}

async fn sides_on(shared: &OnceCell<Keyspaces>, partition: u64, fencing: Fencing) -> Sides {
    let made = || async {
        let size =
            format!("pekko.persistence.cassandra.journal.target-partition-size = {partition}");
        let keyspaces = keyspaces(&size).await;
        let builder = CassandraStore::builder([annals_servers::cassandra()]);
        // What annals adds to tables that Pekko made.
        builder.settings(settings(&keyspaces, partition, fencing)).create_schema().await.unwrap();
        keyspaces
    };
    let keyspaces = shared.get_or_init(made).await;
    let builder = CassandraStore::builder([annals_servers::cassandra()])
        .settings(settings(keyspaces, partition, fencing));
    let annals = Annals(builder.open().await.unwrap().store());
    Sides { pekko: keyspaces.pekko("").await.unwrap(), annals }
}

fn settings(keyspaces: &Keyspaces, partition: u64, fencing: Fencing) -> CassandraSettings {
    let mut settings = CassandraSettings::new()
        .with_keyspaces(&keyspaces.journal, &keyspaces.snapshots)
        .with_fencing(fencing);
    settings.journal.target_partition_size = PartitionSize::new(partition).unwrap();
    settings.events_by_tag.first_time_bucket_millis = crate::sides::now().as_millis() - 86_400_000;
    settings.events_by_tag.eventual_consistency_delay = std::time::Duration::from_millis(200);
    settings
}

/// The rows of a table of the journal, as `SELECT` gives them.
async fn rows(pekko: &PekkoSystem, keyspaces: &Keyspaces, table: &str) -> Vec<Value> {
    pekko.rows(&format!("SELECT * FROM {}.{table}", keyspaces.journal)).await.unwrap()
}
