//! Large appends: a crash after each request, and a second writer between any two.

use std::sync::Arc;

use annals_core::{Append, ErrorKind, JournalExt, SeqRange, Store};

use crate::support::{append, id, journal, nr, runtime, texts};
use crate::wire::{Act, Gate};

/// More than two transactions, and a high mark.
const EVENTS: usize = 250;

fn large(name: &str, after: u64) -> Append {
    append(name, &id("large"), after, EVENTS)
}

/// The requests of a large append that meets nothing.
async fn requests() -> usize {
    let (_, over, wire) = journal().await;
    over.journal.append(large("count", 0)).await.unwrap();
    wire.operations().len()
}

/// The history is whole, and holds each append that was acknowledged once.
async fn check(store: &Store, acknowledged: &[&Append], refused: &[&Append], what: &str) {
    let id = id("large");
    let bounds = store.journal.bounds(&id).await.unwrap();
    let events = store.journal.read_all(&id, SeqRange::ALL).await.unwrap();
    assert_eq!(events.len() as u64, bounds.highest.get(), "{what}: as many events as numbers");
    let found = texts(&events);
    for append in acknowledged {
        let (from, to) = (append.range().from.get() as usize, append.range().to.get() as usize);
        let wanted: Vec<String> = append.events().iter().map(crate::support::text_of).collect();
        assert_eq!(found[from - 1..to], wanted, "{what}: an acknowledged append");
    }
    for append in refused {
        let lost = crate::support::text_of(&append.events()[0]);
        assert!(!found.contains(&lost), "{what}: a refused append is there");
    }
}

#[test]
fn a_large_append_is_whole_and_gives_its_receipt_again() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let first = large("first", 0);
        assert_eq!(over.journal.append(first.clone()).await.unwrap(), first.receipt());
        // Looks, declares, writes two chunks and commits.
        assert_eq!(wire.operations().len(), 5, "{:?}", wire.operations());
        // Repeated, it gives its receipt.
        assert_eq!(over.journal.append(first.clone()).await.unwrap(), first.receipt());
        let second = large("second", 250);
        assert_eq!(over.journal.append(second.clone()).await.unwrap(), second.receipt());
        check(&plain, &[&first, &second], &[], "two large appends").await;
    });
}

/// The writer dies at each of its requests, before it is performed or after.
#[test]
fn a_crash_after_each_request_leaves_all_or_nothing() {
    runtime().block_on(async {
        let total = requests().await;
        assert!(total >= 5, "a large append takes several requests: {total}");
        for at in 0..total {
            for performed in [false, true] {
                let what = format!("dead at request {at} of {total}, performed: {performed}");
                let (plain, over, wire) = journal().await;
                wire.follow(move |number, _| match number.cmp(&at) {
                    std::cmp::Ordering::Less => Act::Pass,
                    std::cmp::Ordering::Equal if performed => Act::LoseReply,
                    _ => Act::Lose,
                });
                let dead = large("dead", 0);
                let answer = over.journal.append(dead.clone()).await;
                let before = plain.journal.bounds(&id("large")).await.unwrap().highest.get();
                assert!(before == 0 || before == EVENTS as u64, "{what}: {before} events");
                check(&plain, &[], &[], &what).await;
                if answer.is_ok() {
                    assert_eq!(before, EVENTS as u64, "{what}: acknowledged");
                }
                // The next writer is not held up, be its append small or large.
                for (name, count) in [("one", 1), ("some", 60), ("many", EVENTS)] {
                    let after = plain.journal.bounds(&id("large")).await.unwrap().highest;
                    let next = append(name, &id("large"), after.get(), count);
                    plain.journal.append(next.clone()).await.expect(&what);
                    check(&plain, &[&next], &[], &what).await;
                }
                // A repeat of the dead append tells the truth.
                match plain.journal.append(dead.clone()).await {
                    Ok(_) => check(&plain, &[&dead], &[], &what).await,
                    Err(error) => {
                        assert!(error.is_conflict(), "{what}: {error}");
                        check(&plain, &[], &[&dead], &what).await;
                    }
                }
            }
        }
    });
}

/// A crash whose append is repeated at once, by the same writer or by one that was started anew.
#[test]
fn a_repeat_after_a_crash_goes_on_where_it_stopped() {
    runtime().block_on(async {
        let total = requests().await;
        for at in 0..total {
            let (plain, over, wire) = journal().await;
            wire.follow(move |number, _| match number.cmp(&at) {
                std::cmp::Ordering::Less => Act::Pass,
                std::cmp::Ordering::Equal => Act::LoseReply,
                std::cmp::Ordering::Greater => Act::Lose,
            });
            let dead = large("dead", 0);
            let _ = over.journal.append(dead.clone()).await;
            let receipt = plain.journal.append(dead.clone()).await;
            assert_eq!(receipt.unwrap(), dead.receipt(), "dead at request {at}");
            check(&plain, &[&dead], &[], &format!("dead at request {at}")).await;
        }
    });
}

