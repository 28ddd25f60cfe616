//! The history of one entity, batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{Batch, Error, ErrorKind, PersistenceId, Result, SeqNr, SeqRange};

use super::FrameReader;
use crate::catalog::{MemIndex, Sealed};
use crate::engine::Engine;
use crate::follower::View;
use crate::format::decode_events;
use crate::index::FrameRef;
use crate::log::Reading;
use crate::position::SegmentNr;
use crate::stats::Counters;

/// The bytes of frames that a batch holds, but for one append. Decoded they take several times as many: few
/// enough that the processor's cache holds them until they are applied, though another thread decoded them.
const REPLAYED_BYTES: usize = 128 << 10;

/// Where the frames of one segment are known from.
#[derive(Debug)]
enum Piece {
    Frames(SegmentNr, Vec<FrameRef>),
    Unsealed(Arc<MemIndex>),
    Sealed(SegmentNr),
}

/// A replay under way. What it covers was fixed when it was made.
#[derive(Debug)]
pub(crate) struct Replay {
    engine: Arc<Engine>,
    reading: Reading,
    view: View,
    sealed: Arc<Sealed>,
    id: PersistenceId,
    /// What is still to be delivered.
    rest: SeqRange,
    /// Whether anything was.
    delivered: bool,
    pieces: VecDeque<Piece>,
    frames: VecDeque<FrameRef>,
    reader: Option<FrameReader>,
    /// What is told when everything before it was delivered.
    failed: Option<Error>,
}

impl Replay {
    /// A replay of what is stored of `range` now.
    pub(crate) fn new(engine: Arc<Engine>, id: PersistenceId, range: SeqRange) -> Result<Self> {
        // Before anything is looked up.
        let reading = Reading::begin(&engine.files);
        let view = engine.view();
        let mut pieces = VecDeque::new();
        let (head, sealed) = {
            let state = engine.state.read();
            for segment in &state.sealing {
                if segment.get(&id).is_some_and(|entry| entry.touched) {
                    pieces.push_back(Piece::Unsealed(segment.clone()));
                }
            }
            if let Some(entry) = state.active.get(&id) {
                let frames = entry.frames_in(range.from, range.to).to_vec();
                pieces.push_back(Piece::Frames(state.active.segment, frames));
            }
            (state.head_in_memory(&id), state.sealed.clone())
        };
        let head = match head {
            Some(head) => Some(head),
            None => sealed.head(&id)?,
        };
        let stored = head.map(|head| head.bounds.stored());
        let rest = stored.map_or(SeqRange::new(SeqNr::FIRST, SeqNr::ZERO), |stored| {
            SeqRange::new(range.from.max(stored.from), range.to.min(stored.to))
        });
        if !rest.is_empty() {
            for segment in sealed.segments_of(&id, rest)? {
                pieces.push_front(Piece::Sealed(segment));
            }
        }
        // What lies in damage may have been its last events.
        let beyond = range.to > stored.map_or(SeqNr::ZERO, |stored| stored.to);
        let failed = if beyond { engine.check_certain(&id).err() } else { None };
        let (frames, reader) = (VecDeque::new(), None);
        let delivered = false;
        Ok(Self {
            engine,
            reading,
            view,
            sealed,
            id,
            rest,
            delivered,
            pieces,
            frames,
            reader,
            failed,
        })
    }

