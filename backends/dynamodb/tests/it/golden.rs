//! Items that Pekko's plugin wrote, and those of Akka's before it, read as what Pekko takes them for. The
//! tests beside Pekko (`interop`) write `golden/pekko.json` and keep it true.

use annals_core::{JournalExt, PersistenceId, SeqRange, SnapshotCriteria, Store};
use annals_dynamodb::{Holes, Settings};
use annals_pekko::value::decode;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{open, sdk, settings};

const PEKKO: &str = include_str!("../golden/pekko.json");
const AKKA: &str = include_str!("../golden/akka-1.3.json");

#[tokio::test]
async fn items_of_pekko_mean_what_pekko_recovers() {
    assert_eq!(entities_read(PEKKO).await, 8);
}

#[tokio::test]
async fn items_of_akka_1_mean_what_pekko_recovers() {
    assert_eq!(entities_read(AKKA).await, 1);
}

/// Stores the document's items, compares each of its entities with what is read, and counts them.
async fn entities_read(document: &str) -> usize {
    let document: Value = serde_json::from_str(document).unwrap();
    // One entity holds an append that its writer left in part, which Pekko reads over.
    let mut settings = settings();
    settings.holes = Holes::Skip;
    let store = open(settings.clone()).await.unwrap().store();
    let sdk = sdk();
    for (table, items) in [("journal", &document["journal"]), ("snapshots", &document["snapshots"])]
    {
        for item in items.as_array().unwrap() {
            put(&sdk, &settings, table, item).await;
        }
    }

    let entities = document["entities"].as_object().unwrap();
    for (id, entity) in entities {
        assert_entity(&store, id, entity).await;
    }
    entities.len()
}

async fn assert_entity(store: &Store, name: &str, entity: &Value) {
    let id = PersistenceId::new(name).unwrap();
    let bounds = store.journal.bounds(&id).await.unwrap();
    let expected = [&entity["deleted_to"], &entity["highest"]].map(|it| it.as_u64().unwrap());
    assert_eq!([bounds.deleted_to.get(), bounds.highest.get()], expected, "{name}");

    let events = store.journal.read_all(&id, SeqRange::ALL).await.unwrap();
    let expected = entity["events"].as_array().unwrap();
    assert_eq!(events.len(), expected.len(), "{name}");
    for (event, expected) in events.iter().zip(expected) {
        let seq_nr = event.seq_nr.get();
        assert_eq!(Some(seq_nr), expected["seq_nr"].as_u64(), "{name}");
        assert!(!event.writer.as_str().is_empty(), "{name} {seq_nr}");
        // Null: what only a JVM understands.
        if !expected["value"].is_null() {
            let value = decode(&event.payload).unwrap().into_json();
            assert_eq!(value, expected["value"], "{name} {seq_nr}");
        }
    }

    let expected = &entity["snapshot"];
    if !expected.is_null() {
        let newest = store.snapshots.load(&id, &SnapshotCriteria::ALL).await.unwrap().unwrap();
        assert_eq!(Some(newest.seq_nr.get()), expected["seq_nr"].as_u64(), "{name}");
        if !expected["value"].is_null() {
            let value = decode(&newest.payload).unwrap().into_json();
            assert_eq!(value, expected["value"], "{name}");
        }
    }
}

/// Stores an item of the document under the journal's name of this test.
async fn put(sdk: &aws_sdk_dynamodb::Client, settings: &Settings, table: &str, item: &Value) {
    let table = match table {
        "journal" => &settings.journal_table,
        _ => &settings.snapshot_table,
    };
    let mut put = sdk.put_item().table_name(table);
    for (name, value) in item.as_object().unwrap() {
        let text = |kind: &str| value[kind].as_str();
        let value = if let Some(text) = text("S") {
            let rest = (name == "par").then(|| text.strip_prefix("journal").unwrap());
            let renamed = rest.map(|rest| format!("{}{rest}", settings.journal_name));
            AttributeValue::S(renamed.unwrap_or_else(|| text.to_owned()))
        } else if let Some(number) = text("N") {
            AttributeValue::N(number.to_owned())
        } else {
            AttributeValue::B(Blob::new(STANDARD.decode(text("B").unwrap()).unwrap()))
        };
        put = put.item(name, value);
    }
    put.send().await.unwrap();
}
