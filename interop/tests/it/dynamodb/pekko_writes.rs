//! What Pekko writes means the same here, and lies where the format says.

use annals_interop::{Mode, Recovery};
use serde_json::Value;

use super::{items, tables};
use crate::kinds::{every_kind, texts, value};

#[tokio::test]
async fn every_kind_of_event_means_the_same() {
    let tables = tables().await;
    let pekko = tables.pekko("").await.unwrap();
    let events = every_kind();

    pekko.persist("kinds|1", Mode::Each, &events).await.unwrap();

    let items = items(&tables, &tables.journal).await;
    let read: Vec<Value> = items.iter().map(|item| item.event()).collect();
    assert_eq!(read, events);
    // And Pekko itself takes them for the same, so that the comparison is about the right thing.
    let recovered = pekko.recover("kinds|1", Recovery::default()).await.unwrap();
    let recovered: Vec<Value> = recovered.events.into_iter().map(|event| event.value).collect();
    assert_eq!(recovered, events);
    pekko.close().await.unwrap();
}

#[tokio::test]
async fn compressed_documents_mean_the_same() {
    let tables = tables().await;
    let documents: Vec<Value> = every_kind()
        .into_iter()
        .filter(|it| it["kind"] == "json" || it["kind"] == "cbor")
        .collect();
    let (mut magics, mut last) = (vec![], 0);
    for algorithm in ["gzip", "lz4", "off"] {
        let of = |binding| {
            format!(
                "pekko.serialization.jackson.{binding}.compression {{
                    algorithm = {algorithm}, compress-larger-than = 100 B }}\n"
            )
        };
        let pekko = tables.pekko(&(of("jackson-json") + &of("jackson-cbor"))).await.unwrap();
        last = pekko.persist("compressed|1", Mode::All, &documents).await.unwrap();
        pekko.close().await.unwrap();
    }

    let items = items(&tables, &tables.journal).await;
    let read: Vec<Value> = items.iter().map(|item| item.event()).collect();
    assert_eq!(last, 12);
    assert_eq!(read, [documents.clone(), documents.clone(), documents].concat());
    for item in items {
        magics.push(item.bytes("event").unwrap()[..2].to_vec());
    }
    let (gzip, lz4) = (vec![0x1F, 0x8B], vec![0x87, 0xD9]);
    assert_eq!(magics[..4], vec![gzip; 4]);
    assert_eq!(magics[4..8], vec![lz4; 4]);
    let json = b"{\"".to_vec();
    assert_eq!(magics[8..10], vec![json; 2]);
}

#[tokio::test]
async fn java_serialization_and_tagged_events_stay_bytes() {
    let tables = tables().await;
    let pekko = tables.pekko("").await.unwrap();
    let mut tagged = value("string", "wrapped");
    tagged["tags"] = vec!["blue", "green"].into();
    let events = [value("java", "of a JVM only"), tagged];

    pekko.persist("java|1", Mode::Each, &events).await.unwrap();

    let items = items(&tables, &tables.journal).await;
    let classes = ["annals.interop.JavaEvent", "org.apache.pekko.persistence.journal.Tagged"];
    for (item, class) in items.iter().zip(classes) {
        assert_eq!(item.number("ev_ser_id"), Some(1));
        let bytes = item.bytes("event").unwrap();
        assert!(bytes.starts_with(&[0xAC, 0xED, 0x00, 0x05]));
        assert!(bytes.windows(class.len()).any(|window| window == class.as_bytes()));
        assert_eq!(item.event()["kind"], "java");
    }
    pekko.close().await.unwrap();
}

#[tokio::test]
async fn appends_lie_in_groups_of_a_hundred_with_marks() {
    let tables = tables().await;
    let pekko = tables.pekko("").await.unwrap();
    let appends = [2, 25, 26, 60, 101, 1, 1];
    let mut expected = Vec::new();
    for count in appends {
        let events = texts(u64::try_from(expected.len()).unwrap() + 1, count);
        pekko.persist("groups|1", Mode::All, &events).await.unwrap();
        expected.extend(events);
    }

    let (events, marks): (Vec<_>, Vec<_>) =
        items(&tables, &tables.journal).await.into_iter().partition(|item| item.is_event());
    let mut events: Vec<(u64, Value, Option<u64>, Option<u64>)> = events
        .iter()
        .map(|item| {
            (item.number("seq").unwrap(), item.event(), item.number("idx"), item.number("cnt"))
        })
        .collect();
    events.sort_by_key(|(seq_nr, ..)| *seq_nr);
    let mut place = appends
        .into_iter()
        .flat_map(|count| (0..count).map(move |index| (count > 1).then_some((index, count - 1))));
    for ((seq_nr, event, idx, cnt), number) in events.iter().zip(1..) {
        assert_eq!(*seq_nr, number);
        assert_eq!(*event, expected[usize::try_from(number).unwrap() - 1]);
        assert_eq!(idx.zip(*cnt), place.next().unwrap());
    }
    assert_eq!(events.len(), 216);
    let marks: Vec<(&str, u64)> =
        marks.iter().map(|item| (item.text("par").unwrap(), item.number("seq").unwrap())).collect();
    assert_eq!(marks, [("journal-SH-groups|1-1", 100), ("journal-SH-groups|1-2", 200)]);
    pekko.close().await.unwrap();
}
