//! Finite queries: what they end at, and where they resume.

use std::sync::Arc;

use annals_core::{ErrorKind, Scope, SeqNr, SeqRange, Slice, SliceRange, Tag};
use annals_query::{Extent, Query, QueryOptions};
use futures_util::StreamExt;

use crate::desk::{Desk, offset};
use crate::{all, error, id};

/// 20 events each of two entities, in turn.
fn two_entities() -> Arc<Desk> {
    let desk = Arc::new(Desk::new());
    for seq_nr in 1..=20 {
        desk.commit(&id("a|1"), seq_nr);
        desk.commit(&id("b|1"), seq_nr);
    }
    desk
}

#[tokio::test]
async fn resuming_at_each_offset_gives_exactly_the_rest() {
    let query =
        Query::new(two_entities()).with_options(QueryOptions::default().with_page_events_max(2));
    let half = SliceRange::new(Slice::MIN, id("a|1").slice()).unwrap();
    for scope in [
        Scope::All,
        Scope::Id(id("b|1"), SeqRange::ALL),
        Scope::Tag(Tag::new("even").unwrap()),
        Scope::Slices(half),
    ] {
        let whole = all(query.events(scope.clone(), Extent::Current, None)).await;
        assert!(whole.len() >= 20, "{scope:?}");
        for (index, envelope) in whole.iter().enumerate() {
            let after = Some(envelope.offset.clone());
            let rest = all(query.events(scope.clone(), Extent::Current, after)).await;
            assert_eq!(rest, whole[index + 1..], "{scope:?} after {index}");
        }
    }
}

#[tokio::test]
async fn pages_resume_where_they_say() {
    let query = Query::new(two_entities());
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let scope = Scope::Tag(Tag::new("even").unwrap());
        let Some(page) = query.pages(scope, Extent::Current, after).next().await else { break };
        let page = page.unwrap();
        seen.extend(page.events().iter().map(|envelope| envelope.event.seq_nr.get()));
        after = page.next().cloned();
    }
    let expected: Vec<u64> = (1..=10).flat_map(|half| [2 * half, 2 * half]).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_finite_query_ends_at_what_existed_when_it_began() {
    let desk = two_entities();
    let mut stream = Query::new(desk.clone()).current_all_events(None);
    let mut count = 0;
    while let Some(event) = stream.next().await {
        event.unwrap();
        count += 1;
        // A writer that is always faster than the reader.
        desk.commit(&id("a|1"), 20 + count);
    }
    assert_eq!(count, 40);
}

#[tokio::test]
async fn nothing_is_read_before_the_stream_is_polled() {
    let desk = two_entities();
    let stream = Query::new(desk.clone()).current_all_events(None);
    desk.commit(&id("c|1"), 1);
    assert_eq!(desk.reads(), 0);
    assert_eq!(all(stream).await.len(), 41);
}

#[tokio::test]
async fn a_range_of_one_entity_is_cut_at_both_ends() {
    let query = Query::new(two_entities());
    let range = SeqRange::new(SeqNr::new(5).unwrap(), SeqNr::new(9).unwrap());
    let events = all(query.current_events_by_persistence_id(id("a|1"), range, None)).await;
    let numbers: Vec<u64> = events.iter().map(|envelope| envelope.event.seq_nr.get()).collect();
    assert_eq!(numbers, [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn an_empty_store_gives_an_empty_stream() {
    let query = Query::new(Arc::new(Desk::new()));
    assert!(all(query.current_all_events(None)).await.is_empty());
    assert!(all(query.current_persistence_ids(None)).await.is_empty());
}

#[tokio::test]
async fn a_foreign_offset_is_invalid_in_an_empty_store_too() {
    let foreign = "beef".parse().ok();
    for desk in [Arc::new(Desk::new()), two_entities()] {
        let query = Query::new(desk);
        let (items, found) = error(query.current_all_events(foreign.clone())).await;
        assert_eq!((items, found.kind()), (0, ErrorKind::Invalid));
        let (items, found) = error(query.persistence_ids(foreign.clone())).await;
        assert_eq!((items, found.kind()), (0, ErrorKind::Invalid));
    }
}

#[tokio::test]
async fn an_offset_at_the_end_gives_nothing() {
    let query = Query::new(two_entities());
    assert!(all(query.current_all_events(Some(offset(40)))).await.is_empty());
}
