//! Which segments are worth compacting: about how much of each died, counted as segments are sealed.
//!
//! The index file of each segment keeps what its own frames deleted, by segment, so that nothing has to
//! be looked for when a store is opened.

use std::collections::BTreeMap;

use annals_core::Result;

use crate::catalog::{MemIndex, Sealed};
use crate::engine::Engine;
use crate::format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, SEGMENT_HEADER_BYTES, index};
use crate::index::{DeadBytes, FrameRef};
use crate::position::{Position, SegmentNr};
use crate::storage::read_exact_at;

/// A segment that was tried in vain is tried again when as much more died: one part in this many.
const AGAIN_PART: u64 = 8;

/// What the frames of `full`, which is to be sealed, deleted in it and in the segments before.
///
/// # Errors
/// `Corrupt`, `Unavailable`.
pub(crate) fn dead_bytes(
    full: &MemIndex,
    sealed: &Sealed,
    engine: &Engine,
) -> Result<Vec<DeadBytes>> {
    let mut dead: BTreeMap<SegmentNr, u64> = BTreeMap::new();
    let mut add = |segment, bytes| *dead.entry(segment).or_default() += bytes;
    for (entry, range) in &full.deaths.events {
        let Some(entry) = full.entries.get(index(*entry)) else { continue };
        let died = |frame: &&FrameRef| range.contains(frame.last());
        let count = |frames: &[FrameRef]| -> u64 {
            frames.iter().filter(died).map(|frame| u64::from(frame.count)).sum()
        };
        let here = count(entry.frames_in(range.from, range.to));
        add(full.segment, here.saturating_mul(event_bytes(full.end, full.events)));
        for segment in sealed.segments_of(&entry.id, *range)? {
            let count = count(&sealed.frames(segment, &entry.id, *range)?);
            let Some(meta) = sealed.meta(segment) else { continue };
            add(segment, count.saturating_mul(event_bytes(meta.end, meta.events)));
        }
    }
    for position in &full.deaths.snapshots {
        add(position.segment, snapshot_bytes(engine, *position).unwrap_or_default());
    }
    dead.retain(|_, bytes| *bytes > 0);
    Ok(dead.into_iter().map(|(segment, bytes)| DeadBytes { segment, bytes }).collect())
}

/// What an event takes of a segment on average, its share of the padding included.
fn event_bytes(end: u32, events: u64) -> u64 {
    u64::from(end.saturating_sub(SEGMENT_HEADER_BYTES)) / events.max(1)
}

/// How long the frame of a snapshot is; `None` if it is gone already.
fn snapshot_bytes(engine: &Engine, position: Position) -> Option<u64> {
    let file = engine.files.get(position.segment).ok()?;
    let mut header = [0; FRAME_HEADER_BYTES];
    read_exact_at(&*file.file, &mut header, position.byte.into()).ok()?;
    let header = FrameHeader::decode(&header, file.header.epoch).ok()??;
    (header.kind == FrameKind::SnapshotSave).then_some(header.length.into())
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    /// About how many bytes died since it was compacted.
    dead: u64,
    /// How many there were when it was tried last.
    tried: Option<u64>,
    /// How long the log in it is.
    bytes: u64,
}

/// How much of each segment died.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    tallies: BTreeMap<SegmentNr, Tally>,
    /// The newest segment whose deletes are counted.
    counted: Option<SegmentNr>,
}

impl Estimate {
    /// Counts what was sealed since the last time.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn refresh(&mut self, engine: &Engine) -> Result<()> {
        let sealed = engine.state.read().sealed.clone();
        let Some((end, _)) = sealed.last_end() else { return Ok(()) };
        let mut segment = self.counted.map_or(SegmentNr::FIRST, SegmentNr::next);
        let mut decided = BTreeMap::new();
        while segment <= end.segment {
            for DeadBytes { segment: of, bytes } in sealed.dead(segment)? {
                let looked_at = match decided.get(&of) {
                    Some(known) => *known,
                    None => *decided.entry(of).or_insert(decided_in(engine, &sealed, of)?),
                };
                if looked_at.is_none_or(|looked_at: SegmentNr| looked_at < segment) {
                    self.tallies.entry(of).or_default().dead += bytes;
                }
            }
            let length = sealed.meta(segment).map_or(0, |meta| meta.end);
            let tally = self.tallies.entry(segment).or_default();
            tally.bytes = length.saturating_sub(SEGMENT_HEADER_BYTES).into();
            self.counted = Some(segment);
            segment = segment.next();
        }
        Ok(())
    }

    /// The segment of which the greatest part died, if that is `percent_min` at least.
    pub(crate) fn most_dead(&self, percent_min: u8) -> Option<SegmentNr> {
        let worth = |tally: &Tally| {
            let enough = tally.dead * 100 >= tally.bytes * u64::from(percent_min);
            let again = tally.tried.is_none_or(|tried| {
                tally.dead >= tried.saturating_add(tally.bytes / AGAIN_PART).max(1)
            });
            tally.dead > 0 && enough && again
        };
        let share = |tally: &Tally| (tally.dead << 10) / tally.bytes.max(1);
        let tallies = self.tallies.iter().filter(|(_, tally)| worth(tally));
        tallies.max_by_key(|(_, tally)| share(tally)).map(|(segment, _)| *segment)
    }

    /// Says that a segment is being tried.
    pub(crate) fn tried(&mut self, segment: SegmentNr) {
        let tally = self.tallies.entry(segment).or_default();
        tally.tried = Some(tally.dead);
    }

    /// Says that nothing dead is left in a segment.
    pub(crate) fn compacted(&mut self, segment: SegmentNr) {
        let tally = self.tallies.entry(segment).or_default();
        (tally.dead, tally.tried) = (0, None);
    }
}

/// The newest segment whose deletes were looked at when `segment` was compacted. Its file says so: its
/// index was written first, and may be newer.
fn decided_in(engine: &Engine, sealed: &Sealed, segment: SegmentNr) -> Result<Option<SegmentNr>> {
    if sealed.meta(segment).is_none_or(|meta| meta.decided.is_none()) {
        return Ok(None);
    }
    let packing = engine.files.get(segment)?.header.packing;
    Ok(packing.map(|packing| packing.decided.segment))
}
