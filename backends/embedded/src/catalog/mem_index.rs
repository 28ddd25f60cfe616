//! The index of a segment that is not sealed: in memory, made of the frames as they become durable.

use annals_core::{Bounds, PersistenceId, SeqNr, SeqRange, Tag};
use hashbrown::HashMap;

use super::Change;
use crate::format::{GapEvents, byte_count, index};
use crate::index::{FrameRef, SnapshotRef};
use crate::position::{Position, SegmentNr};

/// The newest segment in which the set of snapshots of an id changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Snapshots {
    /// Not looked up yet (an entry made by a scan of the log).
    #[default]
    Unknown,
    /// Never.
    Never,
    /// This one: its index holds the whole set.
    In(SegmentNr),
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// How far its history reaches, of what is durable.
    pub(crate) bounds: Bounds,
    /// Where its snapshots are listed.
    pub(crate) snapshots: Snapshots,
    /// Its snapshots, ascending by number, if they were looked up.
    pub(crate) snapshot_set: Option<Vec<SnapshotRef>>,
}

impl Head {
    /// The head of an id that never held a record.
    pub(crate) fn absent() -> Self {
        Self { snapshots: Snapshots::Never, snapshot_set: Some(Vec::new()), ..Self::default() }
    }
}

/// Names an entry without its id: comparing or counting ids would fetch memory that the id's own task
/// is using.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef {
    /// The segment in whose index it is.
    pub(crate) segment: SegmentNr,
    /// Its number there.
    pub(crate) number: usize,
}

/// An id in the segment.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: PersistenceId,
    pub(crate) head: Head,
    /// The bounds when everything that is being written is durable.
    pub(crate) planned: Bounds,
    /// Whether the segment holds a record of it; otherwise it was only looked up.
    pub(crate) touched: bool,
    /// Its frames of events.
    pub(crate) frames: Vec<FrameRef>,
    /// The frame of its first event of all, if that is here.
    pub(crate) begins_at: Option<u32>,
    /// Whether its set of snapshots changed here.
    pub(crate) snapshots_changed: bool,
}

/// What was deleted by the frames of a segment: where room can be had by compaction.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    /// The numbers of events, by entry.
    pub(crate) events: Vec<(u32, SeqRange)>,
    /// The places of snapshots.
    pub(crate) snapshots: Vec<Position>,
}

/// The index of one segment.
#[derive(Debug)]
pub(crate) struct MemIndex {
    pub(crate) segment: SegmentNr,
    pub(crate) entries: Vec<Entry>,
    by_id: HashMap<PersistenceId, u32>,
    tags: HashMap<Tag, Vec<u32>>,
    /// The entries whose id begins here, in the order of their first frames.
    beginning: Vec<u32>,
    pub(crate) events: u64,
    /// What died here, of this segment and of older ones.
    pub(crate) deaths: Deaths,
    /// Where the last durable frame ends.
    pub(crate) end: u32,
    /// The checksum of the last durable frame, or of the segment's header.
    pub(crate) last_checksum: u32,
}

impl MemIndex {
    /// The index of a segment that holds no frame yet.
    pub(crate) fn new(segment: SegmentNr, end: u32, header_checksum: u32) -> Self {
        Self {
            segment,
            entries: Vec::new(),
            by_id: HashMap::new(),
            tags: HashMap::new(),
            beginning: Vec::new(),
            events: 0,
            deaths: Deaths::default(),
            end,
            last_checksum: header_checksum,
        }
    }

    /// The number of the entry of `id`.
    pub(crate) fn find(&self, id: &PersistenceId) -> Option<usize> {
        self.by_id.get(id).map(|entry| index(*entry))
    }

    /// The entry of `id`.
    pub(crate) fn get(&self, id: &PersistenceId) -> Option<&Entry> {
        self.entries.get(self.find(id)?)
    }

    /// Adds an entry for `id` with what is known of it, unless there is one.
    pub(crate) fn insert(&mut self, id: &PersistenceId, head: Head) -> usize {
        if let Some(found) = self.find(id) {
            return found;
        }
        let number = self.entries.len();
        self.by_id.insert(id.clone(), byte_count(number));
        self.entries.push(Entry {
            id: id.clone(),
            planned: head.bounds,
            head,
            touched: false,
            frames: Vec::new(),
            begins_at: None,
            snapshots_changed: false,
        });
        number
    }

