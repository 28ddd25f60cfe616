//! A writer that slept while Pekko wrote on and deleted, keys and all.

use annals_core::{ErrorKind, JournalExt, SeqRange, Store};
use annals_dynamodb::{DynamoDb, Settings};

use crate::raw::{self, b, item, n, s};
use crate::support::{append, id, nr, open, runtime, settings, store_over};
use crate::wire::{Act, Wire};

/// One event, several, more than a transaction.
const COUNTS: [usize; 3] = [1, 3, 130];

fn checking() -> Settings {
    let mut settings = settings();
    settings.check_deletes = true;
    settings
}

/// What Pekko does: it writes events 4 to 6, raises the low mark, and removes the keys `removed`.
async fn taken_over(settings: &Settings, removed: impl IntoIterator<Item = u64>) {
    let (table, journal) = (&settings.journal_table, &settings.journal_name);
    for number in 4..=6 {
        let event = item([
            ("par", s(format!("{journal}-P-test|a-0"))),
            ("num", n(number)),
            ("persistence_id", s("test|a")),
            ("seq", n(number)),
            ("event", b(b"e")),
            ("ev_ser_id", n(20)),
            ("writer_uuid", s("jvm")),
        ]);
        raw::put(settings, table, event).await;
    }
    let low = [("par", s(format!("{journal}-SL-test|a-0"))), ("num", n(0)), ("seq", n(7))];
    raw::put(settings, table, item(low)).await;
    for number in removed {
        let key = item([("par", s(format!("{journal}-P-test|a-0"))), ("num", n(number))]);
        raw::remove(settings, table, key).await;
    }
}

async fn three_events(settings: Settings) -> Store {
    let store = open(settings).await.unwrap().store();
    store.journal.append(append("first", &id("a"), 0, 3)).await.unwrap();
    store
}

/// What is known to be open without the setting.
#[test]
fn unchecked_a_place_that_pekko_deleted_is_free() {
    runtime().block_on(async {
        let settings = settings();
        let store = three_events(settings.clone()).await;
        taken_over(&settings, 1..=6).await;
        store.journal.append(append("stale", &id("a"), 3, 1)).await.unwrap();
        let found = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert!(found.is_empty(), "nobody reads it: {found:?}");
    });
}

#[test]
fn checked_a_place_that_pekko_deleted_is_a_conflict_at_every_moment() {
    runtime().block_on(async {
        // Nothing is removed yet; the next key; all; all but the one before.
        for removed in [vec![], vec![4], vec![1, 2, 3, 4, 5, 6], vec![1, 2, 4, 5, 6]] {
            for count in COUNTS {
                let settings = checking();
                let store = three_events(settings.clone()).await;
                taken_over(&settings, removed.clone()).await;
                let stale = store.journal.append(append("stale", &id("a"), 3, count)).await;
                let conflict = stale.unwrap_err();
                assert_eq!(
                    conflict.kind(),
                    ErrorKind::Conflict { highest: nr(6) },
                    "{count} events, {removed:?} removed: {conflict}"
                );
                // Who looked again goes on.
                store.journal.append(append("next", &id("a"), 6, count)).await.unwrap();
                let found = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
                assert_eq!(found.len(), count);
            }
        }
    });
}

#[test]
fn a_checked_append_is_one_request_and_a_lost_reply_is_resolved() {
    runtime().block_on(async {
        let settings = checking();
        open(settings.clone()).await.unwrap();
        let wire = Wire::new(|_, _| Act::Pass);
        let store = store_over(&wire, settings).await;
        for (after, count) in [(0, 1), (1, 1), (2, 5), (7, 93)] {
            wire.follow(|_, _| Act::Pass);
            let next = append("next", &id("a"), after, count);
            store.journal.append(next.clone()).await.unwrap();
            if count < 90 {
                assert_eq!(wire.operations(), ["TransactWriteItems"], "{count} events");
            }
            wire.follow(|number, _| if number == 0 { Act::LoseReply } else { Act::Pass });
            assert_eq!(store.journal.append(next.clone()).await.unwrap(), next.receipt());
        }
        store.journal.delete_to(&id("a"), nr(50)).await.unwrap();
        store.journal.append(append("behind", &id("a"), 100, 1)).await.unwrap();
        let stale = store.journal.append(append("stale", &id("a"), 20, 1)).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::Conflict { highest: nr(101) });
    });
}

#[test]
fn more_shards_than_a_transaction_can_check_are_refused() {
    runtime().block_on(async {
        let mut settings = checking();
        settings.sequence_shards = 51;
        let error = DynamoDb::builder().settings(settings).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("check-deletes"), "{error}");
    });
}
