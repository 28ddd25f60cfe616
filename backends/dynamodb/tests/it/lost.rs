//! Replies that get lost, come late, come twice or say that the server is busy: an append that is stored
//! is never told to be a conflict, and one that is told to be stored is there once.

use std::sync::Arc;

use annals_core::{Append, ErrorKind, JournalExt, SeqRange, Store};

use crate::support::{append, id, journal, runtime, text_of, texts};
use crate::wire::{Act, Gate, Wire, cancelled, error};

/// What an append looks like on the wire: one put, or one transaction.
const COUNTS: [(usize, &str); 2] = [(1, "PutItem"), (3, "TransactWriteItems")];

async fn expect_history(store: &Store, appends: &[&Append]) {
    let events = store.journal.read_all(appends[0].id(), SeqRange::ALL).await.unwrap();
    let wanted: Vec<String> =
        appends.iter().flat_map(|append| append.events().iter().map(text_of)).collect();
    assert_eq!(texts(&events), wanted);
}

/// Follows what `acts` say, one request after the other, and lets the rest pass.
fn script(wire: &Wire, acts: Vec<Act>) {
    wire.follow(move |number, _| acts.get(number).cloned().unwrap_or(Act::Pass));
}

#[test]
fn a_lost_reply_is_resolved_by_the_item_that_is_there() {
    runtime().block_on(async {
        for (count, operation) in COUNTS {
            for act in [Act::LoseReply, Act::Twice, Act::Lose] {
                let (plain, over, wire) = journal().await;
                script(&wire, vec![act]);
                let first = append("first", &id("a"), 0, count);
                assert_eq!(over.journal.append(first.clone()).await.unwrap(), first.receipt());
                let operations = wire.operations();
                assert!(operations.iter().all(|found| found == operation), "{operations:?}");
                assert!(operations.len() <= 2, "nothing but us repeats: {operations:?}");
                expect_history(&plain, &[&first]).await;
            }
        }
    });
}

#[test]
fn an_outcome_that_stays_unknown_is_told_so_and_can_be_resolved() {
    runtime().block_on(async {
        for (count, _) in COUNTS {
            for (act, stored) in [
                (Act::LoseReply, true),
                (Act::Lose, false),
                (error(500, "InternalServerError"), false),
                (error(400, "TransactionInProgressException"), false),
                (Act::Answer(200, "nonsense".to_owned()), false),
            ] {
                let (plain, over, wire) = journal().await;
                let first = append("first", &id("a"), 0, count);
                let always = act.clone();
                wire.follow(move |_, _| always.clone());
                let unknown = over.journal.append(first.clone()).await.unwrap_err();
                assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{act:?}: {unknown}");
                let found = plain.journal.bounds(&id("a")).await.unwrap().highest;
                assert_eq!(!found.is_zero(), stored, "{act:?}");
                // Repeated over a wire that works, the same append is stored once.
                script(&wire, vec![]);
                assert_eq!(over.journal.append(first.clone()).await.unwrap(), first.receipt());
                expect_history(&plain, &[&first]).await;
            }
        }
    });
}

#[test]
fn a_busy_server_is_asked_again_and_nothing_is_written_meanwhile() {
    runtime().block_on(async {
        for (count, act) in [
            (1, error(400, "ProvisionedThroughputExceededException")),
            (1, error(400, "RequestLimitExceeded")),
            (1, error(400, "ThrottlingException")),
            (1, error(400, "TransactionConflictException")),
            (3, error(400, "ProvisionedThroughputExceededException")),
            (3, cancelled(&["TransactionConflict", "None", "None"])),
            (3, cancelled(&["None", "ThrottlingError", "None"])),
        ] {
            let (plain, over, wire) = journal().await;
            let first = append("first", &id("a"), 0, count);
            let always = act.clone();
            wire.follow(move |_, _| always.clone());
            let busy = over.journal.append(first.clone()).await.unwrap_err();
            assert_eq!(busy.kind(), ErrorKind::Unavailable, "{act:?}: {busy}");
            assert_eq!(wire.operations().len(), 4, "one attempt and three retries");
            assert!(plain.journal.bounds(&id("a")).await.unwrap().highest.is_zero());
            script(&wire, vec![act.clone(), act]);
            assert_eq!(over.journal.append(first.clone()).await.unwrap(), first.receipt());
            expect_history(&plain, &[&first]).await;
        }
    });
}

