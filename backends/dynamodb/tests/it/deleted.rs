//! What deletes leave behind, how it is removed in the end, and deletes that are interrupted.

use annals_core::{AppendMode, JournalExt, PersistenceId, SeqRange, Timestamp};
use annals_dynamodb::DynamoDb;

use crate::support::{append, fresh, id, journal, nr, open, runtime, sdk, settings};
use crate::wire::{Act, Wire};

/// How many items of the journal stand in the table, and how many of them are tombstones.
async fn items(journal: &str) -> (usize, usize) {
    let table = settings().journal_table;
    let mut pages = sdk().scan().table_name(table).into_paginator().items().send();
    let (mut all, mut tombstones) = (0, 0);
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        if item["par"].as_s().unwrap().starts_with(&format!("{journal}-")) {
            all += 1;
            tombstones += usize::from(item.contains_key("annals_deleted"));
            assert!(!item.contains_key("annals_deleted") || !item.contains_key("event"));
        }
    }
    (all, tombstones)
}

#[test]
fn tombstones_are_removed_when_they_are_old_but_for_the_first() {
    runtime().block_on(async {
        let settings = settings();
        let journal = settings.journal_name.clone();
        let store = open(settings).await.unwrap();
        let contracts = store.store();
        for after in (0..350).step_by(50) {
            contracts.journal.append(append("first", &id("a"), after, 50)).await.unwrap();
        }
        contracts.journal.delete_to(&id("a"), nr(330)).await.unwrap();
        // 350 places, three high marks and a low mark.
        assert_eq!(items(&journal).await, (354, 330));
        // They are all young.
        let removed = store.sweep_tombstones(&id("a"), Timestamp::from_millis(1)).await.unwrap();
        assert_eq!((removed, items(&journal).await), (0, (354, 330)));
        let removed = store.sweep_tombstones(&id("a"), Timestamp::MAX).await.unwrap();
        assert_eq!((removed, items(&journal).await), (329, (25, 1)));
        assert_eq!(store.sweep_tombstones(&id("a"), Timestamp::MAX).await.unwrap(), 0);
        let bounds = contracts.journal.bounds(&id("a")).await.unwrap();
        assert_eq!((bounds.deleted_to.get(), bounds.highest.get()), (330, 350));
        // Deletes and sweeps go on from there.
        contracts.journal.delete_to(&id("a"), nr(345)).await.unwrap();
        let removed = store.sweep_tombstones(&id("a"), Timestamp::MAX).await.unwrap();
        assert_eq!((removed, items(&journal).await.1), (15, 1));
        let left = contracts.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
        assert_eq!(left.len(), 5);
    });
}

#[test]
fn a_purge_leaves_nothing_and_the_numbers_begin_anew() {
    runtime().block_on(async {
        let settings = settings();
        let name = settings.journal_name.clone();
        let store = open(settings).await.unwrap();
        let contracts = store.store();
        let far = append("far", &id("far"), 1_000_000_000_000, 3).with_mode(AppendMode::Ingest);
        contracts.journal.append(far).await.unwrap();
        contracts.journal.append(append("first", &id("a"), 0, 250)).await.unwrap();
        contracts.journal.delete_to(&id("a"), nr(120)).await.unwrap();
        for id in [id("a"), id("far"), id("unknown")] {
            purge(&store, &id).await;
            let bounds = contracts.journal.bounds(&id).await.unwrap();
            assert!(bounds.highest.is_zero(), "{id}");
        }
        assert_eq!(items(&name).await, (0, 0));
        contracts.journal.append(append("again", &id("a"), 0, 2)).await.unwrap();
    });
}

async fn purge(store: &DynamoDb, id: &PersistenceId) {
    store.purge(id).await.unwrap();
}

