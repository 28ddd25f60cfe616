//! Compaction that is cut short, at any call: by a loss of power, a kill, a failing call, a full disk.
//! What the store holds is the same, and it can be compacted then.

use std::collections::HashSet;
use std::io::ErrorKind as IoErrorKind;

use annals_core::{ErrorKind, Journal, SeqNr};

use crate::compaction::{check, deleted, open, read_only};
use crate::model::{Contents, read_everything};
use crate::power_loss::Context;
use crate::seed::{Named, Random, long, seeds};
use crate::sim::{Call, Effect, Fault, SimDisk, SimStorage, Undecided, is_spare};
use crate::workload::Workload;

fn latest(item: Undecided) -> usize {
    match item {
        Undecided::Page { versions, .. } => versions,
        Undecided::Name { .. } => 1,
    }
}

/// Disks that a loss of power may leave of `cut`, and the one that a kill leaves.
fn left_of(cut: &SimDisk, random: &mut Random) -> Vec<SimDisk> {
    let mut left = vec![cut.clone(), cut.lose_power(&mut |_| 0), cut.lose_power(&mut latest)];
    let undecided = cut.undecided(is_spare);
    for _ in 0..if long() { 16 } else { 1 } {
        left.push(cut.lose_power(&mut |item| random.below(latest(item) + 1)));
        if !undecided.is_empty() {
            let one = undecided[random.below(undecided.len())];
            left.push(cut.lose_power(&mut |item| if item == one { latest(item) } else { 0 }));
            left.push(cut.lose_power(&mut |item| if item == one { 0 } else { latest(item) }));
        }
    }
    left
}

/// Opens what is left, and compacts it to the end.
async fn examine(left: SimDisk, contents: &Contents, again: bool) {
    let reading = read_only(&SimStorage::of(left.clone())).expect("it opens read-only");
    let (found, _) = read_everything(&reading, &Workload::ids()).await.expect("it reads");
    assert!(found == *contents, "a reader sees what was there");
    let storage = SimStorage::of(left);
    let store = open(&storage).expect("the store opens by itself");
    let log = check(&store, contents).await;
    assert!(storage.disk().names().all(|name| !name.ends_with(".seg.tmp")), "nothing is left over");
    if again {
        store.compact(1).await.expect("it is compacted then");
        assert_eq!(check(&store, contents).await, log);
        drop(store);
        assert_eq!(check(&open(&storage).unwrap(), contents).await, log);
    }
}

#[tokio::test]
async fn power_lost_at_any_call_of_a_compaction_changes_nothing() {
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let (disk, contents) = deleted(seed, 40).await;
        let storage = SimStorage::of(disk);
        let store = open(&storage).unwrap();
        let opened = storage.operations();
        let compacted = store.compact(1).await.unwrap();
        assert!(compacted.segments_rewritten > 3, "{compacted:?}");
        let compacted_at = storage.operations();
        store.abandon();
        let mut random = Random::new(seed);
        let (mut disk, history) = storage.history();
        let (mut seen, mut count) = (HashSet::new(), 0);
        for (place, operation) in history.iter().enumerate().take(compacted_at) {
            let mut cut = disk.clone();
            cut.begin(operation);
            disk.apply(operation);
            if place < opened {
                continue;
            }
            for left in left_of(&cut, &mut random) {
                if seen.insert(left.fingerprint(is_spare)) {
                    let _context = Context(format!("cut at operation {place}, {operation:?}"));
                    examine(left, &contents, count % 8 == 0).await;
                    count += 1;
                }
            }
        }
        assert!(count > 50, "{count} states were tried");
    }
}

