//! The rows that Pekko writes, kept as test data of the store, with what Pekko itself makes of them.
//! `ANNALS_BLESS=1` writes them anew; otherwise what Pekko writes today must be what is kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use annals_interop::{Mode, PekkoSystem, Recovery};
use serde_json::{Map, Value, json};

use super::{keyspaces, rows};
use crate::kinds::{decoded, every_kind, order, text, texts};

const TABLES: [&str; 6] = [
    "messages",
    "tag_views",
    "tag_write_progress",
    "tag_scanning",
    "metadata",
    "all_persistence_ids",
];

#[tokio::test]
async fn the_golden_rows_are_those_that_pekko_writes() {
    // Small partitions, and one bucket of tags: the test must not depend on the time of day.
    let keyspaces = keyspaces(
        "pekko.persistence.cassandra.journal.target-partition-size = 7
        pekko.persistence.cassandra.events-by-tag.bucket-size = Day
        pekko.persistence.cassandra.events-by-tag.scanning-flush-interval = 200ms",
    )
    .await;
    let pekko = keyspaces.pekko("").await.unwrap();
    write(&pekko).await;
    let entities = entities(&pekko).await;
    let mut tables = Map::new();
    for table in TABLES {
        tables.insert(table.to_owned(), rows(&pekko, &keyspaces, table).await.into());
    }
    let snapshots = format!("SELECT * FROM {}.snapshots", keyspaces.snapshots);
    tables.insert("snapshots".to_owned(), pekko.rows(&snapshots).await.unwrap().into());
    pekko.close().await.unwrap();

    let written = lines(&mut tables, &entities);
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::write(path(), &written).unwrap();
    }

    let kept = std::fs::read_to_string(path()).unwrap();
    assert_eq!(alike(&kept), alike(&written), "ANNALS_BLESS=1 keeps what Pekko writes now");
}

fn tagged(events: Vec<Value>, tags: &[&str]) -> Vec<Value> {
    let with_tags = |mut event: Value| {
        event["tags"] = json!(tags);
        event
    };
    events.into_iter().map(with_tags).collect()
}

async fn write(pekko: &PekkoSystem) {
    let persist = async |id: &str, mode, events: &[Value]| {
        pekko.persist(id, mode, events).await.unwrap();
    };
    persist("kinds|1", Mode::Each, &every_kind()).await;
    // Groups that end in a partition, begin one, and skip one wholly.
    for (first, count) in [(1, 6), (7, 2), (9, 12), (21, 1)] {
        persist("appends|1", Mode::All, &texts(first, count)).await;
    }
    persist("tagged|1", Mode::Each, &tagged(texts(1, 2), &["red", "blue"])).await;
    persist("tagged|1", Mode::Each, &texts(3, 1)).await;
    persist("tagged|1", Mode::All, &tagged(texts(4, 3), &["red"])).await;
    persist("tagged|2", Mode::Each, &tagged(texts(1, 1), &["red"])).await;
    persist("deleted|1", Mode::All, &texts(1, 6)).await;
    persist("deleted|1", Mode::Each, &texts(7, 4)).await;
    pekko.delete("deleted|1", 8).await.unwrap();
    persist("deleted-all|1", Mode::Each, &texts(1, 3)).await;
    pekko.delete("deleted-all|1", u64::MAX / 2).await.unwrap();
    persist("snapshots|1", Mode::Each, &texts(1, 2)).await;
    pekko.save_snapshot("snapshots|1", &text("state at 2")).await.unwrap();
    persist("snapshots|1", Mode::Each, &texts(3, 1)).await;
    let state = order("json", "state at 3", Value::Null);
    pekko.save_snapshot("snapshots|1", &state).await.unwrap();
    persist("snapshots|1", Mode::Each, &texts(4, 1)).await;
    // Scanning is noted a moment later.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
}

/// What the entities hold, in the notation of annals.
async fn entities(pekko: &PekkoSystem) -> Map<String, Value> {
    let mut entities = Map::new();
    for (id, deleted_to, highest, events) in [
        ("kinds|1", 0, 16, every_kind()),
        ("appends|1", 0, 21, [texts(1, 6), texts(7, 2), texts(9, 12), texts(21, 1)].concat()),
        ("tagged|1", 0, 6, [texts(1, 2), texts(3, 1), texts(4, 3)].concat()),
        ("tagged|2", 0, 1, texts(1, 1)),
        ("deleted|1", 8, 10, texts(7, 4)[2..].to_vec()),
        ("deleted-all|1", 3, 3, vec![]),
        ("snapshots|1", 0, 4, [texts(1, 2), texts(3, 1), texts(4, 1)].concat()),
    ] {
        let recovery = Recovery { snapshot: false, ..Recovery::default() };
        let recovered = pekko.recover(id, recovery).await.unwrap();
        let seen: Vec<Value> = recovered.events.into_iter().map(|event| event.value).collect();
        assert_eq!((recovered.seq_nr, &seen), (highest, &events), "{id}");
        let events: Vec<Value> = (deleted_to + 1..)
            .zip(&events)
            .map(|(seq_nr, event)| json!({"seq_nr": seq_nr, "value": decoded(event)}))
            .collect();
        let entity = json!({"deleted_to": deleted_to, "highest": highest, "events": events,
            "snapshot": null});
        entities.insert(id.to_owned(), entity);
    }
    let recovered = pekko.recover("snapshots|1", Recovery::default()).await.unwrap();
    let snapshot = recovered.snapshot.unwrap();
    entities["snapshots|1"]["snapshot"] =
        json!({"seq_nr": snapshot.seq_nr, "value": decoded(&snapshot.value)});
    entities
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/cassandra/tests/golden/pekko.json")
}

/// One JSON document with a line for each row, so that a difference shows as one.
fn lines(tables: &mut Map<String, Value>, entities: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    for (table, rows) in tables {
        let rows = rows.as_array_mut().unwrap();
        // Cassandra gives partitions in the order of their hashes.
        rows.sort_by_key(|row| {
            let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
            let number = |column: &str| row[column].as_u64().unwrap_or_default();
            let texts = (text("tag_name"), text("persistence_id"), text("tag"));
            (texts, number("sequence_nr"))
        });
        let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        parts.push(format!("\"{table}\": [\n{}\n]", rows.join(",\n")));
    }
    let entities: Vec<String> =
        entities.iter().map(|(id, entity)| format!("{}: {entity}", json!(id))).collect();
    format!("{{{},\n\"entities\": {{\n{}\n}}}}\n", parts.join(",\n"), entities.join(",\n"))
}

/// The document without what differs from run to run: writers become numbers, times go.
fn alike(document: &str) -> Value {
    let mut document: Value = serde_json::from_str(document).unwrap();
    let mut writers = HashMap::new();
    for table in TABLES.into_iter().chain(["snapshots"]) {
        for row in document[table].as_array_mut().unwrap() {
            if let Some(writer) = row["writer_uuid"].as_str() {
                let number = writers.len();
                let number = *writers.entry(writer.to_owned()).or_insert(number);
                row["writer_uuid"] = number.into();
            }
            for column in ["timestamp", "timebucket", "offset"] {
                if row.get(column).is_some() {
                    row[column] = Value::Null;
                }
            }
        }
    }
    document
}
