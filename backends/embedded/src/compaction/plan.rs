//! What stays of a segment, and what stands for the rest.
//!
//! **Dead** is a frame of events that are all deleted, and that saves no projection offset, and a
//! snapshot that is in no set any more; both as the sealed segments say. Everything else stays.

use std::sync::Arc;

use annals_core::{Error, PersistenceId, Result, SeqNr};
use hashbrown::HashMap;

use super::Compactor;
use crate::catalog::{Sealed, Snapshots};
use crate::engine::Engine;
use crate::format::{
    FrameKind, Gap, GapEvents, GapId, Link, Malformed, Packing, Piece, SEGMENT_HEADER_BYTES,
    SnapshotSave, byte_count, decode_events_head, encode_pieces, seal_body, seal_frame,
};
use crate::log::{Scan, ScannedFrame, SegmentFile, Step, corrupt, packed_bytes};
use crate::position::{Position, SegmentNr};

/// A gap is ended when its frame gets longer than this, so that nobody has to hold a long one.
const GAP_BYTES_MAX: usize = 256 << 10;
/// After how many bytes appends go first.
const PACE_BYTES: u32 = 256 << 10;
/// Of how many ids is remembered what was looked up.
const IDS_MAX: usize = 64 * 1024;

/// A frame that stays, or a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) byte: u32,
    pub(super) checksum: u32,
}

/// What a compaction of a segment makes of it.
#[derive(Debug)]
pub(super) struct Plan {
    /// The segment as it is.
    pub(super) segment: Arc<SegmentFile>,
    /// The sealed segments that were asked.
    pub(super) decided: Position,
    /// What stays, ascending.
    pub(super) pieces: Vec<Piece>,
    /// The frames of new gaps, by their first bytes. All else is copied.
    pub(super) gaps: HashMap<u32, Vec<u8>>,
    /// Every frame there will be.
    pub(super) kept: Vec<Kept>,
    /// Where the frames began that are gone, ascending.
    pub(super) gone: Vec<u32>,
}

impl Plan {
    /// Looks through `segment`.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged: then it stays as it is; `Unavailable`, `Closed`.
    pub(super) fn make(
        engine: &Engine,
        compactor: &Compactor,
        sealed: &Arc<Sealed>,
        segment: SegmentNr,
    ) -> Result<Self> {
        let file = engine.files.get(segment)?;
        let decided = sealed.last_end().map_or(Position::new(segment, 0), |(end, _)| end);
        let plan = Self {
            segment: file.clone(),
            decided,
            pieces: Vec::new(),
            gaps: HashMap::new(),
            kept: Vec::new(),
            gone: Vec::new(),
        };
        let mut planner = Planner { sealed, plan, run: None, ids: HashMap::new() };
        let header = &file.header;
        let mut scan = Scan::new(
            engine.storage(),
            &file,
            SEGMENT_HEADER_BYTES,
            Some(header.checksum()),
            header.capacity,
        );
        let (mut paced, mut seen) = (0, 0);
        loop {
            let damaged = |byte: u32, what: &dyn std::fmt::Display| {
                corrupt(engine.storage(), segment, byte.into(), what)
            };
            match scan.step()? {
                Step::Frame(frame) => {
                    let dead = planner.dead(&frame)?.map_err(|what| damaged(frame.byte, &what))?;
                    planner.add(&frame, dead, scan.end());
                    if frame.byte.saturating_sub(paced) >= PACE_BYTES {
                        compactor.pace(engine, u64::from(frame.byte - paced), &mut seen)?;
                        paced = frame.byte;
                    }
                }
                Step::Invalid { byte, what } => return Err(damaged(byte, &what)),
                Step::End { byte } => {
                    // Blocks that read as zeroes look like the end.
                    let whole = sealed.meta(segment).is_some_and(|meta| meta.end == byte);
                    if !whole || scan.first_used(byte)?.is_some() {
                        return Err(damaged(byte, &"the log ends too early"));
                    }
                    planner.end_run();
                    return Ok(planner.plan);
                }
            }
        }
    }

    /// What the file's header will say of its pieces.
    pub(super) fn packing(&self) -> Packing {
        let table = encode_pieces(&self.pieces);
        Packing {
            decided: self.decided,
            pieces: byte_count(self.pieces.len()),
            bytes: self.pieces.iter().map(|piece| piece.length).sum(),
            table_checksum: crc32c::crc32c(&table),
        }
    }

    /// How long the file is now.
    pub(super) fn bytes_before(&self) -> u64 {
        self.segment.file_bytes()
    }

    /// By how much it gets shorter.
    pub(super) fn bytes_given_back(&self) -> u64 {
        self.bytes_before().saturating_sub(packed_bytes(&self.packing()))
    }
}

/// What the sealed segments say of an id.
#[derive(Debug, Default)]
struct Known {
    deleted_to: SeqNr,
    snapshots: Vec<Position>,
}

/// Dead frames that follow one another.
#[derive(Debug)]
struct Run {
    frames: Vec<(Piece, u32)>,
    /// What ties the first one to its place.
    link: Link,
    /// Where the last one ends, and what the next frame is chained to.
    end: (u32, u32),
    ids: Vec<GapId>,
    by_id: HashMap<PersistenceId, usize>,
    /// About how long its gap is.
    gap_bytes: usize,
}

impl Run {
    fn add(&mut self, gone: GapId) {
        if let Some(known) = self.by_id.get(&gone.id).and_then(|at| self.ids.get_mut(*at)) {
            let Some(more) = gone.events else { return };
            let begins_at = known.events.and_then(|events| events.begins_at).or(more.begins_at);
            let first = known.events.map_or(more.first, |events| events.first);
            known.events = Some(GapEvents { first, last: more.last, begins_at });
            return;
        }
        self.gap_bytes += gone.id.as_str().len() + 16;
        self.by_id.insert(gone.id.clone(), self.ids.len());
        self.ids.push(gone);
    }
}

