//! The items that Pekko writes, kept as test data of the store, with what
//! Pekko itself makes of them. `ANNALS_BLESS=1` writes them anew; otherwise what Pekko writes today must be
//! what is kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use annals_interop::{Mode, PekkoSystem, Recovery};
use serde_json::{Map, Value, json};

use super::items::Item;
use super::{items, tables};
use crate::kinds::{decoded, every_kind, order, text, texts, value};

/// Of the append that is stored in part: as if its writer had died between two of its requests.
const TORN: (&str, u64) = ("journal-P-torn|1-0", 6);

#[tokio::test]
async fn the_golden_items_are_those_that_pekko_writes() {
    let tables = tables().await;
    let pekko = tables.pekko("").await.unwrap();
    write(&pekko).await;
    let journal = items(&tables, &tables.journal).await;
    let torn = |item: &Item| item.text("par") == Some(TORN.0) && item.number("num") == Some(TORN.1);
    assert_eq!(journal.iter().filter(|item| torn(item)).count(), 1);
    let journal: Vec<Item> = journal.into_iter().filter(|item| !torn(item)).collect();
    let snapshots = items(&tables, &tables.snapshots).await;
    let entities = entities(&pekko).await;
    pekko.close().await.unwrap();

    let written = lines(&journal, &snapshots, &entities);
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::create_dir_all(path().parent().unwrap()).unwrap();
        std::fs::write(path(), &written).unwrap();
    }

    let kept = std::fs::read_to_string(path()).unwrap();
    assert_eq!(alike(&kept), alike(&written), "ANNALS_BLESS=1 keeps what Pekko writes now");
}

/// Everything that changes what lies in the tables, once.
async fn write(pekko: &PekkoSystem) {
    let persist = async |id: &str, mode, events: &[Value]| {
        pekko.persist(id, mode, events).await.unwrap();
    };
    persist("kinds|1", Mode::Each, &every_kind()).await;
    let mut tagged = text("wrapped");
    tagged["tags"] = json!(["blue"]);
    persist("java|1", Mode::Each, &[value("java", "of a JVM only"), tagged]).await;
    for (first, count) in [(1, 2), (3, 25), (28, 26), (54, 60)] {
        persist("appends|1", Mode::All, &texts(first, count)).await;
    }
    persist("appends|1", Mode::Each, &texts(114, 2)).await;
    persist("torn|1", Mode::All, &texts(1, 3)).await;
    persist("torn|1", Mode::All, &texts(4, 4)).await;

    persist("deleted|1", Mode::All, &texts(1, 60)).await;
    persist("deleted|1", Mode::All, &texts(61, 45)).await;
    pekko.delete("deleted|1", 60).await.unwrap();
    persist("deleted-all|1", Mode::Each, &texts(1, 3)).await;
    pekko.delete("deleted-all|1", u64::MAX / 2).await.unwrap();
    // A delete that ends within an append.
    persist("deleted-within|1", Mode::Each, &texts(1, 2)).await;
    persist("deleted-within|1", Mode::All, &texts(3, 3)).await;
    persist("deleted-within|1", Mode::Each, &texts(6, 1)).await;
    pekko.delete("deleted-within|1", 3).await.unwrap();

    persist("snapshots|1", Mode::Each, &texts(1, 2)).await;
    pekko.save_snapshot("snapshots|1", &text("state at 2")).await.unwrap();
    persist("snapshots|1", Mode::Each, &texts(3, 1)).await;
    let state = order("json", "state at 3", Value::Null);
    pekko.save_snapshot("snapshots|1", &state).await.unwrap();
    persist("snapshots|1", Mode::Each, &texts(4, 1)).await;
}

/// What the entities hold, in the notation of annals: what Pekko was given, and where it is told apart what
/// it gives back.
async fn entities(pekko: &PekkoSystem) -> Map<String, Value> {
    let mut entities = Map::new();
    let mut add = |id: &str, deleted_to: u64, highest: u64, events: Vec<Value>, snapshot: Value| {
        let events: Vec<Value> = (deleted_to + 1..)
            .zip(events)
            .map(|(seq_nr, event)| json!({"seq_nr": seq_nr, "value": event}))
            .collect();
        let entity = json!({"deleted_to": deleted_to, "highest": highest, "events": events,
            "snapshot": snapshot});
        entities.insert(id.to_owned(), entity);
    };
    let plain = |events: Vec<Value>| events.iter().map(decoded).collect::<Vec<_>>();
    let appends = [texts(1, 2), texts(3, 25), texts(28, 26), texts(54, 60), texts(114, 2)].concat();
    for (id, deleted_to, highest, events) in [
        ("kinds|1", 0, 16, every_kind()),
        ("appends|1", 0, 115, appends),
        ("deleted|1", 60, 105, texts(61, 45)),
        ("deleted-all|1", 3, 3, vec![]),
    ] {
        let recovered = pekko.recover(id, Recovery::default()).await.unwrap();
        let seen: Vec<Value> = recovered.events.into_iter().map(|event| event.value).collect();
        assert_eq!((recovered.seq_nr, &seen), (highest, &events), "{id}");
        add(id, deleted_to, highest, plain(events), Value::Null);
    }
    // The JVM alone knows what its own serialization means.
    add("java|1", 0, 2, vec![Value::Null, Value::Null], Value::Null);
    // Here the plugin is wrong, and recovers 6 alone.
    let within = [texts(3, 3)[1..].to_vec(), texts(6, 1)].concat();
    add("deleted-within|1", 3, 6, plain(within), Value::Null);
    // An append that is not whole is nobody's; its numbers are used up.
    add("torn|1", 0, 7, plain(texts(1, 3)), Value::Null);

    let recovered = pekko.recover("snapshots|1", Recovery::default()).await.unwrap();
    let snapshot = recovered.snapshot.unwrap();
    assert_eq!((snapshot.seq_nr, recovered.seq_nr), (3, 4));
    let snapshot = json!({"seq_nr": 3, "value": decoded(&snapshot.value)});
    let events = [texts(1, 2), texts(3, 1), texts(4, 1)].concat();
    add("snapshots|1", 0, 4, plain(events), snapshot);
    entities
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/dynamodb/tests/golden/pekko.json")
}

/// One JSON document with a line for each item, so that a difference shows as one.
fn lines(journal: &[Item], snapshots: &[Item], entities: &Map<String, Value>) -> String {
    let list = |items: &[Item]| {
        let items: Vec<String> = items.iter().map(|item| item.0.to_string()).collect();
        items.join(",\n")
    };
    let entities: Vec<String> =
        entities.iter().map(|(id, entity)| format!("{}: {entity}", json!(id))).collect();
    format!(
        "{{\"journal\": [\n{}\n], \"snapshots\": [\n{}\n], \"entities\": {{\n{}\n}}}}\n",
        list(journal),
        list(snapshots),
        entities.join(",\n")
    )
}

/// The document without what differs from run to run: writer ids become numbers, times go.
fn alike(document: &str) -> Value {
    let mut document: Value = serde_json::from_str(document).unwrap();
    let mut writers = HashMap::new();
    for item in document["journal"].as_array_mut().unwrap() {
        if let Some(writer) = item["writer_uuid"]["S"].as_str() {
            let number = writers.len();
            let number = *writers.entry(writer.to_owned()).or_insert(number);
            item["writer_uuid"]["S"] = number.into();
        }
    }
    for item in document["snapshots"].as_array_mut().unwrap() {
        item["ts"] = Value::Null;
    }
    document
}
