//! The same streams over a real store: the one in memory.

use std::time::Duration;

use annals_core::{
    Append, AppendId, ErrorKind, NewEvent, Payload, Scope, SeqNr, SeqRange, SerializerId, Slice,
    SliceRange, Store, Tag, Tags, Timestamp, WriterId,
};
use annals_memory::MemoryStore;
use annals_query::{Extent, Query, QueryOptions};
use futures_util::{FutureExt, StreamExt};

use crate::{all, error, id, next};

/// Appends event `seq_nr` of `entity`, tagged `even` if its number is.
async fn append(store: &Store, entity: &str, seq_nr: u64) {
    let payload = Payload::new(SerializerId::STRING, "", format!("{entity} {seq_nr}"));
    let tag = seq_nr.is_multiple_of(2).then(|| Tag::new("even").unwrap());
    let event = NewEvent::new(payload, Timestamp::UNKNOWN).with_tags(Tags::from_iter(tag));
    let append = Append::new(
        AppendId::new(u128::from(id(entity).slice().get()) << 64 | u128::from(seq_nr)),
        id(entity),
        SeqNr::new(seq_nr - 1).unwrap(),
        WriterId::new("w"),
        vec![event],
    );
    store.journal.append(append.unwrap()).await.unwrap();
}

fn scopes() -> Vec<Scope> {
    let low = SliceRange::new(Slice::MIN, id("e|3").slice()).unwrap();
    vec![
        Scope::All,
        Scope::Id(id("e|3"), SeqRange::ALL),
        Scope::Tag(Tag::new("even").unwrap()),
        Scope::Slices(low),
    ]
}

#[tokio::test]
async fn resuming_at_each_offset_gives_exactly_the_rest() {
    let store = MemoryStore::new().store();
    for seq_nr in 1..=6 {
        for entity in 0..8 {
            append(&store, &format!("e|{entity}"), seq_nr).await;
        }
    }
    let options = QueryOptions::default().with_page_events_max(5);
    let query = Query::new(store.read_journal.clone()).with_options(options);
    for scope in scopes() {
        let whole = all(query.events(scope.clone(), Extent::Current, None)).await;
        assert!(whole.len() >= 6, "{scope:?}: {}", whole.len());
        for (index, envelope) in whole.iter().enumerate() {
            let after = Some(envelope.offset.clone());
            let rest = all(query.events(scope.clone(), Extent::Current, after)).await;
            assert_eq!(rest, whole[index + 1..], "{scope:?} after {index}");
        }
    }
    assert_eq!(all(query.current_persistence_ids(None)).await.len(), 8);
}

#[tokio::test]
async fn a_live_reader_of_each_scope_sees_what_a_finite_one_finds_later() {
    const EVENTS: u64 = 40;
    let store = MemoryStore::new().store();
    let query = Query::new(store.read_journal.clone());
    let last = |scope: &Scope| match scope {
        // The reader of one entity is done at its last number.
        Scope::Id(id, _) => {
            Scope::Id(id.clone(), SeqRange::new(SeqNr::FIRST, SeqNr::new(EVENTS).unwrap()))
        }
        other => other.clone(),
    };
    let mut readers: Vec<_> =
        scopes().iter().map(|scope| query.events(last(scope), Extent::Live, None)).collect();
    for reader in &mut readers {
        assert!(reader.next().now_or_never().is_none(), "an empty store has nothing");
    }
    for seq_nr in 1..=EVENTS {
        for entity in 0..8 {
            append(&store, &format!("e|{entity}"), seq_nr).await;
        }
    }
    for (scope, reader) in scopes().iter().zip(&mut readers) {
        let expected = all(query.events(scope.clone(), Extent::Current, None)).await;
        for envelope in &expected {
            assert_eq!(&next(reader).await, envelope);
        }
        if matches!(scope, Scope::Id(..)) {
            assert!(reader.next().await.is_none());
        } else {
            assert!(reader.next().now_or_never().is_none(), "{scope:?} has more than there is");
        }
    }
}

#[tokio::test]
async fn a_waiting_reader_learns_that_the_store_was_closed() {
    let store = MemoryStore::new().store();
    let stream = Query::new(store.read_journal.clone()).all_events(None);
    let reading = tokio::spawn(tokio::time::timeout(Duration::from_secs(10), error(stream)));
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let (events, found) = reading.await.unwrap().expect("the reader should be woken");
    assert_eq!((events, found.kind()), (0, ErrorKind::Closed));
}

#[tokio::test]
async fn an_offset_of_another_store_is_refused() {
    let (one, other) = (MemoryStore::new().store(), MemoryStore::new().store());
    append(&one, "e|1", 1).await;
    append(&other, "e|1", 1).await;
    let foreign = one.read_journal.end(&Scope::All).await.unwrap();
    for extent in [Extent::Current, Extent::Live] {
        let query = Query::new(other.read_journal.clone());
        let (events, found) = error(query.events(Scope::All, extent, foreign.clone())).await;
        assert_eq!((events, found.kind()), (0, ErrorKind::Invalid));
    }
}
