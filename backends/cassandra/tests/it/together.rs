//! Writes that go out together: the histories and the tags are those of writes that went alone.

use annals_cassandra::{CassandraStore, Fencing};
use annals_core::{PersistenceId, Store};
use futures_util::future::join_all;

use crate::support::{self, append, tagged, texts, unique};

const ENTITIES: usize = 64;
const APPENDS: u64 = 6;

/// Appends of one and of three events to many entities at the same time.
async fn write(store: &Store, name: &str, tags: &[&str]) -> Vec<PersistenceId> {
    let ids = (0..ENTITIES).map(|number| PersistenceId::new(format!("{name}|{number}")).unwrap());
    let ids: Vec<_> = ids.collect();
    join_all(ids.iter().map(async |id| {
        let mut after = 0;
        for number in 1..=APPENDS {
            let texts = [format!("{number}a"), format!("{number}b"), format!("{number}c")];
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let events = if number % 2 == 0 { &texts[..1] } else { &texts[..] };
            let receipt = store.journal.append(append(id, after, "w", events, tags)).await.unwrap();
            after = receipt.last.get();
        }
        assert_eq!(after, 12);
    }))
    .await;
    ids
}

async fn checked(store: &Store, ids: &[PersistenceId]) {
    let wanted = ["1a", "1b", "1c", "2a", "3a", "3b", "3c", "4a", "5a", "5b", "5c", "6a"];
    for id in ids {
        assert_eq!(texts(store, id).await.unwrap(), wanted, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_history_is_whole_whatever_went_together() {
    for fencing in [Fencing::Off, Fencing::Claims] {
        let store = open_with(fencing, true).await.store();
        let ids = write(&store, &unique(), &[]).await;
        let other = open_with(fencing, false).await.store();
        checked(&other, &ids).await;
    }
}

/// Keyspaces of their own, since they are recorded for one fencing.
async fn open_with(fencing: Fencing, group_writes: bool) -> CassandraStore {
    let mut settings = support::settings(&format!("together_{}", fencing.name()));
    settings.fencing = Some(fencing);
    settings.group_writes = group_writes;
    support::open(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tag_rows_that_went_together_are_all_there_and_in_order() {
    let store = open_with(Fencing::Claims, true).await.store();
    let tag = format!("together{}", unique());
    let ids = write(&store, &unique(), &[&tag]).await;
    checked(&store, &ids).await;
    let found = tagged(&store, &tag).await;
    assert_eq!(found.len(), ENTITIES * 12);
    for id in &ids {
        let numbers =
            found.iter().filter(|(of, _)| *of == id.to_string()).map(|(_, number)| *number);
        assert!(numbers.eq(1..=12), "{id}");
    }
}
