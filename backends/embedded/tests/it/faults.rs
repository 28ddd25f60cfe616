//! Calls of the system that fail, on a simulated storage: what a caller is told, what is readable then,
//! and what the next opening finds.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Error, ErrorKind, Journal, JournalExt, NewEvent, Payload, SeqNr, SeqRange,
    SerializerId, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

use crate::model::{Contents, id, read_everything};
use crate::power_loss::open;
use crate::seed::{Named, Random, seeds};
use crate::sim::{Call, Effect, Fault, Operation, SimStorage, Undecided, is_spare};
use crate::workload::Workload;

const FAILED: Effect = Effect::Nothing(std::io::ErrorKind::Other);

/// An append of one event of `bytes` bytes.
fn append(name: &str, after: u64, bytes: usize) -> Append {
    let payload = Payload::new(SerializerId::BYTES, "", vec![0x5a; bytes]);
    let event = NewEvent::new(payload, Timestamp::from_millis(1));
    let append_id = AppendId::new(u128::from(after) << 64 | name.len() as u128);
    let after = SeqNr::new(after).unwrap();
    Append::new(append_id, id(name), after, WriterId::new("writer"), vec![event]).unwrap()
}

/// A store with one event of `alice`.
async fn begun() -> (SimStorage, Arc<EmbeddedStore>) {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    store.append(append("alice", 0, 100)).await.unwrap();
    (storage, store)
}

/// Appends to `filler` until the segment has less than a frame of 14,000 bytes left: the next append of
/// that size begins another one.
async fn fill_segment(store: &EmbeddedStore) -> u64 {
    let mut after = 0;
    for _ in 0..3 {
        store.append(append("filler", after, 14_000)).await.unwrap();
        after += 1;
    }
    after
}

async fn numbers(store: &EmbeddedStore, name: &str) -> Vec<u64> {
    let events = store.read_all(&id(name), SeqRange::ALL).await.unwrap();
    events.iter().map(|event| event.seq_nr.get()).collect()
}

fn assert_says(error: &Error, parts: &[&str]) {
    for part in parts {
        assert!(error.message().contains(part), "{part:?} is in {error}");
    }
}

#[tokio::test]
async fn a_failed_log_write_is_unknown_then_closed_and_the_next_opening_decides() {
    let effects = [
        FAILED,
        Effect::Short { pages: 0 },
        Effect::Short { pages: 1 },
        Effect::Short { pages: 2 },
        Effect::NotDurable,
    ];
    for effect in effects {
        let (storage, store) = begun().await;
        storage.inject(Fault::next(Call::WriteBlocksSynced, ".seg").with_effect(effect));
        let failing = append("alice", 1, 9_000);

        let unknown = store.append(failing.clone()).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{effect:?}");
        assert_says(&unknown, &["alice", "0000000001.seg", "open the store anew"]);

        let closed = store.append(append("bob", 0, 100)).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed, "{effect:?}");
        assert_says(&closed, &["nothing acknowledged is lost", "open the store anew"]);
        assert_eq!(store.delete_to(&id("alice"), SeqNr::FIRST).await.unwrap_err().kind(), {
            ErrorKind::Closed
        });
        assert_eq!(numbers(&store, "alice").await, [1], "what is durable stays readable");
        drop(store);

        let store = open(&storage).unwrap();
        let receipt = store.append(failing.clone()).await.unwrap();
        assert_eq!(receipt, failing.receipt(), "the same append gives its receipt");
        assert_eq!(numbers(&store, "alice").await, [1, 2], "it is stored once");
        store.append(append("alice", 2, 100)).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(numbers(&open(&storage).unwrap(), "alice").await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn appends_that_wait_behind_a_failed_write_are_closed_and_not_unknown() {
    let (storage, store) = begun().await;
    storage.shut_gate();
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.append(append("bob", 0, 100)).await }
    });
    tokio::task::spawn_blocking({
        let storage = storage.clone();
        move || storage.await_write()
    })
    .await
    .unwrap();
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.append(append(&format!("c{number}"), 0, 9)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    storage.inject(Fault::next(Call::WriteBlocksSynced, ".seg"));
    storage.open_gate();

    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    }
    drop(store);
    let store = open(&storage).unwrap();
    assert_eq!(numbers(&store, "alice").await, [1]);
    assert_eq!(numbers(&store, "c3").await, [0; 0], "what was refused is not there");
}

#[tokio::test]
async fn a_slow_disk_delays_appends_and_nobody_who_reads() {
    let (storage, store) = begun().await;
    storage.shut_gate();
    let slow = tokio::spawn({
        let store = store.clone();
        async move { store.append(append("alice", 1, 100)).await }
    });
    tokio::task::spawn_blocking({
        let storage = storage.clone();
        move || storage.await_write()
    })
    .await
    .unwrap();

    assert_eq!(numbers(&store, "alice").await, [1], "what is not durable is not shown");
    let (contents, _) = read_everything(&store, &BTreeSet::new()).await.unwrap();
    assert_eq!(contents.entities["alice"].bounds.highest, SeqNr::FIRST);
    assert!(!slow.is_finished());

    storage.open_gate();
    slow.await.unwrap().unwrap();
    assert_eq!(numbers(&store, "alice").await, [1, 2]);
}