/// Another opening, whose compaction is cut as well, and so on.
#[tokio::test]
async fn compaction_is_cut_again_and_again_and_comes_to_its_end() {
    for seed in seeds(3, 100) {
        let _named = Named(seed);
        let (mut disk, contents) = deleted(seed, 60).await;
        let mut random = Random::new(seed);
        for _ in 0..12 {
            let storage = SimStorage::of(disk);
            let store = open(&storage).unwrap();
            check(&store, &contents).await;
            store.compact(1).await.unwrap();
            store.abandon();
            let (mut cut, history) = storage.history();
            let place = random.below(history.len());
            history[..place].iter().for_each(|operation| cut.apply(operation));
            cut.begin(&history[place].some_of(&mut random));
            let left = left_of(&cut, &mut random);
            disk = left[random.below(left.len())].clone();
        }
        examine(disk, &contents, true).await;
    }
}

#[tokio::test]
async fn any_call_of_a_compaction_may_fail_and_harms_nobody() {
    let (disk, contents) = deleted(7, 40).await;
    let calls = [
        Call::Create,
        Call::Open,
        Call::Read,
        Call::Write,
        Call::WriteBlocks,
        Call::Sync,
        Call::Rename,
        Call::Remove,
        Call::SyncDirectory,
    ];
    let effects = [
        Effect::Nothing(IoErrorKind::Other),
        Effect::Nothing(IoErrorKind::StorageFull),
        Effect::Short { pages: 1 },
        Effect::NotDurable,
    ];
    let mut failed = 0;
    for call in calls {
        for name in [".seg", ".idx", ""] {
            for (after, effect) in
                [0, 1].into_iter().flat_map(|after| effects.map(|effect| (after, effect)))
            {
                let storage = SimStorage::of(disk.clone());
                let store = open(&storage).unwrap();
                storage.inject(Fault { call, name, after, effect });
                let compacted = store.compact(1).await;
                let _context =
                    Context(format!("{call:?} of {name:?} after {after}: {compacted:?}"));
                if let Err(error) = &compacted {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    failed += 1;
                }
                storage.heal();
                let filler = &contents.entities["filler"];
                assert_eq!(store.bounds(&crate::model::id("filler")).await.unwrap(), filler.bounds);
                // The disk as it is now, also if the power is lost.
                if after == 1 {
                    let left = storage.disk().lose_power(&mut |_| 0);
                    examine(left, &contents, false).await;
                    check(&store, &contents).await;
                    store.compact(1).await.expect("it is done when it is tried again");
                    check(&store, &contents).await;
                }
            }
        }
    }
    assert!(failed > 30, "{failed} compactions failed");
}

#[tokio::test]
async fn a_disk_that_gets_full_in_the_middle_of_it_stays_as_it_was() {
    let (disk, contents) = deleted(9, 60).await;
    let before = disk.used();
    let mut failed = 0;
    for room in (0..40_000).step_by(4_096) {
        let storage = SimStorage::of(disk.clone());
        let store = open(&storage).unwrap();
        storage.fill_but(room);
        let compacted = store.compact(1).await;
        if let Err(error) = compacted {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            failed += 1;
            assert!(storage.disk().names().all(|name| !name.ends_with(".seg.tmp")));
        }
        check(&store, &contents).await;
        storage.heal();
        store.compact(1).await.expect("it is done when there is room");
        check(&store, &contents).await;
        assert!(storage.disk().used() < before);
        drop(store);
        check(&open(&storage).unwrap(), &contents).await;
    }
    assert!((1..10).contains(&failed), "{failed} times there was too little room");
}

#[tokio::test]
async fn a_damaged_segment_is_told_and_left_as_it_is() {
    let (mut disk, contents) = deleted(11, 40).await;
    disk.damage("0000000002.seg", 4096 + 40, |byte| byte ^ 4);
    let storage = SimStorage::of(disk);
    let store = open(&storage).unwrap();
    let before = storage.disk().length(storage.disk().find("0000000002.seg").unwrap());
    let error = store.compact(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("0000000002.seg"), "{error}");
    let after = storage.disk().length(storage.disk().find("0000000002.seg").unwrap());
    assert_eq!(before, after);
    let highest = contents.entities["filler"].bounds.highest;
    assert!(highest > SeqNr::ZERO);
    assert_eq!(store.bounds(&crate::model::id("filler")).await.unwrap().highest, highest);
}
