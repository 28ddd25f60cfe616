//! Events by tag: each side reads what the other tagged, resumes the other's offsets, and writes the tag rows
//! that the other was interrupted at.

use annals_cassandra::{CassandraStore, Execution, Fencing};
use annals_core::{Envelope, Offset, Tag};
use annals_interop::{Mode, Replayed};
use annals_query::Query;
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::sides;
use crate::kinds::{meaning, text};
use crate::sides::{Sides, persistence_id};

fn tagged(name: &str, tags: &[&str]) -> Value {
    let mut event = text(name);
    event["tags"] = json!(tags);
    event
}

/// An event of a tag: whose, which, what.
type Found = (String, u64, Value);

/// What annals finds by tag behind an offset.
async fn by_annals(sides: &Sides, tag: &str, after: Option<Offset>) -> (Vec<Found>, Vec<Offset>) {
    let query = Query::new(sides.annals.0.read_journal.clone());
    let events = query.current_events_by_tag(Tag::new(tag).unwrap(), after);
    let events: Vec<Envelope> = events.try_collect().await.unwrap();
    let found = events.iter().map(|event| {
        let value = meaning(&event.event.payload, &event.event.event_manifest);
        (event.persistence_id.as_str().to_owned(), event.event.seq_nr.get(), value)
    });
    (found.collect(), events.iter().map(|event| event.offset.clone()).collect())
}

/// What Pekko finds by tag behind an offset.
async fn by_pekko(sides: &Sides, tag: &str, after: Option<&str>) -> (Vec<Found>, Vec<String>) {
    let events = sides.pekko.tagged(tag, after).await.unwrap();
    let found = events.iter().map(|event| (event.id.clone(), event.seq_nr, event.value.clone()));
    (found.collect(), events.iter().map(|event| event.offset.clone().unwrap()).collect())
}

/// The time-based UUID at the end of an offset of annals.
fn uuid(offset: &Offset) -> String {
    let bytes = offset.as_bytes();
    let hex: String = bytes[bytes.len() - 16..].iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Pekko's offset as annals takes it: the UUID's bytes.
fn offset(uuid: &str) -> Offset {
    uuid.replace('-', "").parse().unwrap()
}

/// Long enough for every event to be older than the delay that readers leave to writers.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
}

#[tokio::test]
async fn each_reads_what_the_other_tagged_and_resumes_its_offsets() {
    let sides = sides(Fencing::Claims).await;
    let red = "tagged-both red";
    let mut expected: Vec<Found> = Vec::new();
    for round in 0..3_u64 {
        let name = |side, number| format!("{side} {round}-{number}");
        let first = round * 3 + 1;
        let events = [
            tagged(&name("pekko", 0), &[red, "other"]),
            text("untagged"),
            tagged(&name("pekko", 2), &[red]),
        ];
        sides.pekko.persist("tags-by-pekko|1", Mode::Each, &events).await.unwrap();
        for number in [0, 2] {
            let value = text(name("pekko", number));
            expected.push(("tags-by-pekko|1".to_owned(), first + number, value));
        }
        let events = [0, 1].map(|number| tagged(&name("annals", number), &[red]));
        let last = sides.annals.persist("tags-by-annals|1", &[&events[..1], &events[1..]]).await;
        for number in [0, 1] {
            let value = text(name("annals", number));
            expected.push(("tags-by-annals|1".to_owned(), last - 1 + number, value));
        }
    }
    settle().await;

    let (of_pekko, uuids) = by_pekko(&sides, red, None).await;
    let (of_annals, offsets) = by_annals(&sides, red, None).await;
    assert_eq!(of_pekko, expected);
    assert_eq!(of_annals, expected);
    assert_eq!(offsets.iter().map(uuid).collect::<Vec<_>>(), uuids);
    for (index, (of_annals, of_pekko)) in offsets.iter().zip(&uuids).enumerate() {
        let rest = &expected[index + 1..];
        assert_eq!(by_annals(&sides, red, Some(offset(of_pekko))).await.0, rest, "{index}");
        assert_eq!(by_pekko(&sides, red, Some(&uuid(of_annals))).await.0, rest, "{index}");
    }
    sides.close().await;
}

#[tokio::test]
async fn pekkos_live_query_delivers_what_annals_tags() {
    let sides = sides(Fencing::Claims).await;
    let blue = "live blue";
    let live = sides.pekko.tagged_live(blue, None, 6);
    let write = async {
        let mut names = Vec::new();
        for number in 0..6 {
            let event = tagged(&format!("live {number}"), &[blue]);
            sides.annals.persist("live-tags|1", &[std::slice::from_ref(&event)]).await;
            names.push(text(format!("live {number}")));
        }
        names
    };

    let (delivered, written) = tokio::join!(live, write);

    let delivered: Vec<Value> = delivered.unwrap().into_iter().map(|event| event.value).collect();
    assert_eq!(delivered, written);
    sides.close().await;
}