#[tokio::test]
async fn a_full_disk_refuses_appends_until_there_is_room_again() {
    let (storage, store) = begun().await;
    let mut after = fill_segment(&store).await;
    // Spares that were zeroed before still take appends; then the disk is full.
    storage.fill();
    let refused = loop {
        match store.append(append("filler", after, 14_000)).await {
            Ok(_) => after += 1,
            Err(error) => break error,
        }
        assert!(after < 20, "the disk gets full");
    };
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_says(&refused, &["no room", "nothing of this append was written"]);
    let again = store.append(append("filler", after, 14_000)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unavailable, "as often as it is tried");

    assert_eq!(numbers(&store, "alice").await, [1], "the store stays readable");
    assert_eq!(store.bounds(&id("filler")).await.unwrap().highest.get(), after);

    storage.heal();
    store.append(append("filler", after, 14_000)).await.unwrap();
    store.append(append("alice", 1, 100)).await.unwrap();
    store.close().await.unwrap();
    let store = open(&storage).unwrap();
    assert_eq!(numbers(&store, "alice").await, [1, 2]);
    assert_eq!(store.bounds(&id("filler")).await.unwrap().highest.get(), after + 1);
}

#[tokio::test]
async fn zeroing_a_segment_may_fail_at_every_step_and_be_tried_again() {
    let steps = [
        (Call::Create, FAILED),
        (Call::WriteBlocks, FAILED),
        (Call::WriteBlocks, Effect::Short { pages: 3 }),
        (Call::Sync, FAILED),
    ];
    for (call, effect) in steps {
        let storage = SimStorage::default();
        // The first spare is `create`'s own; the second one is zeroed in the background, the third one
        // by the writer when it finds none.
        for after in [1, 0] {
            storage.inject(Fault { call, name: "spare-", after, effect });
        }
        let store = open(&storage).unwrap();
        let after = fill_segment(&store).await;
        let mut refused = 0;
        while let Err(error) = store.append(append("filler", after, 14_000)).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{call:?}");
            refused += 1;
            assert!(refused <= 2, "a disk that works again takes appends");
        }
        assert_eq!(refused, 2, "{call:?}");
        assert!(storage.all_faults_happened());
        store.close().await.unwrap();
        let left = storage.disk().names().filter(|name| is_spare(name)).count();
        assert_eq!(left, 0, "nothing half zeroed is left");
        let store = open(&storage).unwrap();
        assert_eq!(store.bounds(&id("filler")).await.unwrap().highest.get(), after + 1);
    }
}

#[tokio::test]
async fn a_roll_may_fail_at_every_step() {
    let steps = [
        (Call::WriteBlocksSynced, "spare-", FAILED),
        (Call::WriteBlocksSynced, "spare-", Effect::NotDurable),
        (Call::Rename, ".seg", FAILED),
        (Call::SyncDirectory, "", FAILED),
        (Call::SyncDirectory, "", Effect::NotDurable),
    ];
    for (call, name, effect) in steps {
        let (storage, store) = begun().await;
        let after = fill_segment(&store).await;
        storage.inject(Fault { call, name, after: 0, effect });
        let rolling = append("filler", after, 14_000);

        let closed = store.append(rolling.clone()).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed, "{call:?}");
        assert_says(&closed, &["segment 2", "nothing acknowledged is lost", "open the store anew"]);
        let closed = store.append(append("alice", 1, 100)).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed, "{call:?}");
        assert_eq!(numbers(&store, "alice").await, [1], "the store stays readable");
        drop(store);

        let store = open(&storage).unwrap();
        store.append(rolling.clone()).await.unwrap();
        store.append(append("alice", 1, 100)).await.unwrap();
        drop(store);
        // What was acknowledged after that is durable, the new segment's name included.
        let disk = storage.disk();
        let store = open(&SimStorage::of(disk.lose_power(&mut |_| 0))).unwrap();
        assert_eq!(numbers(&store, "alice").await, [1, 2], "{call:?}");
        assert_eq!(store.bounds(&id("filler")).await.unwrap().highest.get(), after + 1);
    }
}