/// A request that the network held back arrives after another writer took its place.
#[test]
fn a_late_request_changes_nothing() {
    runtime().block_on(async {
        for (count, _) in COUNTS {
            let (plain, over, wire) = journal().await;
            let gate = Arc::new(Gate::default());
            let late = gate.clone();
            wire.follow(move |number, _| match number {
                0 => Act::Late(late.clone()),
                _ => Act::Lose,
            });
            let first = append("first", &id("a"), 0, count);
            let unknown = over.journal.append(first.clone()).await.unwrap_err();
            assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
            let second = append("second", &id("a"), 0, 2);
            plain.journal.append(second.clone()).await.unwrap();
            gate.open.notify_one();
            gate.reached.notified().await;
            expect_history(&plain, &[&second]).await;
            script(&wire, vec![]);
            let conflict = over.journal.append(first).await.unwrap_err();
            assert_eq!(conflict.kind(), ErrorKind::Conflict { highest: second.range().to });
        }
    });
}

/// The outcome of an attempt stays unknown when the next one is refused for another reason.
#[test]
fn a_refusal_after_an_unknown_attempt_is_still_unknown() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        script(&wire, vec![Act::LoseReply, error(400, "ExpiredTokenException")]);
        let first = append("first", &id("a"), 0, 1);
        let unknown = over.journal.append(first.clone()).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
        expect_history(&plain, &[&first]).await;
    });
}

#[test]
fn what_the_server_did_not_process_is_sent_again() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let first = append("first", &id("a"), 0, 60);
        plain.journal.append(first).await.unwrap();
        // Every batch, of reads and of writes, is handed back once.
        let mut batches = 0;
        wire.follow(move |_, operation| {
            let is_batch = operation.starts_with("Batch");
            batches += usize::from(is_batch);
            if is_batch && batches % 2 == 1 { Act::Unprocessed } else { Act::Pass }
        });
        over.journal.delete_to(&id("a"), crate::support::nr(58)).await.unwrap();
        let bounds = plain.journal.bounds(&id("a")).await.unwrap();
        assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (58, 60));
        // A writer that slept finds no free place.
        for after in [0, 30, 57] {
            let stale = append("stale", &id("a"), after, 1);
            assert!(plain.journal.append(stale).await.unwrap_err().is_conflict(), "after {after}");
        }
        // A server that never gets to it is an error, and the delete can be repeated.
        wire.follow(|_, operation| match operation {
            "BatchWriteItem" => Act::Unprocessed,
            _ => Act::Pass,
        });
        let last = crate::support::nr(60);
        let error = over.journal.delete_to(&id("a"), last).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let stale = append("stale", &id("a"), 59, 1);
        assert!(plain.journal.append(stale).await.unwrap_err().is_conflict());
        plain.journal.delete_to(&id("a"), last).await.unwrap();
        let bounds = plain.journal.bounds(&id("a")).await.unwrap();
        assert_eq!((bounds.deleted_to, bounds.highest), (last, last));
    });
}

#[test]
fn reads_survive_lost_replies() {
    runtime().block_on(async {
        let (plain, over, wire) = journal().await;
        let first = append("first", &id("a"), 0, 60);
        plain.journal.append(first.clone()).await.unwrap();
        wire.follow(|number, _| match number % 3 {
            0 => Act::LoseReply,
            1 => error(500, "InternalServerError"),
            _ => Act::Pass,
        });
        expect_history(&over, &[&first]).await;
        wire.follow(|_, _| Act::Lose);
        let error = over.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    });
}

#[test]
fn throttling_slows_the_client_down_and_is_counted() {
    runtime().block_on(async {
        let settings = crate::support::settings();
        crate::support::open(settings.clone()).await.unwrap();
        let wire = Wire::new(|number, _| match number {
            0..3 => error(400, "ThrottlingException"),
            _ => Act::Pass,
        });
        let builder = annals_dynamodb::DynamoDb::builder().settings(settings);
        let store = builder.http_client(wire.client()).open().await.unwrap();
        assert_eq!(store.stats().requests_max, 256);
        let first = append("first", &id("a"), 0, 1);
        store.store().journal.append(first).await.unwrap();
        let stats = store.stats();
        assert_eq!((stats.requests, stats.throttled), (4, 3));
        assert!(stats.requests_max <= 128, "{stats:?}");
        assert!(stats.clock_skew_millis.abs() < 10_000, "{stats:?}");
    });
}