struct Planner<'a> {
    sealed: &'a Sealed,
    plan: Plan,
    run: Option<Run>,
    ids: HashMap<PersistenceId, Known>,
}

impl Planner<'_> {
    /// What is to be kept of the ids of a frame, if it is dead.
    fn dead(&mut self, frame: &ScannedFrame) -> Result<Result<Option<Vec<GapId>>, Malformed>> {
        let position = Position::new(self.plan.segment.header.segment, frame.byte);
        Ok(Ok(match frame.header.kind {
            FrameKind::Events => {
                let head = match decode_events_head(&frame.body) {
                    Ok(head) => head,
                    Err(malformed) => return Ok(Err(malformed)),
                };
                let last = head.first.plus(u64::from(head.count) - 1);
                let begins = head.first == SeqNr::FIRST || head.ingest;
                if head.offset.is_some() || last > self.known(&head.id)?.deleted_to {
                    return Ok(Ok(None));
                }
                let begins_at = begins.then_some(frame.byte);
                let events = GapEvents { first: head.first, last, begins_at };
                Some(vec![GapId { id: head.id, events: Some(events) }])
            }
            FrameKind::SnapshotSave => {
                let snapshot = match SnapshotSave::decode(&frame.body) {
                    Ok(snapshot) => snapshot,
                    Err(malformed) => return Ok(Err(malformed)),
                };
                let id = snapshot.persistence_id;
                if self.known(&id)?.snapshots.contains(&position) {
                    return Ok(Ok(None));
                }
                Some(vec![GapId { id, events: None }])
            }
            FrameKind::Gap => match Gap::decode(&frame.body, frame.byte) {
                Ok(gap) => Some(gap.ids),
                Err(malformed) => return Ok(Err(malformed)),
            },
            FrameKind::Delete | FrameKind::SnapshotDelete | FrameKind::OffsetSave => None,
        }))
    }

    fn known(&mut self, id: &PersistenceId) -> Result<&Known> {
        if !self.ids.contains_key(id) {
            if self.ids.len() >= IDS_MAX {
                self.ids.clear();
            }
            let head = self.sealed.head(id)?.ok_or_else(|| {
                Error::corrupt(format!(
                    "the indexes of the log do not know {id}; its events are there"
                ))
            })?;
            let snapshots = match head.snapshots {
                Snapshots::In(segment) => self.sealed.snapshots(segment, id)?,
                Snapshots::Never | Snapshots::Unknown => Vec::new(),
            };
            let snapshots = snapshots.iter().map(|snapshot| snapshot.position).collect();
            let known = Known { deleted_to: head.bounds.deleted_to, snapshots };
            self.ids.insert(id.clone(), known);
        }
        self.ids.get(id).ok_or_else(|| Error::internal("an id was looked up and is not there"))
    }

    /// Takes the next frame in; behind it the segment goes on at `end`.
    fn add(&mut self, frame: &ScannedFrame, dead: Option<Vec<GapId>>, end: (u32, Option<u32>)) {
        let piece = Piece {
            byte: frame.byte,
            length: frame.header.length,
            is_gap: frame.header.kind == FrameKind::Gap,
        };
        let checksum = frame.header.checksum;
        let Some(ids) = dead else {
            self.end_run();
            return self.keep(piece, checksum);
        };
        if self.run.as_ref().is_some_and(|run| run.gap_bytes >= GAP_BYTES_MAX) {
            self.end_run();
        }
        let run = self.run.get_or_insert_with(|| Run {
            frames: Vec::new(),
            link: Link {
                epoch: self.plan.segment.header.epoch,
                previous: frame.header.previous,
                synced: frame.header.synced,
            },
            end: (0, 0),
            ids: Vec::new(),
            by_id: HashMap::new(),
            gap_bytes: 0,
        });
        run.frames.push((piece, checksum));
        run.end = (end.0, end.1.unwrap_or(checksum));
        ids.into_iter().for_each(|gone| run.add(gone));
    }

    fn keep(&mut self, piece: Piece, checksum: u32) {
        self.plan.kept.push(Kept { byte: piece.byte, checksum });
        match self.plan.pieces.last_mut() {
            Some(last) if last.end() == piece.byte && !last.is_gap && !piece.is_gap => {
                last.length += piece.length;
            }
            _ => self.plan.pieces.push(piece),
        }
    }

    /// Puts a gap in the place of the run, if that is shorter.
    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let Some((first, _)) = run.frames.first() else { return };
        let (byte, (end, checksum)) = (first.byte, run.end);
        let gap = Gap { bytes: end.saturating_sub(byte), checksum, ids: run.ids };
        let mut frame = gap.encode(byte);
        let body = seal_body(&mut frame);
        let length = byte_count(frame.len());
        let now: u32 = run.frames.iter().map(|(piece, _)| piece.length).sum();
        if length >= now {
            for (piece, checksum) in run.frames {
                self.keep(piece, checksum);
            }
            return;
        }
        let checksum = seal_frame(&mut frame, FrameKind::Gap, body, run.link);
        self.keep(Piece { byte, length, is_gap: true }, checksum);
        let frames = run.frames.iter().filter(|(piece, _)| !piece.is_gap);
        self.plan.gone.extend(frames.map(|(piece, _)| piece.byte));
        self.plan.gaps.insert(byte, frame);
    }
}
