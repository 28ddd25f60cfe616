//! A store that breaks its promises is found out.

use std::sync::Arc;

use annals_core::{ErrorKind, SeqNr, SeqRange};
use annals_query::{Gaps, Query, QueryOptions};
use futures_util::StreamExt;

use crate::desk::Desk;
use crate::{all, error, id, next};

fn desk_of(numbers: &[u64]) -> Arc<Desk> {
    let desk = Arc::new(Desk::new());
    for seq_nr in numbers {
        desk.commit(&id("a|1"), *seq_nr);
    }
    desk
}

#[tokio::test]
async fn a_hole_is_corrupt_and_ends_the_stream() {
    let query = Query::new(desk_of(&[1, 2, 4]));
    let stream = query.current_events_by_persistence_id(id("a|1"), SeqRange::ALL, None);
    let (_, found) = error(stream).await;
    assert_eq!(found.kind(), ErrorKind::Corrupt);
    assert!(found.message().contains("a|1 has a hole: event 2 is followed by 4"), "{found}");
}

#[tokio::test]
async fn a_hole_is_delivered_where_holes_are_accepted() {
    let options = QueryOptions::default().with_gaps(Gaps::Accept);
    let query = Query::new(desk_of(&[1, 2, 4])).with_options(options);
    let stream = query.current_events_by_persistence_id(id("a|1"), SeqRange::ALL, None);
    assert_eq!(all(stream).await.len(), 3);
}

#[tokio::test]
async fn a_number_that_comes_twice_is_corrupt_even_in_another_page() {
    for numbers in [&[1, 2, 2][..], &[1, 2, 3, 3], &[1, 2, 3, 2]] {
        let options = QueryOptions::default().with_gaps(Gaps::Accept);
        let query = Query::new(desk_of(numbers)).with_options(options);
        let stream = query.events_by_persistence_id(id("a|1"), SeqRange::ALL, None);
        let (_, found) = error(stream).await;
        assert_eq!(found.kind(), ErrorKind::Corrupt, "{numbers:?}");
    }
}

/// Events may be deleted while a slow reader is between two pages: that is no damage.
#[tokio::test]
async fn numbers_may_be_missing_between_two_pages() {
    let desk = desk_of(&[1, 2, 3]);
    let mut stream =
        Query::new(desk.clone()).events_by_persistence_id(id("a|1"), SeqRange::ALL, None);
    for _ in 0..3 {
        next(&mut stream).await;
    }
    desk.commit(&id("a|1"), 7);
    assert_eq!(next(&mut stream).await.event.seq_nr, SeqNr::new(7).unwrap());
}

#[tokio::test]
async fn a_page_that_leads_nowhere_is_an_error_instead_of_a_spin() {
    let desk = Arc::new(Desk::stuck());
    desk.commit(&id("a|1"), 1);
    let query = Query::new(desk);
    for stream in [query.current_all_events(None), query.all_events(None)] {
        let (items, found) = error(stream).await;
        assert_eq!((items, found.kind()), (0, ErrorKind::Internal));
    }
    let mut pages = query.pages(annals_core::Scope::All, annals_query::Extent::Live, None);
    assert!(pages.next().await.unwrap().is_err());
}
