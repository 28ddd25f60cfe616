//! Tests of the index files, over a storage in memory.

mod damage;
mod directory;
mod golden;
mod segment;
mod size;
mod storage;

use annals_core::{Offset, OffsetRevision, PersistenceId, SeqNr, StoredOffset, Tag, Timestamp};

use super::hash::mix;
use super::{FrameRef, IdState, IdSummary, SegmentSummary, SnapshotRef, TagSummary};
use crate::position::{Position, SegmentNr};

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(u64::try_from(limit).unwrap())).unwrap()
    }
}

fn seq_nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

fn id(text: impl Into<String>) -> PersistenceId {
    PersistenceId::new(text.into()).unwrap()
}

/// An id with `frames` frames of one to three events from byte `start` on.
fn id_summary(name: &str, start: u32, step: u32, frames: u32) -> IdSummary {
    let mut next = 1;
    let frames: Vec<FrameRef> = (0..frames)
        .map(|number| {
            let count = 1 + number % 3;
            let frame = FrameRef { byte: start + number * step, count, first: seq_nr(next) };
            next += u64::from(count);
            frame
        })
        .collect();
    IdSummary {
        id: id(name),
        state: IdState { deleted_to: SeqNr::ZERO, highest: seq_nr(next - 1), snapshots_in: None },
        begins_at: frames.first().map(|frame| frame.byte),
        frames,
        snapshots: None,
    }
}

/// A segment with one of everything, small enough for a handful of blocks.
fn small_summary() -> SegmentSummary {
    let mut alice = id_summary("account|alice", 4096, 512, 5);
    alice.state.deleted_to = seq_nr(2);
    alice.state.snapshots_in = Some(SegmentNr::new(7));
    alice.snapshots = Some(vec![
        SnapshotRef {
            position: Position::new(SegmentNr::new(3), 8192),
            seq_nr: seq_nr(3),
            timestamp: Timestamp::from_millis(1_700_000_000_000),
        },
        SnapshotRef {
            position: Position::new(SegmentNr::new(7), 12_288),
            seq_nr: seq_nr(8),
            timestamp: Timestamp::from_millis(-1),
        },
    ]);
    let mut bob = id_summary("account|bob", 4608, 512, 40);
    bob.begins_at = None;
    let mut carol = id_summary("account|carol", 0, 1, 0);
    carol.state = IdState {
        deleted_to: seq_nr(9),
        highest: seq_nr(9),
        snapshots_in: Some(SegmentNr::new(2)),
    };
    let long = id_summary(&"long|".repeat(300), 60_000, 1, 1);
    SegmentSummary {
        store_id: 0x0123_4567_89ab_cdef,
        segment: SegmentNr::new(7),
        end: 65_536,
        last_checksum: 0xdead_beef,
        events: 90,
        ids: vec![alice, bob, carol, long],
        tags: vec![
            TagSummary { tag: Tag::new("red").unwrap(), frames: vec![4096, 4608, 60_000] },
            TagSummary {
                tag: Tag::new("blue").unwrap(),
                frames: (0..50).map(|n| n * 300).collect(),
            },
        ],
        offsets: vec![
            StoredOffset {
                name: "board".to_owned(),
                offset: Offset::from_bytes(vec![1, 2, 3]),
                revision: OffsetRevision::new(4),
            },
            StoredOffset {
                name: "audit".to_owned(),
                offset: Offset::from_bytes(vec![9; 60]),
                revision: OffsetRevision::new(1),
            },
        ],
        dead: Vec::new(),
        decided: None,
    }
}
