//! Readers that follow the log while it is written.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendId, NewEvent, Payload, PersistenceId, ReadJournal, Scope, SeqNr, SerializerId,
    Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

const EVENTS: u64 = 500;

/// The log's end moves a moment before its newest batch is in memory, and at each new segment before
/// there is any batch of it. Readers that looked just then were given a page that was neither the last
/// one nor moved, which a stream cannot tell from an endless one.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_page_before_the_end_always_advances_while_segments_roll() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN);
    let store = EmbeddedStore::builder(directory.path()).settings(settings).open().unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let follow = follow(store.clone());
            tokio::spawn(tokio::time::timeout(Duration::from_secs(60), follow))
        })
        .collect();
    let id = PersistenceId::new("e|1").unwrap();
    let payload = Payload::new(SerializerId::BYTES, "", vec![7; 1_000]);
    for after in 0..EVENTS {
        let append = Append::new(
            AppendId::new(after.into()),
            id.clone(),
            SeqNr::new(after).unwrap(),
            WriterId::new("w"),
            vec![NewEvent::new(payload.clone(), Timestamp::UNKNOWN)],
        );
        annals_core::Journal::append(&*store, append.unwrap()).await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap().expect("a reader should reach the end");
    }
}

/// Reads all events, in order, without waiting for a wake-up: it looks at every moment.
async fn follow(store: Arc<EmbeddedStore>) {
    let mut after = None;
    let mut seen = 0;
    while seen < EVENTS {
        let page = store.page(&Scope::All, after.as_ref(), None, 100).await.unwrap();
        for envelope in page.events() {
            seen += 1;
            assert_eq!(envelope.event.seq_nr.get(), seen);
        }
        let next = page.next().cloned();
        assert!(page.at_end() || next != after, "a page before the end stays at {after:?}");
        after = next.or(after);
        tokio::task::yield_now().await;
    }
}
