//! Items as akka-persistence-dynamodb 1.3 and earlier wrote them, one blob each. Nothing writes them any
//! more; these are published by the plugin's own tests, and Pekko reads them.

use std::path::Path;

use annals_interop::{Mode, Recovery, Tables};
use serde_json::Value;

use super::tables;
use crate::kinds::text;

const ID: &str = "OldFormatEvents";

/// The kept items, and what they hold.
pub(crate) fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../backends/dynamodb/tests/golden/akka-1.3.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Stores items of that format as they are.
pub(crate) async fn put(tables: &Tables) {
    let golden = golden();
    for (table, list) in [(&tables.journal, "journal"), (&tables.snapshots, "snapshots")] {
        for item in golden[list].as_array().unwrap() {
            tables.put(table, item).await.unwrap();
        }
    }
}

#[tokio::test]
async fn pekko_recovers_the_golden_items_and_goes_on() {
    let tables = tables().await;
    put(&tables).await;
    let pekko = tables.pekko("").await.unwrap();

    let from_snapshot = pekko.recover(ID, Recovery::default()).await.unwrap();
    let snapshot = from_snapshot.snapshot.unwrap();
    assert_eq!((snapshot.seq_nr, from_snapshot.events.len()), (15, 5));
    assert!(snapshot.value.to_string().contains("PersistentFSMSnapshot(test-identifier"));

    let everything = Recovery { snapshot: false, ..Recovery::default() };
    let recovered = pekko.recover(ID, everything).await.unwrap();
    let events: Vec<Value> = recovered.events.into_iter().map(|event| event.value).collect();
    let expected: Vec<Value> = (1..=20).map(|number| text(format!("a-{number:04}"))).collect();
    assert_eq!(events, expected);
    let last = pekko.persist(ID, Mode::Each, &[text("new format")]).await.unwrap();
    assert_eq!(last, 21);
    pekko.close().await.unwrap();
}
