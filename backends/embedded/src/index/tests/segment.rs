//! What a segment's index was made of comes back from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{PersistenceId, SeqRange, Tag};

use super::storage::Memory;
use super::{Numbers, id, id_summary, seq_nr, small_summary};
use crate::index::{
    FrameRef, IdRecord, IdSummary, Lookup, PreviousSegments, SegmentIndex, SegmentSummary,
    TagSummary, text_hash,
};
use crate::position::SegmentNr;
use crate::storage::Disk;

fn written(summary: &SegmentSummary) -> SegmentIndex {
    let storage = Memory::default();
    SegmentIndex::write(&storage, summary, &PreviousSegments::default()).unwrap();
    SegmentIndex::open(&storage, summary.segment).unwrap().unwrap()
}

fn found(index: &SegmentIndex, id: &PersistenceId) -> IdRecord {
    match index.find(id).unwrap() {
        Lookup::Found(record) => record,
        other => panic!("{id}: {other:?}"),
    }
}

fn assert_same(index: &SegmentIndex, expected: &IdSummary) {
    let record = found(index, &expected.id);
    assert_eq!(record.state, expected.state);
    assert_eq!(record.begins_at, expected.begins_at);
    assert_eq!(record.snapshots.is_some(), expected.snapshots.is_some());
    let frames = index.frames(&record, SeqRange::ALL).unwrap().take(usize::MAX).unwrap();
    assert_eq!(frames, expected.frames);
    assert_eq!(index.snapshots(&record).unwrap(), expected.snapshots.clone().unwrap_or_default());
}

#[test]
fn everything_of_a_summary_comes_back() {
    let summary = small_summary();
    let index = written(&summary);
    index.verify().unwrap();
    for expected in &summary.ids {
        assert_same(&index, expected);
    }
    assert_eq!(index.find(&id("account|dave")).unwrap(), Lookup::Absent);
    for tag in &summary.tags {
        assert_eq!(index.tag_frames(&tag.tag, 0, usize::MAX).unwrap(), tag.frames);
    }
    let names: Vec<String> = index.offsets().unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["audit", "board"]);
    let beginning = index.beginning_ids(0, 10).unwrap();
    let expected = [(id("account|alice"), 4096), (id("long|".repeat(300)), 60_000)];
    assert_eq!(beginning, expected);
    assert_eq!(index.beginning_ids(4097, 10).unwrap(), expected[1..]);
    let meta = index.meta();
    assert_eq!((meta.store_id, meta.end, meta.events), (0x0123_4567_89ab_cdef, 65_536, 90));
    assert_eq!((meta.last_checksum, meta.ids, meta.tags), (0xdead_beef, 4, 2));
    assert_eq!(index.hashes().unwrap(), summary.hashes());
}

#[test]
fn an_empty_segment_has_an_index() {
    let summary =
        SegmentSummary { tags: Vec::new(), offsets: Vec::new(), ..small_summary_without_ids() };
    let index = written(&summary);
    index.verify().unwrap();
    assert_eq!(index.find(&id("account|alice")).unwrap(), Lookup::Absent);
    assert_eq!(index.offsets().unwrap(), []);
    assert_eq!(index.beginning_ids(0, 10).unwrap(), []);
    assert_eq!(index.tag_frames(&Tag::new("red").unwrap(), 0, 10).unwrap(), [0_u32; 0]);
}

#[test]
fn thousands_of_ids_and_long_lists_come_back() {
    let mut numbers = Numbers(1);
    let mut ids: Vec<IdSummary> = (0..3_000_u32)
        .map(|number| {
            let step = 1 + u32::try_from(numbers.below(400)).unwrap();
            let frames = u32::try_from(numbers.below(8)).unwrap();
            id_summary(&format!("account|{number}"), number, step, frames)
        })
        .collect();
    ids.push(id_summary(&"x".repeat(20_000), 5_000, 7, 60_000));
    ids.push(id_summary("busy", 5_001, 300, 50_000));
    let frames: Vec<u32> = (0..40_000).map(|number| number * 11).collect();
    let tags = vec![TagSummary { tag: Tag::new("all").unwrap(), frames: frames.clone() }];
    let summary = SegmentSummary { end: u32::MAX, ids, tags, ..small_summary() };

    let index = written(&summary);

    index.verify().unwrap();
    for expected in &summary.ids {
        assert_same(&index, expected);
    }
    let all = Tag::new("all").unwrap();
    assert_eq!(index.tag_frames(&all, 0, usize::MAX).unwrap(), frames);
    assert_eq!(index.tag_frames(&all, 330_001, 2).unwrap(), [330_011, 330_022]);
    let begun = index.beginning_ids(0, usize::MAX).unwrap();
    assert!(begun.is_sorted_by_key(|(_, byte)| *byte));
    assert_eq!(begun.len(), summary.ids.iter().filter(|id| id.begins_at.is_some()).count());
    let rest = index.beginning_ids(2_000, usize::MAX).unwrap();
    let expected: Vec<_> = begun.into_iter().filter(|(_, byte)| *byte >= 2_000).collect();
    assert_eq!(rest, expected);
    let mut visited = 0;
    index
        .for_each_id(|record| {
            visited += 1;
            assert_eq!(found(&index, &record.id), record);
            Ok(())
        })
        .unwrap();
    assert_eq!(visited, summary.ids.len());
}

