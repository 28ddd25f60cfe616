//! The directory answers as a map would, whatever was merged, and whenever it was stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::storage::Memory;
use super::{Numbers, id_summary, small_summary};
use crate::index::hash::mix;
use crate::index::{
    Directory, DirectoryAccess, Lookup, OpenedDirectory, PreviousSegments, SegmentIndex,
    SegmentSummary, text_hash,
};
use crate::position::SegmentNr;

pub(super) const STORE: u64 = 0x0123_4567_89ab_cdef;

pub(super) fn opened(storage: Arc<Memory>, sealed: &[SegmentNr]) -> OpenedDirectory {
    Directory::open(storage, STORE, sealed, DirectoryAccess::Write).unwrap()
}

fn segments(numbers: std::ops::RangeInclusive<u32>) -> Vec<SegmentNr> {
    numbers.map(SegmentNr::new).collect()
}

/// The hashes of `count` of 2,000 ids.
fn some_hashes(numbers: &mut Numbers, count: u64) -> Vec<u64> {
    let mut hashes: Vec<u64> = (0..count).map(|_| mix(numbers.below(2_000))).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn assert_equals(directory: &Directory, model: &BTreeMap<u64, SegmentNr>) {
    for number in 0..2_100 {
        let hash = mix(number);
        assert_eq!(directory.newest(hash).unwrap(), model.get(&hash).copied(), "{number}");
    }
}

#[test]
fn it_answers_as_a_map_does_with_few_runs() {
    let storage = Arc::new(Memory::default());
    let mut directory = opened(storage.clone(), &[]).directory;
    let mut model = BTreeMap::new();
    let mut numbers = Numbers(3);
    for number in 1..=41_u32 {
        let segment = SegmentNr::new(number);
        let count = [1, 30, 900][numbers.index(3)];
        let hashes = some_hashes(&mut numbers, count);

        let previous = directory.previous(hashes.clone()).unwrap();
        for hash in &hashes {
            assert_eq!(previous.of(*hash), model.get(hash).copied());
        }
        directory.add(segment, &hashes).unwrap();

        model.extend(hashes.into_iter().map(|hash| (hash, segment)));
        assert_eq!(directory.runs(), usize::try_from(number.count_ones()).unwrap());
        if number % 8 == 1 {
            assert_equals(&directory, &model);
            directory.verify().unwrap();
            let reopened = opened(storage.clone(), &segments(1..=number));
            assert!(reopened.uncovered.is_empty() && reopened.damaged.is_empty());
            directory = reopened.directory;
            assert_equals(&directory, &model);
        }
    }
    let names = storage.names();
    assert_eq!(
        names,
        [
            "dir-0000000001-0000000032.run",
            "dir-0000000033-0000000040.run",
            "dir-0000000041-0000000041.run"
        ]
    );
}

#[test]
fn stopped_anywhere_it_opens_and_lacks_at_most_the_last_segment() {
    let mut numbers = Numbers(4);
    let all: Vec<Vec<u64>> = (0..8).map(|_| some_hashes(&mut numbers, 200)).collect();
    for changes in 0.. {
        let storage = Arc::new(Memory::default());
        let directory = opened(storage.clone(), &[]).directory;
        let add = |directory: &Directory, number: u32| {
            let hashes = &all[usize::try_from(number - 1).unwrap()];
            directory.add(SegmentNr::new(number), hashes)
        };
        (1..=7).for_each(|number| add(&directory, number).unwrap());

        storage.stop_after(changes);
        let stopped = add(&directory, 8).is_err();
        storage.stop_after(i64::MAX);

        let reopened = opened(storage.clone(), &segments(1..=8));
        assert!(reopened.damaged.is_empty());
        assert!(reopened.uncovered.is_empty() || reopened.uncovered == segments(8..=8));
        if !reopened.uncovered.is_empty() {
            add(&reopened.directory, 8).unwrap();
        }
        let mut model = BTreeMap::new();
        for (number, hashes) in (1..).zip(&all) {
            model.extend(hashes.iter().map(|hash| (*hash, SegmentNr::new(number))));
        }
        assert_equals(&reopened.directory, &model);
        assert!(storage.names().iter().all(|name| !name.ends_with(".tmp")));
        if !stopped {
            assert!(changes > 8, "the last round runs to the end");
            break;
        }
    }
}

#[test]
fn a_file_that_vanishes_between_listing_and_opening_is_looked_for_anew() {
    let storage = Arc::new(Memory::default());
    let writer = opened(storage.clone(), &[]).directory;
    writer.add(SegmentNr::new(1), &[mix(1)]).unwrap();
    let old = storage.names();
    writer.add(SegmentNr::new(2), &[mix(2)]).unwrap();
    assert_eq!(storage.names(), ["dir-0000000001-0000000002.run"]);
    storage.stale_listings.lock().extend([old.clone(), old]);

    let sealed = segments(1..=1);
    let reader = Directory::open(storage, STORE, &sealed, DirectoryAccess::Read).unwrap();

    assert!(reader.uncovered.is_empty());
    assert_eq!(reader.directory.newest(mix(1)).unwrap(), Some(SegmentNr::new(1)));
}

#[test]
fn a_reader_changes_nothing_and_covers_the_rest_in_memory() {
    let storage = Arc::new(Memory::default());
    opened(storage.clone(), &[]).directory.add(SegmentNr::new(6), &[mix(1)]).unwrap();
    storage.put("dir-0000000007-0000000007.run.tmp", vec![0; 10]);
    SegmentIndex::write(&*storage, &small_summary(), &PreviousSegments::default()).unwrap();
    let names = storage.names();
    storage.stop_after(0);

    let sealed = segments(6..=7);
    let reader = Directory::open(storage.clone(), STORE, &sealed, DirectoryAccess::Read).unwrap();
    assert_eq!(reader.uncovered, segments(7..=7));
    let index = SegmentIndex::open(&*storage, SegmentNr::new(7)).unwrap().unwrap();
    reader.directory.add_index_in_memory(&index).unwrap();

    let newest = |hash| reader.directory.newest(hash).unwrap();
    assert_eq!(newest(text_hash("account|alice")), Some(SegmentNr::new(7)));
    assert_eq!(newest(mix(1)), Some(SegmentNr::new(6)));
    assert_eq!(newest(mix(2)), None);
    assert_eq!(storage.names(), names);
}

#[test]
fn a_damaged_run_is_told_and_made_anew_from_the_indexes() {
    let storage = Arc::new(Memory::default());
    let directory = opened(storage.clone(), &[]).directory;
    let mut model = BTreeMap::new();
    for number in 1..=6 {
        let ids = (0..number).map(|id| id_summary(&format!("id|{}", id * number), id, 1, 1));
        let mut summary = SegmentSummary { ids: ids.collect(), ..small_summary() };
        summary.segment = SegmentNr::new(number);
        summary.ids.dedup_by(|left, right| left.id == right.id);
        let previous = directory.previous(summary.hashes()).unwrap();
        SegmentIndex::write(&*storage, &summary, &previous).unwrap();
        directory.add(summary.segment, previous.hashes()).unwrap();
        model.extend(previous.hashes().iter().map(|hash| (*hash, summary.segment)));
    }
    storage.change("dir-0000000001-0000000004.run", |bytes| bytes[20] ^= 1);

    let reopened = opened(storage.clone(), &segments(1..=6));
    assert_eq!(reopened.uncovered, segments(1..=4));
    let [error] = &reopened.damaged[..] else { panic!("{:?}", reopened.damaged) };
    assert!(error.message().contains("dir-0000000001-0000000004.run, byte 0"), "{error}");
    for segment in reopened.uncovered {
        let index = SegmentIndex::open(&*storage, segment).unwrap().unwrap();
        reopened.directory.add_index(&index).unwrap();
    }

    for directory in [&reopened.directory, &opened(storage.clone(), &segments(1..=6)).directory] {
        for (hash, segment) in &model {
            assert_eq!(directory.newest(*hash).unwrap(), Some(*segment));
        }
        assert!(directory.runs() <= 3);
    }
}

#[test]
fn a_segment_missing_between_two_is_never_claimed() {
    let storage = Arc::new(Memory::default());
    let directory = opened(storage.clone(), &[]).directory;
    for number in [1, 3, 4] {
        directory.add(SegmentNr::new(number), &[mix(u64::from(number))]).unwrap();
    }
    assert!(!directory.covers(SegmentNr::new(2)));
    assert_eq!(opened(storage.clone(), &segments(1..=4)).uncovered, segments(2..=2));
    let mut hashes = [mix(2), mix(4)];
    hashes.sort_unstable();
    directory.add(SegmentNr::new(2), &hashes).unwrap();
    assert_eq!(storage.names(), ["dir-0000000001-0000000004.run"]);
    for number in 1..=4 {
        let newest = directory.newest(mix(u64::from(number))).unwrap();
        assert_eq!(newest, Some(SegmentNr::new(number)));
    }
}

#[test]
fn readers_see_a_whole_directory_while_runs_are_merged() {
    let storage = Arc::new(Memory::default());
    let directory = opened(storage, &[]).directory;
    let hashes: Vec<u64> = (0..50).map(|number| number << 58).collect();
    directory.add(SegmentNr::new(1), &hashes).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = SegmentNr::new(1);
            while last < SegmentNr::new(40) {
                let newest = directory.newest(hashes[7]).unwrap().unwrap();
                assert!(newest >= last);
                last = newest;
            }
        });
        (2..=40).for_each(|number| directory.add(SegmentNr::new(number), &hashes[..20]).unwrap());
        reader.join().unwrap();
    });
}

