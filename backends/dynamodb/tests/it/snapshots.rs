//! Snapshots: what Pekko's plugin wrote in either format, more than one page, and items that nobody
//! should have written.

use std::sync::Arc;

use annals_core::{
    ErrorKind, Payload, PersistenceId, SeqNr, SerializerId, Snapshot, SnapshotCriteria,
    SnapshotStore, SnapshotStoreExt, Timestamp,
};
use annals_dynamodb::{DynamoDb, Settings};

use crate::raw::{self, Item, b, item, n, s};
use crate::support::{fresh, open, settings};

const ALL: SnapshotCriteria = SnapshotCriteria::ALL;

struct Subject {
    store: Arc<DynamoDb>,
    settings: Settings,
    id: PersistenceId,
}

impl Subject {
    async fn new() -> Self {
        let settings = settings();
        let store = open(settings.clone()).await.unwrap();
        Self { store, settings, id: PersistenceId::new(fresh("snapshots|x")).unwrap() }
    }

    /// An item of the id, as Pekko's plugin writes it.
    fn pekko(&self, seq_nr: u64, millis: i64, text: &str) -> Item {
        item([
            ("par", s(format!("{}-P-{}", self.settings.journal_name, self.id))),
            ("seq", n(seq_nr)),
            ("ts", n(millis)),
            ("pay_data", b(text.as_bytes())),
            ("ser_id", n(20)),
        ])
    }

    async fn put(&self, item: Item) {
        raw::put(&self.settings, &self.settings.snapshot_table, item).await;
    }

    fn snapshot(&self, seq_nr: u64, millis: i64, bytes: usize) -> Snapshot {
        Snapshot {
            persistence_id: self.id.clone(),
            seq_nr: nr(seq_nr),
            timestamp: Timestamp::from_millis(millis),
            payload: Payload::new(SerializerId::BYTES, "", vec![7; bytes]),
            metadata: None,
        }
    }

    async fn loaded(&self, criteria: SnapshotCriteria) -> Option<u64> {
        let found = self.store.load(&self.id, &criteria).await.unwrap();
        found.map(|snapshot| snapshot.seq_nr.get())
    }
}

fn nr(value: u64) -> SeqNr {
    SeqNr::new(value).unwrap()
}

#[tokio::test]
async fn the_newest_is_that_of_the_greatest_number_not_of_the_greatest_time() {
    let subject = Subject::new().await;
    // A node whose clock is ahead wrote number 10; Pekko's plugin would load that one for good.
    subject.put(subject.pekko(10, 9_000, "older state")).await;
    subject.put(subject.pekko(20, 1_000, "newer state")).await;
    assert_eq!(subject.loaded(ALL).await, Some(20));
}

#[tokio::test]
async fn both_formats_of_pekko_are_read() {
    let subject = Subject::new().await;
    subject.put(subject.pekko(1, 5, "new")).await;
    let mut old = subject.pekko(2, 6, "");
    old.remove("pay_data");
    old.remove("ser_id");
    old.insert("pay".to_owned(), b(b"\x04\0\0\0\x14\0\0\0hello"));
    subject.put(old).await;
    let load = async |at| subject.store.load(&subject.id, &SnapshotCriteria::at(nr(at))).await;
    let text = |text: &str| Payload::new(SerializerId::STRING, "", text.to_owned());
    assert_eq!(load(1).await.unwrap().unwrap().payload, text("new"));
    assert_eq!(load(2).await.unwrap().unwrap().payload, text("hello"));
}

#[tokio::test]
async fn a_time_bound_is_looked_for_on_every_page() {
    // Pekko's plugin limits the query to one item before it filters, and finds nothing.
    let subject = Subject::new().await;
    for seq_nr in 1..=8 {
        // Together more than the megabyte of a page.
        let millis = if seq_nr == 1 { 100 } else { 900 };
        subject.store.save(subject.snapshot(seq_nr, millis, 300_000)).await.unwrap();
    }
    let early = ALL.with_max_timestamp(Timestamp::from_millis(500));
    assert_eq!(subject.loaded(early).await, Some(1));
    let infos = subject.store.list(&subject.id, &ALL, 100).await.unwrap();
    let listed: Vec<u64> = infos.iter().map(|info| info.seq_nr.get()).collect();
    assert_eq!(listed, [8, 7, 6, 5, 4, 3, 2, 1]);

    // Pekko's plugin deletes those of the first page.
    subject.store.delete(&subject.id, &ALL.with_min_seq_nr(nr(2))).await.unwrap();
    assert_eq!(subject.store.list(&subject.id, &ALL, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn recovery_steps_over_an_item_that_cannot_be_read() {
    let subject = Subject::new().await;
    subject.put(subject.pekko(1, 5, "good")).await;
    let mut damaged = [2_u64, 3, 4].map(|seq_nr| subject.pekko(seq_nr, 5, "damaged"));
    damaged[0].remove("pay_data");
    damaged[1].remove("ts");
    damaged[2].remove("ser_id");
    for item in damaged {
        subject.put(item).await;
    }
    let error = subject.store.load(&subject.id, &ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains(&format!("the snapshot of {} at 4", subject.id)), "{error}");
    let found = subject.store.load_readable(&subject.id, &ALL, 4, |_| Ok(())).await.unwrap();
    assert_eq!(found.unwrap().0.seq_nr, nr(1));
    // They can be deleted like any other.
    subject.store.delete(&subject.id, &SnapshotCriteria::ALL).await.unwrap();
    assert_eq!(subject.loaded(ALL).await, None);
}

#[tokio::test]
async fn a_key_that_is_no_number_of_events_is_named() {
    let subject = Subject::new().await;
    let mut foreign = subject.pekko(1, 5, "x");
    foreign.insert("seq".to_owned(), n("2.5"));
    subject.put(foreign).await;
    let error = subject.store.load(&subject.id, &ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("2.5"), "{error}");
}

#[tokio::test]
async fn an_unknown_serializer_is_kept_as_it_is() {
    let subject = Subject::new().await;
    let mut unknown = subject.pekko(1, 5, "opaque");
    unknown.insert("ser_id".to_owned(), n(-77));
    unknown.insert("ser_manifest".to_owned(), s("com.example.State"));
    subject.put(unknown).await;
    let found = subject.store.load(&subject.id, &ALL).await.unwrap().unwrap();
    let wanted = Payload::new(SerializerId::new(-77), "com.example.State", "opaque");
    assert_eq!(found.payload, wanted);
}

#[tokio::test]
async fn snapshots_of_another_journal_name_are_apart() {
    let subject = Subject::new().await;
    let mut other = subject.settings.clone();
    other.journal_name = "other".to_owned();
    let other = open(other).await.unwrap();
    subject.store.save(subject.snapshot(1, 5, 3)).await.unwrap();
    assert!(other.load(&subject.id, &ALL).await.unwrap().is_none());
    other.delete(&subject.id, &ALL).await.unwrap();
    assert_eq!(subject.loaded(ALL).await, Some(1));
}