/// A second writer comes between any two requests of the first, which goes on afterwards.
#[test]
fn a_second_writer_between_any_two_requests_has_a_clear_outcome() {
    runtime().block_on(async {
        let total = requests().await;
        for at in 0..total {
            for count in [1, 60, EVENTS] {
                let what = format!("a writer of {count} events before request {at} of {total}");
                let (plain, over, wire) = journal().await;
                let gate = Arc::new(Gate::default());
                let held = gate.clone();
                wire.follow(
                    move |number, _| {
                        if number == at { Act::Hold(held.clone()) } else { Act::Pass }
                    },
                );
                let first = large("first", 0);
                let task = tokio::spawn({
                    let first = first.clone();
                    async move { over.journal.append(first).await }
                });
                gate.reached.notified().await;
                let second = append("second", &id("large"), 0, count);
                let second_answer = plain.journal.append(second.clone()).await;
                gate.open.notify_one();
                let first_answer = task.await.unwrap();
                let (mut stored, mut refused) = (Vec::new(), Vec::new());
                for (append, answer) in [(&first, first_answer), (&second, second_answer)] {
                    match answer {
                        Ok(_) => stored.push(append),
                        Err(error) => {
                            assert!(error.is_conflict(), "{what}: {error}");
                            refused.push(append);
                        }
                    }
                }
                assert_eq!(stored.len(), 1, "{what}: one of the two is stored");
                check(&plain, &stored, &refused, &what).await;
                let highest = plain.journal.bounds(&id("large")).await.unwrap().highest;
                assert_eq!(highest, stored[0].range().to, "{what}: the highest number");
                let next = append("next", &id("large"), highest.get(), 120);
                plain.journal.append(next.clone()).await.expect(&what);
                check(&plain, &[&next], &refused, &what).await;
            }
        }
    });
}

/// A large append dies before it is committed; another writer takes its first number, and deletes that
/// event: what the dead one left is still nobody's.
#[test]
fn a_deleted_event_in_the_first_place_does_not_commit_what_was_left() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let mut transactions = 0;
        wire.follow(move |_, operation| {
            transactions += usize::from(operation == "TransactWriteItems");
            if transactions > 2 { Act::Lose } else { Act::Pass }
        });
        let dead = large("dead", 0);
        over.journal.append(dead.clone()).await.unwrap_err();
        let one = append("one", &id("large"), 0, 1);
        plain.journal.append(one).await.unwrap();
        plain.journal.delete_to(&id("large"), nr(1)).await.unwrap();
        let bounds = plain.journal.bounds(&id("large")).await.unwrap();
        assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (1, 1));
        let many = append("many", &id("large"), 1, EVENTS);
        plain.journal.append(many.clone()).await.unwrap();
        let events = plain.journal.read_all(&id("large"), SeqRange::ALL).await.unwrap();
        let wanted: Vec<String> = many.events().iter().map(crate::support::text_of).collect();
        assert_eq!(texts(&events), wanted);
        assert!(plain.journal.append(dead).await.unwrap_err().is_conflict());
    });
}

/// The first events of a stored large append are deleted: the others stay, whoever stumbles over them.
#[test]
fn a_stale_writer_does_not_clear_a_stored_append_away() {
    runtime().block_on(async {
        let (plain, _, _) = journal().await;
        let first = large("first", 0);
        plain.journal.append(first.clone()).await.unwrap();
        plain.journal.delete_to(&id("large"), nr(10)).await.unwrap();
        for (after, count) in [(10, 1), (50, 1), (150, 3), (200, 1), (100, EVENTS)] {
            let stale = append("stale", &id("large"), after, count);
            assert!(plain.journal.append(stale).await.unwrap_err().is_conflict(), "after {after}");
        }
        let events = plain.journal.read_all(&id("large"), SeqRange::ALL).await.unwrap();
        assert_eq!(events.len(), EVENTS - 10);
    });
}

#[test]
fn an_append_id_cannot_name_two_large_appends() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        // The first one dies after its intent.
        wire.follow(|_, operation| match operation {
            "TransactWriteItems" => Act::Lose,
            _ => Act::Pass,
        });
        let first = large("first", 0);
        let error = over.journal.append(first.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        let other = Append::new(
            first.append_id(),
            first.id().clone(),
            nr(0),
            first.writer().clone(),
            first.events()[..200].to_vec(),
        )
        .unwrap();
        let error = plain.journal.append(other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    });
}