#[test]
fn cold_bounds_read_at_most_four_blocks() {
    let storage = Arc::new(Memory::default());
    let directory = opened(storage.clone(), &[]).directory;
    let mut indexes = Vec::new();
    // Each id in one segment of 31, so that most are in the runs that are asked last.
    for number in 1..=31_u32 {
        let ids = (0..200).map(|id| id_summary(&format!("{number}|{id}"), id, 1, 1));
        let mut summary = SegmentSummary { ids: ids.collect(), ..small_summary() };
        summary.segment = SegmentNr::new(number);
        let previous = directory.previous(summary.hashes()).unwrap();
        SegmentIndex::write(&*storage, &summary, &previous).unwrap();
        directory.add(summary.segment, previous.hashes()).unwrap();
        let index = SegmentIndex::open(&*storage, summary.segment).unwrap().unwrap();
        indexes.push((index, summary));
    }
    assert_eq!(directory.runs(), 5);
    let mut total = 0;
    for (index, summary) in &indexes {
        for id in &summary.ids {
            let before = directory.block_reads() + index.block_reads();
            let newest = directory.newest(text_hash(id.id.as_str())).unwrap();
            assert_eq!(newest, Some(summary.segment));
            assert!(matches!(index.find(&id.id).unwrap(), Lookup::Found(_)));
            let reads = directory.block_reads() + index.block_reads() - before;
            assert!(reads <= 4, "{}: {reads}", id.id);
            total += reads;
        }
    }
    // One block of a run, one of an index, and rarely one of a run whose filter says yes wrongly.
    assert!((12_400..12_600).contains(&total), "{total}");
}