#[test]
fn a_range_of_a_long_history_reads_only_its_part() {
    let busy = id_summary("busy", 0, 90, 300_000);
    let summary = SegmentSummary { end: u32::MAX, ids: vec![busy.clone()], ..small_summary() };
    let index = written(&summary);
    let record = found(&index, &busy.id);
    let mut numbers = Numbers(2);
    for _ in 0..50 {
        let from = 1 + numbers.below(600_000);
        let to = from + numbers.below(50);
        let range = SeqRange::new(seq_nr(from), seq_nr(to));
        let expected: Vec<FrameRef> = busy
            .frames
            .iter()
            .copied()
            .filter(|frame| frame.first.get() <= to && frame.last().get() >= from)
            .collect();
        let before = index.block_reads();
        let frames = index.frames(&record, range).unwrap().take(usize::MAX).unwrap();
        assert_eq!(frames, expected, "{from} to {to}");
        // The table of chunks, and a window of 64 KiB.
        assert!(index.block_reads() - before <= 2 + 18, "{from} to {to}");
    }
    let beyond = SeqRange::from(seq_nr(600_001));
    assert_eq!(index.frames(&record, beyond).unwrap().next().unwrap(), None);
}

#[test]
fn a_lookup_reads_one_block() {
    let ids = (0..5_000).map(|number| id_summary(&format!("account|{number}"), number, 1, 1));
    let summary = SegmentSummary { ids: ids.collect(), ..small_summary() };
    let index = written(&summary);
    for expected in &summary.ids {
        let before = index.block_reads();
        assert_eq!(found(&index, &expected.id).state, expected.state);
        assert_eq!(index.block_reads() - before, 1, "{}", expected.id);
    }
    let long = written(&small_summary());
    let before = long.block_reads();
    found(&long, &id("long|".repeat(300)));
    assert_eq!(long.block_reads() - before, 2);
}

#[test]
fn ids_of_one_hash_are_told_apart_and_lead_on() {
    // A published collision of FNV-1a of 64 bits.
    let (left, right) = (id("8yn0iYCKYHlIj4-BwPqk"), id("GReLUrM4wMqfg9yzV3KQ"));
    assert_eq!(text_hash(left.as_str()), text_hash(right.as_str()));
    let storage = Memory::default();
    let directory = super::directory::opened(storage.into(), &[]).directory;
    directory.add(SegmentNr::new(3), &[text_hash(left.as_str())]).unwrap();
    let both = [id_summary(left.as_str(), 1, 1, 2), id_summary(right.as_str(), 2, 2, 4)];
    for ids in [&both[..1], &both[..]] {
        let storage = Memory::default();
        let summary = SegmentSummary { ids: ids.to_vec(), ..small_summary() };
        let previous = directory.previous(summary.hashes()).unwrap();
        SegmentIndex::write(&storage, &summary, &previous).unwrap();
        let index = SegmentIndex::open(&storage, summary.segment).unwrap().unwrap();
        index.verify().unwrap();
        for expected in ids {
            assert_same(&index, expected);
            assert_eq!(found(&index, &expected.id).previous, Some(SegmentNr::new(3)));
        }
        if ids.len() == 1 {
            let previous = Some(SegmentNr::new(3));
            assert_eq!(index.find(&right).unwrap(), Lookup::Collision { previous });
        }
    }
}

