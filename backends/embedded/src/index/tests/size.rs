//! What the indexes of ten million events take in memory.

use std::sync::Arc;

use super::directory::opened;
use super::storage::Memory;
use super::{Numbers, id_summary, small_summary};
use crate::index::{PreviousSegments, SegmentIndex, SegmentSummary};
use crate::position::SegmentNr;

const EVENTS: usize = 10_000_000;
const SEGMENTS: usize = 48;
const SAMPLE: usize = 10_000;

/// Bytes of memory of an index with as many ids as the sample.
fn index_bytes() -> usize {
    let storage = Memory::default();
    let ids = (0..10_000).map(|number| id_summary(&format!("account|{number:07}"), number, 1, 1));
    let summary = SegmentSummary { ids: ids.collect(), tags: Vec::new(), ..small_summary() };
    SegmentIndex::write(&storage, &summary, &PreviousSegments::default()).unwrap();
    let index = SegmentIndex::open(&storage, summary.segment).unwrap().unwrap();
    size_of::<SegmentIndex>() + index.heap_bytes()
}

/// Bytes of memory of a run with as many hashes as the sample.
fn run_bytes() -> usize {
    let storage = Arc::new(Memory::default());
    let directory = opened(storage, &[]).directory;
    let mut numbers = Numbers(6);
    let mut hashes: Vec<u64> = (0..SAMPLE).map(|_| numbers.next()).collect();
    hashes.sort_unstable();
    directory.add(SegmentNr::FIRST, &hashes).unwrap();
    directory.heap_bytes()
}

/// Bytes of memory of all indexes and of the worst directory of up to that many segments, if each
/// segment holds `ids_per_segment` of `ids` ids, one after the other.
fn bytes(ids: usize, ids_per_segment: usize) -> usize {
    let share = |bytes: usize, ids: usize| 1_000 + bytes * ids / SAMPLE;
    let indexes = SEGMENTS * share(index_bytes(), ids_per_segment);
    let run = run_bytes();
    let directory = |segments: usize| -> usize {
        let sizes = (0..6).map(|bit| segments & (1 << bit)).filter(|size| *size > 0);
        sizes.map(|size| share(run, ids.min(size * ids_per_segment))).sum()
    };
    indexes + (1..=SEGMENTS).map(directory).max().unwrap()
}

#[test]
fn memory_is_at_most_two_bytes_an_event() {
    let few = bytes(10_240, 10_240);
    assert!(few <= EVENTS / 10, "{few} bytes for 10,240 ids");
    let many = bytes(1_000_000, EVENTS / SEGMENTS);
    assert!(many <= 2 * EVENTS, "{many} bytes for one id per ten events");
    let single = bytes(EVENTS, EVENTS / SEGMENTS);
    assert!(single <= 2 * EVENTS, "{single} bytes for one id per event");
}