/// As if the writer had died between the event and its tag rows.
async fn forget_tags(sides: &Sides, keyspace: &str, id: &str, tag: &str) {
    // The progress is noted a moment after the rows, by either side.
    settle().await;
    let views = format!("SELECT * FROM {keyspace}.tag_views");
    for row in sides.pekko.rows(&views).await.unwrap() {
        if row["persistence_id"] == id && row["tag_name"] == tag {
            let (bucket, timestamp) = (&row["timebucket"], row["timestamp"].as_str().unwrap());
            let number = &row["tag_pid_sequence_nr"];
            let delete = format!(
                "DELETE FROM {keyspace}.tag_views WHERE tag_name = '{tag}' AND timebucket = {bucket}
                 AND timestamp = {timestamp} AND persistence_id = '{id}'
                 AND tag_pid_sequence_nr = {number}"
            );
            sides.pekko.rows(&delete).await.unwrap();
        }
    }
    for table in ["tag_write_progress", "tag_scanning"] {
        let delete = format!("DELETE FROM {keyspace}.{table} WHERE persistence_id = '{id}'");
        sides.pekko.rows(&delete).await.unwrap();
    }
}

#[tokio::test]
async fn each_writes_the_tag_rows_that_the_other_was_interrupted_at() {
    let sides = sides(Fencing::Claims).await;
    let keyspace = &super::shared(Fencing::Claims).get().unwrap().journal;
    let green = "interrupted green";
    let events = [0, 1, 2].map(|number| tagged(&format!("green {number}"), &[green]));
    let expected = |id: &str, count: u64| -> Vec<Found> {
        let value = |number| text(format!("green {number}"));
        (0..count).map(|number| (id.to_owned(), number + 1, value(number % 3))).collect()
    };

    // Pekko interrupted, annals recovers.
    let id = "interrupted-pekko|1";
    sides.pekko.persist(id, Mode::Each, &events).await.unwrap();
    sides.pekko.stop(id).await.unwrap();
    forget_tags(&sides, keyspace, id, green).await;
    assert_eq!(by_annals(&sides, green, None).await.0, []);
    sides.annals.persist(id, &[&events]).await;
    settle().await;
    assert_eq!(by_annals(&sides, green, None).await.0, expected(id, 6));
    assert_eq!(by_pekko(&sides, green, None).await.0, expected(id, 6));

    // Annals interrupted, Pekko recovers.
    let id = "interrupted-annals|1";
    let green = "interrupted green 2";
    let events = [0, 1, 2].map(|number| tagged(&format!("green {number}"), &[green]));
    sides.annals.persist(id, &[&events]).await;
    forget_tags(&sides, keyspace, id, green).await;
    sides.pekko.persist(id, Mode::Each, &events).await.unwrap();
    settle().await;
    assert_eq!(by_pekko(&sides, green, None).await.0, expected(id, 6));
    assert_eq!(by_annals(&sides, green, None).await.0, expected(id, 6));
    let plain: Vec<Value> = expected(id, 6).into_iter().map(|(.., value)| value).collect();
    let events = sides.annals.events(id).await.into_iter().map(|Replayed { value, .. }| value);
    assert_eq!(events.collect::<Vec<_>>(), plain);
    sides.close().await;
}

#[tokio::test]
async fn pekko_reads_what_annals_rebuilt() {
    let sides = sides(Fencing::Claims).await;
    let keyspaces = super::shared(Fencing::Claims).get().unwrap();
    let gold = "rebuilt gold";
    let events = [0, 1, 2].map(|number| tagged(&format!("gold {number}"), &[gold]));
    let ids = ["rebuilt-pekko|1", "rebuilt-annals|1"];
    sides.pekko.persist(ids[0], Mode::Each, &events).await.unwrap();
    sides.pekko.stop(ids[0]).await.unwrap();
    sides.annals.persist(ids[1], &[&events]).await;
    settle().await;
    let undisturbed = by_pekko(&sides, gold, None).await;
    assert_eq!(undisturbed.0.len(), 6);
    for id in ids {
        forget_tags(&sides, &keyspaces.journal, id, gold).await;
        let table = format!("{}.all_persistence_ids", keyspaces.journal);
        let delete = format!("DELETE FROM {table} WHERE persistence_id = '{id}'");
        sides.pekko.rows(&delete).await.unwrap();
    }
    assert_eq!(by_pekko(&sides, gold, None).await.0, []);
    assert!(!sides.pekko.ids().await.unwrap().iter().any(|listed| ids.contains(&listed.as_str())));

    let settings = super::settings(keyspaces, super::PARTITION, Fencing::Claims);
    let builder = CassandraStore::builder([annals_servers::cassandra()]).settings(settings);
    let store = builder.open().await.unwrap();
    let mut tags = store.rebuild_tags(Execution::Apply);
    for id in ids {
        tags.entity(&persistence_id(id)).await.unwrap();
    }
    tags.sweep(|_| {}).await.unwrap();
    let mut list = store.rebuild_ids(Execution::Apply);
    while list.next().await.unwrap().is_some() {}
    store.store().close().await.unwrap();

    assert_eq!(by_pekko(&sides, gold, None).await, undisturbed);
    let listed = sides.pekko.ids().await.unwrap();
    assert!(ids.iter().all(|id| listed.iter().any(|listed| listed == id)), "{listed:?}");
    // Its counters go on behind them.
    sides.pekko.persist(ids[0], Mode::Each, &events).await.unwrap();
    settle().await;
    assert_eq!(by_pekko(&sides, gold, None).await.0.len(), 9);
    assert_eq!(by_annals(&sides, gold, None).await.0.len(), 9);
    sides.close().await;
}
