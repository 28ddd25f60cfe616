//! What reading costs: a short history takes few requests, and many of them are read at a time; and what
//! comes in parallel fits together.

use std::sync::Arc;

use annals_core::{BoxStream, JournalExt, Scope, SeqRange, Store, WriterId};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::support::{append, id, journal, nr, runtime, texts};
use crate::wire::{Act, Gate, Wire};

/// The operations of the reading that `read` does, in alphabetical order.
async fn cost<T>(wire: &Wire, read: impl Future<Output = T>) -> (T, Vec<String>) {
    wire.follow(|_, _| Act::Pass);
    let answer = read.await;
    let mut operations = wire.operations();
    operations.sort();
    (answer, operations)
}

#[test]
fn a_short_history_takes_two_requests_at_the_same_time() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        plain.journal.append(append("short", &id("short"), 0, 5)).await.unwrap();
        for (name, count) in [("short", 5), ("new", 0)] {
            let entity = id(name);
            let (events, operations) =
                cost(&wire, over.journal.read_all(&entity, SeqRange::ALL)).await;
            assert_eq!((events.unwrap().len(), operations), (count, two()), "{name}: replay");
            let (bounds, operations) = cost(&wire, over.journal.bounds(&entity)).await;
            assert_eq!((bounds.unwrap().highest, operations), (nr(count as u64), two()));
            let writer = WriterId::new("w");
            let (_, operations) = cost(&wire, over.journal.begin(&entity, &writer)).await;
            assert_eq!(operations, two(), "{name}: begin");
            let scope = Scope::Id(entity.clone(), SeqRange::ALL);
            let page = over.read_journal.page(&scope, None, None, 512);
            let (page, operations) = cost(&wire, page).await;
            let page = page.unwrap();
            assert!(page.at_end(), "{name}");
            assert_eq!((page.events().len(), operations), (count, two()), "{name}: page");
            let until = over.read_journal.end(&scope).await.unwrap();
            let page = over.read_journal.page(&scope, None, until.as_ref(), 512);
            let (page, operations) = cost(&wire, page).await;
            let found = page.unwrap().events().len();
            assert_eq!((found, operations), (count, two()), "{name}: page up to the end");
        }
    });
}

/// One for the marks, one for the events.
fn two() -> Vec<String> {
    vec!["BatchGetItem".to_owned(), "Query".to_owned()]
}

/// Neither of the two waits for the other.
#[test]
fn the_two_requests_of_a_short_history_are_under_way_together() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        plain.journal.append(append("short", &id("a"), 0, 5)).await.unwrap();
        let gate = Arc::new(Gate::default());
        let held = gate.clone();
        wire.follow(move |_, operation| match operation {
            "BatchGetItem" => Act::Hold(held.clone()),
            _ => Act::Pass,
        });
        let reading =
            tokio::spawn(async move { over.journal.read_all(&id("a"), SeqRange::ALL).await });
        gate.reached.notified().await;
        while wire.operations().len() < 2 {
            tokio::task::yield_now().await;
        }
        gate.open.notify_one();
        assert_eq!(reading.await.unwrap().unwrap().len(), 5);
    });
}

