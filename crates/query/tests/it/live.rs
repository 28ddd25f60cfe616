//! Live queries: they wake up, miss nothing, and read only when there is something.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{SeqNr, SeqRange, Tag};
use annals_query::{Query, QueryOptions};
use futures_util::{FutureExt, StreamExt};

use crate::desk::Desk;
use crate::{id, next};

#[tokio::test]
async fn a_live_query_delivers_the_old_then_each_new_event() {
    let desk = Arc::new(Desk::new());
    desk.commit(&id("a|1"), 1);
    let mut stream = Query::new(desk.clone()).all_events(None);
    assert_eq!(next(&mut stream).await.event.seq_nr, SeqNr::FIRST);
    for seq_nr in 2..=50 {
        assert!(stream.next().now_or_never().is_none(), "nothing is there before {seq_nr}");
        desk.commit(&id("a|1"), seq_nr);
        assert_eq!(next(&mut stream).await.event.seq_nr.get(), seq_nr);
    }
}

#[tokio::test]
async fn a_waiting_reader_reads_nothing_until_a_commit() {
    let desk = Arc::new(Desk::new());
    let mut stream = Query::new(desk.clone()).all_events(None);
    assert!(stream.next().now_or_never().is_none());
    let reads = desk.reads();
    let waited = tokio::time::timeout(Duration::from_millis(30), stream.next()).await;
    assert!(waited.is_err());
    assert_eq!(desk.reads(), reads);
    desk.commit(&id("a|1"), 1);
    next(&mut stream).await;
    assert_eq!(desk.reads(), reads + 1);
}

/// The classic lost wake-up: the commit falls between the page that found nothing and the wait.
#[tokio::test]
async fn a_commit_between_the_read_and_the_wait_is_not_missed() {
    let desk = Arc::new(Desk::new());
    let query = Query::new(desk.clone());
    let mut after = None;
    for seq_nr in 1..=20 {
        let mut stream = query.all_events(after);
        desk.commit_after_read(&id("a|1"), seq_nr);
        let event = next(&mut stream).await;
        assert_eq!(event.event.seq_nr.get(), seq_nr);
        after = Some(event.offset);
    }
}

#[tokio::test]
async fn a_commit_outside_the_scope_is_passed_over_once() {
    let desk = Arc::new(Desk::new());
    let mut stream = Query::new(desk.clone()).events_by_tag(Tag::new("even").unwrap(), None);
    for seq_nr in 1..=19 {
        desk.commit(&id("a|1"), seq_nr);
        let found = stream.next().now_or_never();
        assert_eq!(found.is_some(), seq_nr.is_multiple_of(2), "{seq_nr}");
    }
    // Every event was looked at once: 19 commits, one read each, one page of them at most twice.
    assert!(desk.reads() <= 2 * 19 + 1, "{} reads", desk.reads());
}

#[tokio::test]
async fn a_live_query_of_a_range_ends_behind_its_last_number() {
    let desk = Arc::new(Desk::new());
    let range = SeqRange::new(SeqNr::FIRST, SeqNr::new(2).unwrap());
    let mut stream = Query::new(desk.clone()).events_by_persistence_id(id("a|1"), range, None);
    desk.commit(&id("a|1"), 1);
    next(&mut stream).await;
    assert!(stream.next().now_or_never().is_none());
    desk.commit(&id("a|1"), 2);
    next(&mut stream).await;
    assert!(stream.next().await.is_none());

    let empty = SeqRange::new(SeqNr::new(3).unwrap(), SeqNr::new(2).unwrap());
    let mut stream = Query::new(desk).events_by_persistence_id(id("a|1"), empty, None);
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_slow_and_fast_see_every_event_of_writers_that_interleave() {
    const EVENTS: u64 = 200;
    let desk = Arc::new(Desk::new());
    let query =
        Query::new(desk.clone()).with_options(QueryOptions::default().with_page_events_max(2));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let desk = desk.clone();
            tokio::spawn(async move {
                for seq_nr in 1..=EVENTS {
                    desk.commit(&id(&format!("w|{writer}")), seq_nr);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..3)
        .map(|slowness| {
            let mut stream = query.all_events(None);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < 4 * 200 {
                    seen.push(next(&mut stream).await);
                    if slowness == 0 && seen.len() % 100 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                seen
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut first = None;
    for reader in readers {
        let seen = reader.await.unwrap();
        for writer in 0..4 {
            let of_writer = id(&format!("w|{writer}"));
            let numbers: Vec<u64> = seen
                .iter()
                .filter(|envelope| envelope.persistence_id == of_writer)
                .map(|envelope| envelope.event.seq_nr.get())
                .collect();
            assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>());
        }
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen);
    }
}