    /// Says that nothing of `entry` is being written: what is durable is all there is.
    pub(crate) fn settle(&mut self, entry: usize) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.planned = entry.head.bounds;
        }
    }

    /// The frames that hold an event with `tag`, ascending.
    pub(crate) fn tag_frames(&self, tag: &Tag) -> &[u32] {
        self.tags.get(tag).map_or(&[], Vec::as_slice)
    }

    /// All tags with their frames.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&Tag, &[u32])> {
        self.tags.iter().map(|(tag, frames)| (tag, frames.as_slice()))
    }

    /// The ids that begin here at or after `byte`, up to `ids_max`.
    pub(crate) fn beginning_ids(&self, byte: u32, ids_max: usize) -> Vec<(PersistenceId, u32)> {
        let entries = self.beginning.iter().filter_map(|entry| self.entries.get(index(*entry)));
        entries
            .filter_map(|entry| Some((entry.id.clone(), entry.begins_at?)))
            .skip_while(|(_, begins_at)| *begins_at < byte)
            .take(ids_max)
            .collect()
    }

    /// Records that frames of the id of `entry` are gone, with `events` if there were any.
    pub(crate) fn apply_gap(&mut self, entry: usize, events: Option<GapEvents>) {
        let Some(found) = self.entries.get_mut(entry) else {
            unreachable!("a gap is applied to an entry that was made for it");
        };
        found.touched = true;
        let Some(GapEvents { last, begins_at, .. }) = events else { return };
        found.head.bounds = Bounds { deleted_to: last, highest: last };
        if begins_at.is_some() {
            found.begins_at = begins_at;
            self.beginning.push(byte_count(entry));
        }
    }

    /// Records that a frame at `byte` became durable; its id's entry is `entry`.
    pub(crate) fn apply(&mut self, change: &Change, entry: usize, byte: u32) {
        let position = Position::new(self.segment, byte);
        let Some(found) = self.entries.get_mut(entry) else {
            unreachable!("a change is applied to the entry that it was planned for");
        };
        found.touched = true;
        match change {
            Change::Events { first, count, deleted_to, ingest, tags, .. } => {
                found.frames.push(FrameRef { byte, count: *count, first: *first });
                let bounds = &mut found.head.bounds;
                bounds.highest = first.plus(u64::from(*count) - 1);
                // More may be gone than was deleted when the frame was written.
                bounds.deleted_to = bounds.deleted_to.max(*deleted_to);
                if *first == SeqNr::FIRST || *ingest {
                    found.begins_at = Some(byte);
                    found.head.bounds.deleted_to = first.previous();
                    self.beginning.push(byte_count(entry));
                }
                self.events += u64::from(*count);
                for tag in tags {
                    match self.tags.get_mut(tag) {
                        Some(frames) => frames.push(byte),
                        None => drop(self.tags.insert(tag.clone(), vec![byte])),
                    }
                }
            }
            Change::Delete { to, .. } => {
                let bounds = &mut found.head.bounds;
                if *to > bounds.deleted_to {
                    let range = SeqRange::new(bounds.deleted_to.next(), *to);
                    self.deaths.events.push((byte_count(entry), range));
                    bounds.deleted_to = *to;
                }
            }
            Change::SnapshotSave { seq_nr, timestamp, .. } => {
                let set = changed_set(found, self.segment);
                let dead = set.extract_if(.., |snapshot| snapshot.seq_nr == *seq_nr);
                self.deaths.snapshots.extend(dead.map(|snapshot| snapshot.position));
                let place = set.partition_point(|snapshot| snapshot.seq_nr < *seq_nr);
                set.insert(place, SnapshotRef { position, seq_nr: *seq_nr, timestamp: *timestamp });
            }
            Change::SnapshotDelete { criteria, .. } => {
                let dead = changed_set(found, self.segment).extract_if(.., |snapshot| {
                    criteria.matches(snapshot.seq_nr, snapshot.timestamp)
                });
                self.deaths.snapshots.extend(dead.map(|snapshot| snapshot.position));
            }
            Change::OffsetSave(_) => {}
        }
    }
}

fn changed_set(entry: &mut Entry, segment: SegmentNr) -> &mut Vec<SnapshotRef> {
    entry.snapshots_changed = true;
    entry.head.snapshots = Snapshots::In(segment);
    entry.head.snapshot_set.get_or_insert_default()
}

impl Entry {
    /// The frames that hold an event of `from..=to`.
    pub(crate) fn frames_in(&self, from: SeqNr, to: SeqNr) -> &[FrameRef] {
        let last = |frame: &FrameRef| frame.first.plus(u64::from(frame.count) - 1);
        let start = self.frames.partition_point(|frame| last(frame) < from);
        let end = self.frames.partition_point(|frame| frame.first <= to);
        self.frames.get(start..end.max(start)).unwrap_or_default()
    }
}