/// The deleting process dies at each of its requests; whoever repeats the delete finishes it.
#[test]
fn a_delete_that_died_anywhere_is_finished_by_the_next() {
    runtime().block_on(async {
        for at in 0..12 {
            for performed in [false, true] {
                let (plain, over, wire) = journal().await;
                plain.journal.append(append("first", &id("a"), 0, 120)).await.unwrap();
                plain.journal.delete_to(&id("a"), nr(10)).await.unwrap();
                wire.follow(move |number, _| match number.cmp(&at) {
                    std::cmp::Ordering::Less => Act::Pass,
                    std::cmp::Ordering::Equal if performed => Act::LoseReply,
                    _ => Act::Lose,
                });
                let died = over.journal.delete_to(&id("a"), nr(90)).await;
                let bounds = plain.journal.bounds(&id("a")).await.unwrap();
                let deleted_to = bounds.deleted_to.get();
                assert!(deleted_to == 10 || deleted_to == 90, "dead at request {at}");
                assert!(died.is_err() || deleted_to == 90);
                // Nothing can be written into the deleted part, finished or not.
                for after in [0, 9, 50, 89, 119] {
                    let stale = plain.journal.append(append("stale", &id("a"), after, 1)).await;
                    assert!(stale.unwrap_err().is_conflict(), "dead at request {at}");
                }
                plain.journal.delete_to(&id("a"), nr(90)).await.unwrap();
                let left = plain.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
                assert_eq!(left.len(), 30, "dead at request {at}");
                wire.follow(|_, _| Act::Pass);
                over.journal.delete_to(&id("a"), nr(90)).await.unwrap();
                let writes = wire.operations().iter().filter(|o| o.contains("Write")).count();
                assert_eq!(writes, 0, "nothing is left to be emptied");
            }
        }
    });
}

#[test]
fn intents_whose_events_are_all_deleted_are_swept() {
    runtime().block_on(async {
        let store = open(settings()).await.unwrap();
        let journal = &store.store().journal;
        journal.append(append("large", &id("a"), 0, 150)).await.unwrap();
        journal.append(append("larger", &id("a"), 150, 150)).await.unwrap();
        journal.append(append("other", &id("a-b"), 0, 150)).await.unwrap();
        let ids = [id("a"), id("unknown"), id("a-b"), id("a")];
        for (to, count) in [(149, 0), (150, 1), (310, 1)] {
            journal.delete_to(&id("a"), nr(to)).await.unwrap();
            let young = store.sweep_intents(&ids, Timestamp::from_millis(1)).await.unwrap();
            assert_eq!(young, [0; 4], "to {to}: none is that old");
            let counts = [count, 0, 0, count];
            assert_eq!(store.count_intents(&ids, Timestamp::MAX).await.unwrap(), counts);
            assert_eq!(store.sweep_intents(&ids, Timestamp::MAX).await.unwrap(), counts);
            assert_eq!(store.count_intents(&ids, Timestamp::MAX).await.unwrap(), [0; 4]);
            let left = journal.read_all(&id("a"), SeqRange::ALL).await.unwrap();
            assert_eq!(left.len() as u64, 300 - to.min(300), "to {to}");
        }
        let tombstones = store.count_tombstones(&id("a"), Timestamp::MAX).await.unwrap();
        assert_eq!(tombstones, 299);
        assert_eq!(store.sweep_tombstones(&id("a"), Timestamp::MAX).await.unwrap(), tombstones);
        let other = journal.read_all(&id("a-b"), SeqRange::ALL).await.unwrap();
        assert_eq!(other.len(), 150);
        journal.delete_to(&id("a-b"), nr(150)).await.unwrap();
        assert_eq!(store.sweep_intents(&ids, Timestamp::MAX).await.unwrap(), [0, 0, 1, 0]);
    });
}

/// In a table of their own, which fits one page of a scan.
#[test]
fn intents_of_many_entities_are_swept_by_one_scan() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.journal_table = fresh("sweep");
        let store = open(settings.clone()).await.unwrap();
        let ids: Vec<PersistenceId> = (0..5).map(|number| id(&format!("e{number}"))).collect();
        for id in &ids {
            let journal = &store.store().journal;
            journal.append(append("large", id, 0, 101)).await.unwrap();
            journal.delete_to(id, nr(101)).await.unwrap();
        }
        let wire = Wire::new(|_, _| Act::Pass);
        let builder = DynamoDb::builder().settings(settings).http_client(wire.client());
        let over = builder.open().await.unwrap();
        assert_eq!(over.sweep_intents(&ids, Timestamp::MAX).await.unwrap(), [1; 5]);
        let scans = wire.operations().iter().filter(|operation| *operation == "Scan").count();
        assert_eq!(scans, 1);
        assert!(over.sweep_intents(&[], Timestamp::MAX).await.unwrap().is_empty());
    });
}
