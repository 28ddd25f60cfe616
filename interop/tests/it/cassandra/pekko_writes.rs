//! What Pekko writes means the same here, and lies where the format says.

use std::collections::BTreeSet;

use annals_core::{Payload, SerializerId};
use annals_interop::{Keyspaces, Mode, PekkoSystem};
use serde_json::{Value, json};

use super::{keyspaces, rows};
use crate::kinds::{every_kind, meaning, text, texts};

/// What an event's row means.
pub(crate) fn event(row: &Value) -> Value {
    let id = i32::try_from(row["ser_id"].as_i64().unwrap()).unwrap();
    let payload = Payload::new(
        SerializerId::new(id),
        row["ser_manifest"].as_str().unwrap(),
        hex(row["event"].as_str().unwrap()),
    );
    meaning(&payload, row["event_manifest"].as_str().unwrap())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The events' rows of one id.
async fn messages(pekko: &PekkoSystem, keyspaces: &Keyspaces, id: &str) -> Vec<Value> {
    let mut rows = rows(pekko, keyspaces, "messages").await;
    rows.retain(|row| row["persistence_id"] == id);
    rows
}

#[tokio::test]
async fn every_kind_tag_and_partition_lies_where_the_format_says() {
    let small = "pekko.persistence.cassandra.journal.target-partition-size = 5";
    let keyspaces = keyspaces(small).await;
    let pekko = keyspaces.pekko("").await.unwrap();

    let events = every_kind();
    pekko.persist("rows|1", Mode::Each, &events).await.unwrap();
    let mut stored = messages(&pekko, &keyspaces, "rows|1").await;
    stored.sort_by_key(|row| row["sequence_nr"].as_u64());
    let read: Vec<Value> = stored.iter().map(event).collect();
    assert_eq!(read, events);
    for (row, seq_nr) in stored.iter().zip(1_u64..) {
        let expected = (json!((seq_nr - 1) / 5), json!(seq_nr));
        assert_eq!((&row["partition_nr"], &row["sequence_nr"]), (&expected.0, &expected.1));
    }

    // An append goes whole to the partition of its last event.
    let appends = [4, 3, 6];
    let mut first = 1;
    for count in appends {
        pekko.persist("rows|2", Mode::All, &texts(first, count)).await.unwrap();
        first += count;
    }
    let written = messages(&pekko, &keyspaces, "rows|2").await;
    let places: BTreeSet<(u64, u64)> = written
        .iter()
        .map(|row| (row["sequence_nr"].as_u64().unwrap(), row["partition_nr"].as_u64().unwrap()))
        .collect();
    let expected = (1..=4).map(|n| (n, 0)).chain((5..=7).map(|n| (n, 1)));
    assert_eq!(places, expected.chain((8..=13).map(|n| (n, 2))).collect());

    let tagged = |number: u64, tags: &[&str]| {
        let mut event = text(format!("tagged {number}"));
        event["tags"] = json!(tags);
        event
    };
    let (first, second) = (tagged(1, &["red one", "é/x"]), tagged(2, &["red one"]));
    pekko.persist("rows|3", Mode::Each, &[first, text("plain"), second]).await.unwrap();
    let rows = rows(&pekko, &keyspaces, "tag_views").await;
    let views: BTreeSet<(&str, u64, u64, String)> = rows
        .iter()
        .map(|row| {
            let number = |column: &str| row[column].as_u64().unwrap();
            let tag = row["tag_name"].as_str().unwrap();
            let text = event(row)["value"].as_str().unwrap().to_owned();
            (tag, number("sequence_nr"), number("tag_pid_sequence_nr"), text)
        })
        .collect();
    let view = |tag, seq_nr, tag_nr, text: &str| (tag, seq_nr, tag_nr, text.to_owned());
    let expected = [
        view("red one", 1, 1, "tagged 1"),
        view("red one", 3, 2, "tagged 2"),
        view("é/x", 1, 1, "tagged 1"),
    ];
    assert_eq!(views, expected.into());
    pekko.close().await.unwrap();
}