#[test]
fn long_histories_and_parts_are_read_from_where_they_begin() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let mut wanted = Vec::new();
        for (after, count) in [(0, 98), (98, 1), (99, 3), (102, 150), (252, 48)] {
            let next = append("part", &id("a"), after, count);
            wanted.extend(next.events().iter().map(crate::support::text_of));
            plain.journal.append(next).await.unwrap();
            let end = after as usize + count;
            let all = over.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
            assert_eq!(texts(&all), wanted, "to {end}");
            for from in [1, 50, 98, 99, 100, 101, 200, 300] {
                for to in [from, from + 30, from + 120] {
                    let range = SeqRange::new(nr(from), nr(to));
                    let part = over.journal.read_all(&id("a"), range).await.unwrap();
                    let (from, to) = (from as usize, to as usize);
                    let expected = wanted.get(from - 1..to.min(end)).unwrap_or_default();
                    assert_eq!(texts(&part), expected, "{from}-{to} of {end}");
                }
            }
        }
        // Behind a snapshot, the group of the first wanted event is the guess.
        let range = SeqRange::new(nr(290), annals_core::SeqNr::MAX);
        let (events, operations) = cost(&wire, over.journal.read_all(&id("a"), range)).await;
        assert_eq!(events.unwrap().len(), 11);
        assert!(operations.len() <= 5, "{operations:?}");
        plain.journal.delete_to(&id("a"), nr(120)).await.unwrap();
        let left = over.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert_eq!(texts(&left), wanted[120..]);
    });
}

/// The events are read, and before the marks are, the history grows past its first group, or is deleted.
#[test]
fn what_changes_between_the_two_requests_makes_no_hole() {
    runtime().block_on(async {
        for (grown, deleted_to) in [(0, 3), (99, 0), (99, 5), (200, 150), (2, 7)] {
            let (plain, over, wire) = journal().await;
            plain.journal.append(append("first", &id("a"), 0, 5)).await.unwrap();
            let gate = Arc::new(Gate::default());
            let held = gate.clone();
            wire.follow(move |_, operation| match operation {
                "BatchGetItem" => Act::Hold(held.clone()),
                _ => Act::Pass,
            });
            let mut replay = Box::pin(first_batch(over.journal.replay(&id("a"), SeqRange::ALL)));
            // The query has been answered once the marks are all that is waited for.
            let reached = gate.reached.notified();
            tokio::select! {
                _ = &mut replay => unreachable!("the marks are held back"),
                () = async {
                    reached.await;
                    while wire.operations().len() < 2 {
                        tokio::task::yield_now().await;
                    }
                } => {}
            }
            wire.follow(|_, _| Act::Pass);
            if grown > 0 {
                plain.journal.append(append("more", &id("a"), 5, grown)).await.unwrap();
            }
            if deleted_to > 0 {
                plain.journal.delete_to(&id("a"), nr(deleted_to)).await.unwrap();
            }
            gate.open.notify_one();
            let numbers = replay.await;
            let first = numbers.first().copied();
            let left = (deleted_to < 5 + grown as u64).then_some(deleted_to + 1);
            assert_eq!(first, left, "{grown} more, deleted to {deleted_to}");
            assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        }
    });
}

async fn first_batch(
    replay: BoxStream<'static, annals_core::Result<annals_core::Batch>>,
) -> Vec<u64> {
    let batches: Vec<_> = replay.try_collect().await.unwrap();
    batches.iter().flat_map(|batch| &batch.events).map(|event| event.seq_nr.get()).collect()
}

#[test]
fn many_short_histories_are_read_at_a_time() {
    const IDS: usize = 60;
    const AT_A_TIME: usize = 16;
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let ids: Vec<_> = (0..IDS).map(|number| id(&format!("short-{number}"))).collect();
        let write = |id: &annals_core::PersistenceId| {
            let (journal, next) = (plain.journal.clone(), append("e", id, 0, 5));
            async move { journal.append(next).await.unwrap() }
        };
        stream::iter(ids.iter().map(write)).buffer_unordered(8).collect::<Vec<_>>().await;
        let (events, operations) = cost(&wire, read_each(&over, &ids, AT_A_TIME)).await;
        assert_eq!((events, operations.len()), (5 * IDS, 2 * IDS));
    });
}

async fn read_each(store: &Store, ids: &[annals_core::PersistenceId], at_a_time: usize) -> usize {
    let read = |id| store.journal.read_all(id, SeqRange::ALL);
    let read = stream::iter(ids).map(read).buffer_unordered(at_a_time);
    read.map(|events| events.unwrap().len()).fold(0, |sum, count| async move { sum + count }).await
}
