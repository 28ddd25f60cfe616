//! Reading beside a writer: what it acknowledged is seen at once, across segments, live and after it
//! ended.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendId, Bounds, ErrorKind, Journal, JournalExt, NewEvent, Payload, PersistenceId,
    ReadJournal, Scope, SeqNr, SeqRange, SerializerId, Tag, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

fn id(text: &str) -> PersistenceId {
    PersistenceId::new(text).expect("not empty")
}

fn append(number: u64, id: &PersistenceId, after: u64) -> Append {
    let payload =
        Payload::new(SerializerId::BYTES, "", vec![u8::try_from(number % 251).unwrap(); 700]);
    let tag = Tag::new("all").unwrap();
    let event =
        NewEvent::new(payload, Timestamp::from_millis(1)).with_tags([tag].into_iter().collect());
    let after = SeqNr::new(after).unwrap();
    Append::new(AppendId::new(number.into()), id.clone(), after, WriterId::new("w"), vec![event])
        .unwrap()
}

fn writer(path: &std::path::Path) -> Arc<EmbeddedStore> {
    let settings = Settings::default().with_segment_bytes(64 << 10);
    EmbeddedStore::builder(path).settings(settings).open().expect("the store opens")
}

fn reader(path: &std::path::Path) -> Arc<EmbeddedStore> {
    EmbeddedStore::builder(path).open_read_only().expect("the store opens read-only")
}

async fn count(store: &EmbeddedStore, scope: &Scope) -> usize {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.page(scope, after.as_ref(), None, 100).await.expect("a page");
        count += page.events().len();
        after = page.next().cloned().or(after);
        if page.at_end() {
            return count;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_seen_at_once_across_segments() {
    let directory = tempfile::tempdir().unwrap();
    let writing = writer(directory.path());
    let early = reader(directory.path());
    for number in 1..=500 {
        writing.append(append(number, &id("a"), number - 1)).await.unwrap();
        let highest = SeqNr::new(number).unwrap();
        let expected = Bounds { deleted_to: SeqNr::ZERO, highest };
        assert_eq!(early.bounds(&id("a")).await.unwrap(), expected, "after event {number}");
    }
    assert!(writing.stats().sealed_segments > 2, "the test crosses sealed segments");

    let late = reader(directory.path());
    for store in [&early, &late] {
        let events = store.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert_eq!(events.len(), 500);
        assert_eq!(count(store, &Scope::All).await, 500);
        assert_eq!(count(store, &Scope::Tag(Tag::new("all").unwrap())).await, 500);
        store.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_live_reader_wakes_for_the_other_process() {
    let directory = tempfile::tempdir().unwrap();
    let writing = writer(directory.path());
    let reading = reader(directory.path());
    let changed = reading.changed();
    let write = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        writing.append(append(1, &id("a"), 0)).await.unwrap();
    };
    let wake = tokio::time::timeout(Duration::from_secs(10), changed);
    let (woken, ()) = tokio::join!(wake, write);
    woken.expect("the reader wakes");
    assert_eq!(count(&reading, &Scope::All).await, 1);
}

#[tokio::test]
async fn a_store_that_nobody_writes_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let writing = writer(directory.path());
    for number in 1..=200 {
        writing.append(append(number, &id("a"), number - 1)).await.unwrap();
    }
    writing.abandon();
    assert_eq!(count(&reader(directory.path()), &Scope::All).await, 200);
    let again = writer(directory.path());
    again.close().await.unwrap();
    assert_eq!(count(&reader(directory.path()), &Scope::All).await, 200);
}

#[tokio::test]
async fn a_read_only_store_refuses_writes_and_a_missing_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = EmbeddedStore::builder(directory.path().join("none")).open_read_only();
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Invalid);

    let writing = writer(directory.path());
    let reading = reader(directory.path());
    let refused = reading.append(append(1, &id("a"), 0)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    writing.append(append(1, &id("a"), 0)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_damaged_stays_readable() {
    // A store whose active segment is damaged is not written to any more; but a flipped bit in one event
    // must not take the rest of the store with it.
    let directory = tempfile::tempdir().unwrap();
    let writing = writer(directory.path());
    let order = ["early", "a", "b", "a", "b", "a"];
    let mut after = std::collections::HashMap::new();
    for (number, name) in (1..).zip(order) {
        let highest = after.entry(name).or_insert(0);
        writing.append(append(number, &id(name), *highest)).await.unwrap();
        *highest += 1;
    }
    let (name, byte) = writing.locate_event(&id("b"), SeqNr::new(2).unwrap()).unwrap().unwrap();
    writing.close().await.unwrap();
    let path = directory.path().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(byte).unwrap() + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let refused = EmbeddedStore::builder(directory.path()).open().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.message().contains("read-only"), "{refused}");

    let reading = reader(directory.path());
    let whole = reading.read_all(&id("a"), SeqRange::ALL).await.unwrap();
    assert_eq!(whole.len(), 3, "an id with an event behind the damage is certain");
    let first = SeqRange::new(SeqNr::FIRST, SeqNr::FIRST);
    for name in ["early", "b"] {
        let known = reading.read_all(&id(name), first).await.unwrap();
        assert_eq!(known.len(), 1, "what is known of {name} is delivered");
        let all = reading.read_all(&id(name), SeqRange::ALL).await.unwrap_err();
        assert_eq!(all.kind(), ErrorKind::Corrupt, "nobody can say that {name} ends there");
        assert_eq!(reading.bounds(&id(name)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let page = reading.page(&Scope::All, None, None, 100).await.unwrap();
    assert_eq!((page.events().len(), page.at_end()), (4, false), "what lies before the damage");
    let next = reading.page(&Scope::All, page.next(), None, 100).await.unwrap_err();
    assert_eq!(next.kind(), ErrorKind::Corrupt);
    assert_eq!(reading.verify().await.unwrap_err().kind(), ErrorKind::Corrupt);
}