#[test]
fn the_records_of_an_id_lead_from_segment_to_segment() {
    let storage = Arc::new(Memory::default());
    let directory = super::directory::opened(storage.clone(), &[]).directory;
    let mut numbers = Numbers(7);
    let mut model: BTreeMap<String, Vec<SegmentNr>> = BTreeMap::new();
    // A published collision of FNV-1a of 64 bits.
    let mut names = vec!["gMPflVXtwGDXbIhP73TX".to_owned(), "LtHf1prlU1bCeYZEdqWf".to_owned()];
    names.extend((0..40).map(|number| format!("account|{number}")));
    assert_eq!(text_hash(&names[0]), text_hash(&names[1]));
    let index_of = |segment| SegmentIndex::open(&*storage, segment).unwrap().unwrap();
    for number in 1..=20_u32 {
        let segment = SegmentNr::new(number);
        let touched: Vec<&String> = names.iter().filter(|_| numbers.below(4) == 0).collect();
        let ids =
            touched.iter().zip(1..).map(|(name, byte)| id_summary(name, byte, 1, 1)).collect();
        let summary = SegmentSummary { segment, ids, ..small_summary_without_ids() };
        let previous = directory.previous(summary.hashes()).unwrap();
        SegmentIndex::write(&*storage, &summary, &previous).unwrap();
        directory.add(segment, previous.hashes()).unwrap();

        let index = index_of(segment);
        assert_eq!(index.previous().unwrap(), previous);
        let older = (1..number).rev().map(|older| Ok(index_of(SegmentNr::new(older))));
        assert_eq!(PreviousSegments::by_indexes(summary.hashes(), older).unwrap(), previous);
        for name in touched {
            model.entry(name.clone()).or_default().push(segment);
        }
    }
    for name in &names {
        let mut found = Vec::new();
        let mut next = directory.newest(text_hash(name)).unwrap();
        while let Some(segment) = next {
            next = match index_of(segment).find(&id(name.clone())).unwrap() {
                Lookup::Found(record) => {
                    found.push(segment);
                    record.previous
                }
                Lookup::Collision { previous } => previous,
                Lookup::Absent => panic!("segment {segment} has no record of {name}"),
            };
        }
        found.reverse();
        assert_eq!(found, model.get(name).cloned().unwrap_or_default(), "{name}");
    }
    for number in 1..=20 {
        directory.verify_index(&index_of(SegmentNr::new(number))).unwrap();
    }
    let empty = super::directory::opened(Arc::new(Memory::default()), &[]).directory;
    let error = empty.verify_index(&index_of(SegmentNr::new(20))).unwrap_err();
    assert!(error.message().contains("segment 20"), "{error}");
}

fn small_summary_without_ids() -> SegmentSummary {
    SegmentSummary { ids: Vec::new(), ..small_summary() }
}

#[test]
fn an_index_never_leads_to_newer_segments() {
    let storage = Arc::new(Memory::default());
    let directory = super::directory::opened(storage.clone(), &[]).directory;
    let summary = small_summary();
    directory.add(SegmentNr::new(8), &summary.hashes()).unwrap();
    let previous = directory.previous(summary.hashes()).unwrap();
    let error = SegmentIndex::write(&*storage, &summary, &previous).unwrap_err();
    assert!(error.message().contains("leads to newer ones"), "{error}");
}

#[test]
fn a_summary_that_contradicts_itself_is_refused() {
    let storage = Memory::default();
    let twice = id_summary("twice", 1, 1, 1);
    let mut backwards = id_summary("backwards", 1, 1, 3);
    backwards.frames.reverse();
    let mut nothing = id_summary("nothing", 1, 1, 1);
    nothing.frames[0].count = 0;
    for ids in [vec![twice.clone(), twice], vec![backwards], vec![nothing]] {
        let summary = SegmentSummary { ids, ..small_summary() };
        let error =
            SegmentIndex::write(&storage, &summary, &PreviousSegments::default()).unwrap_err();
        assert_eq!(error.kind(), annals_core::ErrorKind::Internal);
        assert!(SegmentIndex::open(&storage, summary.segment).unwrap().is_none());
    }
}

#[test]
fn an_index_is_written_to_a_real_directory_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::new(directory.path(), false);
    let mut summary = small_summary();
    for events in [90, 91] {
        summary.events = events;
        SegmentIndex::write(&disk, &summary, &PreviousSegments::default()).unwrap();
        let index = SegmentIndex::open(&disk, summary.segment).unwrap().unwrap();
        index.verify().unwrap();
        assert_eq!(index.meta().events, events);
    }
    let names: Vec<_> =
        directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["0000000007.idx"]);
    assert_eq!(SegmentIndex::segment_of("0000000007.idx"), Some(summary.segment));
    assert_eq!(SegmentIndex::segment_of("7.idx"), None);
}