#[tokio::test]
async fn sealing_may_fail_at_any_call_and_harms_no_append() {
    let calls =
        [Call::Create, Call::Write, Call::WriteBlocks, Call::Sync, Call::Rename, Call::Open];
    for call in calls {
        for name in [".idx", ".run", ".tmp"] {
            for after in [0, 1] {
                let (storage, store) = begun().await;
                storage.inject(Fault { call, name, after, effect: FAILED });
                let mut workload = Workload::new(Random::new(5), Contents::default());
                workload.run(&store, 60, || 0).await;
                let failed = workload.records.iter().find_map(|record| record.error.as_ref());
                assert!(failed.is_none(), "{call:?} of {name}: {failed:?}");
                let (found, _) = read_everything(&store, &Workload::ids()).await.unwrap();
                store.close().await.unwrap();
                storage.heal();
                let store = open(&storage).unwrap();
                let (again, _) = read_everything(&store, &Workload::ids()).await.unwrap();
                assert!(found == again, "{call:?} of {name}");
                for (name, entity) in &workload.contents.entities {
                    assert!(again.entities.get(name) == Some(entity), "{call:?}: {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_end_file_may_fail_without_harm() {
    let (storage, store) = begun().await;
    storage.inject(Fault::next(Call::Write, "end"));
    store.append(append("alice", 1, 100)).await.expect("others only see it late");
    storage.inject(Fault::next(Call::Sync, "end"));
    let error = store.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_says(&error, &["nothing acknowledged is lost"]);
    drop(store);
    assert_eq!(numbers(&open(&storage).unwrap(), "alice").await, [1, 2]);
}

#[tokio::test]
async fn an_opening_may_fail_at_any_call_and_be_tried_again() {
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let (storage, store) = begun().await;
        let mut workload = Workload::new(Random::new(seed), Contents::default());
        workload.run(&store, 40, || 0).await;
        storage.inject(
            Fault::next(Call::WriteBlocksSynced, "").with_effect(Effect::Short { pages: 1 }),
        );
        store.append(append("alice", 1, 9_000)).await.unwrap_err();
        let (found, _) = read_everything(&store, &Workload::ids()).await.unwrap();
        drop(store);
        let calls = [
            Call::Create,
            Call::Open,
            Call::Read,
            Call::Write,
            Call::WriteBlocks,
            Call::WriteBlocksSynced,
            Call::Sync,
            Call::Rename,
            Call::Remove,
            Call::SyncDirectory,
        ];
        for call in calls {
            for after in 0..12 {
                let storage = SimStorage::of(storage.disk());
                storage.inject(Fault { call, name: "", after, effect: FAILED });
                match open(&storage) {
                    Ok(store) => drop(store),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
                }
                storage.heal();
                let store = open(&storage).unwrap();
                let (again, _) = read_everything(&store, &Workload::ids()).await.unwrap();
                assert!(again == found, "{call:?} {after}");
            }
        }
    }
}

/// A store had segments of 64 MiB, so a single append could be 16 MiB. The last page of such an append
/// reached the disk alone before the power was lost; then the store was opened with small segments, whose
/// appends are small. The page must be cut all the same: it would lie behind an orderly end.
#[tokio::test]
async fn a_torn_write_is_cut_whatever_the_settings_are_now() {
    let storage = SimStorage::default();
    let large = EmbeddedStore::builder("simulation").storage(Arc::new(storage.clone()));
    let store = large.open().unwrap();
    store.append(append("alice", 0, 6 << 20)).await.unwrap();
    store.append(append("bob", 0, 15 << 20)).await.unwrap();
    store.abandon();
    let (mut disk, history) = storage.history();
    let large = |operation: &Operation| matches!(operation, Operation::Write { pages, .. } if pages.len() > 3_800);
    let torn = history.iter().position(large).unwrap();
    history[..torn].iter().for_each(|operation| disk.apply(operation));
    disk.begin(&history[torn]);
    let number = |item: &Undecided| match item {
        Undecided::Page { page, .. } => *page,
        Undecided::Name { .. } => 0,
    };
    let last = disk.undecided(is_spare).into_iter().max_by_key(number).unwrap();
    let disk = disk.lose_power(&mut |item| usize::from(item == last));

    let storage = SimStorage::of(disk);
    let small = || {
        let settings = Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN);
        let builder = EmbeddedStore::builder("simulation").settings(settings);
        builder.storage(Arc::new(storage.clone()))
    };
    let store = small().open().unwrap();
    assert_eq!(numbers(&store, "bob").await, [0; 0]);
    store.close().await.unwrap();
    let store = small().open().expect("nothing lies behind the orderly end");
    assert_eq!(numbers(&store, "alice").await, [1]);
}

#[tokio::test]
async fn a_failed_read_is_told_and_can_be_tried_again() {
    let (storage, store) = begun().await;
    storage.inject(Fault::next(Call::Read, ".seg"));
    let error = store.read_all(&id("alice"), SeqRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_says(&error, &["0000000001.seg", "cannot be read at byte"]);
    assert!(storage.all_faults_happened());
    assert_eq!(numbers(&store, "alice").await, [1]);
    store.append(append("alice", 1, 100)).await.expect("a failed read closes nothing");
}