    /// The engine it reads.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whether everything was delivered.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty() && self.failed.is_none()
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` if a frame is damaged or missing, after the events before it; `Unavailable` if the log
    /// cannot be read.
    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < REPLAYED_BYTES && !self.rest.is_empty() {
            let added = match self.add_frame(&mut batch) {
                Err(error) if error.kind() == ErrorKind::Corrupt => self.begin_again(error),
                added => added,
            };
            match added {
                Ok(count) => bytes += count,
                Err(error) => {
                    self.rest = SeqRange::new(SeqNr::FIRST, SeqNr::ZERO);
                    self.failed = Some(error);
                }
            }
        }
        Counters::add(&self.engine.counters.events_decoded, batch.events.len());
        if !batch.events.is_empty() {
            return Ok(Some(batch));
        }
        self.failed.take().map_or(Ok(None), Err)
    }

    /// A frame may be missing since its segment was compacted meanwhile, by another process: then the rest
    /// is looked up anew, unless it was deleted as well.
    fn begin_again(&mut self, missing: Error) -> Result<usize> {
        let reloaded = self.engine.reload(&self.view)?;
        let deleted_to = self.engine.bounds(&self.id)?.deleted_to;
        let deleted = deleted_to >= self.rest.from;
        if !reloaded && !deleted {
            return Err(missing);
        }
        if deleted && self.delivered {
            return Err(Error::unavailable(format!(
                "the events of {} up to {deleted_to} were deleted, and their room given back, while they were \
                 read: read it again",
                self.id
            )));
        }
        let delivered = self.delivered;
        *self = Self { delivered, ..Self::new(self.engine.clone(), self.id.clone(), self.rest)? };
        Ok(0)
    }

    fn add_frame(&mut self, batch: &mut Batch) -> Result<usize> {
        let Some(frame) = self.next_frame()? else {
            return Err(Error::corrupt(format!(
                "events {}-{} of {} are missing from the log in {}",
                self.rest.from,
                self.rest.to,
                self.id,
                self.engine.location()
            )));
        };
        self.read(frame, batch)
    }

    fn next_frame(&mut self) -> Result<Option<FrameRef>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let Some(piece) = self.pieces.pop_front() else { return Ok(None) };
            let (segment, frames) = match piece {
                Piece::Frames(segment, frames) => (segment, frames),
                Piece::Sealed(segment) => {
                    (segment, self.sealed.frames(segment, &self.id, self.rest)?)
                }
                Piece::Unsealed(index) => {
                    let entry = index.get(&self.id);
                    let frames = entry.map(|entry| entry.frames_in(self.rest.from, self.rest.to));
                    (index.segment, frames.unwrap_or_default().to_vec())
                }
            };
            let within = |frame: &FrameRef| frame.first <= self.rest.to;
            self.frames = frames
                .into_iter()
                .filter(|frame| last_of(frame) >= self.rest.from && within(frame))
                .collect();
            if !self.frames.is_empty() {
                self.reader = Some(FrameReader::new(self.engine.clone(), &self.reading, segment)?);
            }
        }
    }

    /// Adds the events of `frame` that are wanted; gives the bytes that the frame holds.
    fn read(&mut self, frame: FrameRef, batch: &mut Batch) -> Result<usize> {
        let Some(reader) = &mut self.reader else { return Ok(0) };
        let mut next = self.frames.iter().map(|frame| frame.byte);
        let read = reader.read(frame.byte, &mut next)?;
        let (head, events) =
            decode_events(&read.body).map_err(|malformed| reader.damaged(frame.byte, malformed))?;
        if head.id != self.id || head.first != frame.first {
            return Err(reader.damaged(frame.byte, "the index and the log disagree"));
        }
        if frame.first > self.rest.from {
            let what = format!("event {} of {} is missing", self.rest.from, self.id);
            return Err(reader.damaged(frame.byte, what));
        }
        let ends = events.first().into_iter().chain(events.last());
        if batch.events.is_empty() && ends.into_iter().all(|event| self.rest.contains(event.seq_nr))
        {
            // A whole frame, mostly: its events are not moved once more.
            batch.events = events;
        } else {
            batch
                .events
                .extend(events.into_iter().filter(|event| self.rest.contains(event.seq_nr)));
        }
        if let Some(last) = batch.events.last() {
            self.rest.from = last.seq_nr.next();
            self.delivered = true;
        }
        Ok(read.body.len())
    }
}

fn last_of(frame: &FrameRef) -> SeqNr {
    frame.first.plus(u64::from(frame.count) - 1)
}
