//! The one writer: takes everything that waits, decides on it, and writes it with one synced write.
//! What follows, [`super::completer`] does.
//!
//! ```text
//! queue ──take──► plan (conflicts) ──► one batch ──write+sync──► completer
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{Error, Result};

use super::completer::{Batch, Completer, Durable, Written};
use super::files::{SegmentFile, segment_name};
use super::queue::{Answer, Request};
use super::spare::whole_blocks;
use crate::catalog::{MemIndex, Planned};
use crate::end_file::{EndFile, LogEnd};
use crate::engine::Engine;
use crate::format::{Link, SEGMENT_HEADER_BYTES, SegmentHeader, byte_count, index, seal_frame};
use crate::position::{Position, SegmentNr};
use crate::storage::AlignedBuf;

/// The most bytes of one batch, unless a single frame is larger.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Where the writer goes on.
#[derive(Debug)]
pub(crate) struct WriterParts {
    /// The segment being written.
    pub(crate) segment: SegmentFile,
    /// Where the next batch begins: a block boundary.
    pub(crate) at: u32,
    /// Where what is durable ends.
    pub(crate) synced: Position,
    /// The checksum of the last frame.
    pub(crate) previous: u32,
    /// Tells other processes what is synced.
    pub(crate) end_file: EndFile,
}

/// The writer of a store; owned by its thread.
#[derive(Debug)]
pub(crate) struct Writer {
    engine: Arc<Engine>,
    parts: WriterParts,
    completer: Completer,
}

impl Writer {
    /// A writer that goes on at `parts`.
    pub(crate) fn new(engine: Arc<Engine>, parts: WriterParts, completer: Completer) -> Self {
        Self { engine, parts, completer }
    }

    /// Writes until the queue is closed and empty; then records the end. The body of the thread.
    pub(crate) fn run(mut self) {
        let mut waiting = VecDeque::new();
        while self.engine.queue.take(&mut waiting) {
            self.write_some(&mut waiting);
        }
        self.completer.wait();
        if self.engine.poisoned().is_none() {
            let closed = self.parts.end_file.write_synced(&self.end(true));
            self.engine.record_close(closed);
        }
    }

    fn end(&self, closed: bool) -> LogEnd {
        LogEnd {
            store_id: self.engine.store_id,
            position: self.parts.synced,
            last_checksum: self.parts.previous,
            closed,
        }
    }

    /// Writes one batch of what waits.
    fn write_some(&mut self, waiting: &mut VecDeque<Request>) {
        if let Some(reason) = self.engine.poisoned() {
            for request in waiting.drain(..) {
                let _ = request.answer.send(Answer::Failed(Error::closed(reason.clone())));
            }
            return;
        }
        if let Some(length) = waiting.front().map(|request| byte_count(request.frame.len()))
            && length > self.room()
            && let Err(error) = self.roll(length)
        {
            if let Some(request) = waiting.pop_front() {
                let _ = request.answer.send(Answer::Failed(error));
            }
            return;
        }
        let mut buffer = self.completer.buffer();
        let batch = self.plan(waiting, &mut buffer);
        self.commit(batch, buffer);
    }

    fn room(&self) -> u32 {
        self.parts.segment.header.capacity.saturating_sub(self.parts.at)
    }

    /// Decides on what waits, and gathers what fits into the buffer.
    fn plan(&mut self, waiting: &mut VecDeque<Request>, buffer: &mut AlignedBuf) -> Batch {
        let mut batch = Batch::default();
        let room = index(self.room());
        let mut checksum = self.parts.previous;
        buffer.clear();
        let mut state = self.engine.state.write();
        while let Some(next) = waiting.front() {
            let length = buffer.len() + next.frame.len();
            if length > room || (length > BATCH_BYTES_MAX && !buffer.is_empty()) {
                break;
            }
            let Some(request) = waiting.pop_front() else { break };
            match state.plan(&request.change, request.entry) {
                Planned::Write { entry } => {
                    let link = Link {
                        epoch: self.parts.segment.header.epoch,
                        previous: checksum,
                        synced: Position::new(self.parts.segment.header.segment, self.parts.at),
                    };
                    let from = buffer.len();
                    let byte = self.parts.at + byte_count(from);
                    buffer.extend(&request.frame);
                    // In the buffer, since the frame's memory is the caller's.
                    let frame = buffer.as_mut_slice().get_mut(from..).unwrap_or_default();
                    checksum = seal_frame(frame, request.kind, request.body, link);
                    let Request { frame, change, answer, .. } = request;
                    batch.written.push(Written { frame, change, entry, byte, answer });
                }
                Planned::Conflict { highest } => batch.conflicts.push((request.answer, highest)),
                Planned::Reload => batch.reloads.push(request.answer),
            }
        }
        drop(state);
        if !batch.written.is_empty() {
            self.parts.previous = checksum;
        }
        batch
    }

    /// Makes the batch durable, and hands it on.
    fn commit(&mut self, batch: Batch, mut buffer: AlignedBuf) {
        let start = Position::new(self.parts.segment.header.segment, self.parts.at);
        let length = buffer.len();
        if !batch.written.is_empty() {
            buffer.pad_to_block();
            let written = self.parts.segment.file.write_blocks_synced(&buffer, start.byte.into());
            if let Err(error) = written {
                return self.poison(batch, &error);
            }
            let end = Position::new(start.segment, start.byte + byte_count(length));
            self.parts.at = whole_blocks(end.byte);
            self.parts.synced = end;
        }
        let durable = Durable { batch, buffer, length, start, end: self.end(false) };
        if !self.completer.complete(durable) {
            self.engine.poison(format!(
                "the thread that answers appends to the log in {} is gone; nothing acknowledged is lost, \
                 and nothing more is written: open the store anew",
                self.engine.location()
            ));
        }
    }

    /// A write failed: what of it is durable is not known, and writing on could bury it. Nothing is
    /// written any more until the store is opened anew, which finds out.
    fn poison(&self, batch: Batch, error: &std::io::Error) {
        let file = segment_name(self.parts.segment.header.segment);
        let location = self.engine.location();
        let reason = format!(
            "a write to {file} in {location} failed ({error}); nothing acknowledged is lost, and nothing \
             more is written: open the store anew"
        );
        tracing::error!(%reason, "the log is closed");
        self.engine.poison(reason.clone());
        for Written { answer, change, .. } in batch.written {
            let id = change.id().map(ToString::to_string).unwrap_or_default();
            let unknown =
                Error::outcome_unknown(format!("whether {id} was written is not known: {reason}"));
            let _ = answer.send(Answer::Failed(unknown));
        }
        let others = batch.conflicts.into_iter().map(|(answer, _)| answer);
        for answer in others.chain(batch.reloads) {
            let _ = answer.send(Answer::Failed(Error::closed(reason.clone())));
        }
    }

    /// Begins the next segment, with room for a frame of `length` bytes.
    fn roll(&mut self, length: u32) -> Result<()> {
        let storage = self.engine.storage();
        let full = &self.parts.segment.header;
        let next = full.segment.next();
        let capacity = self.engine.settings.capacity_of(next);
        let capacity_min = whole_blocks(length.saturating_add(SEGMENT_HEADER_BYTES));
        let spare = self.engine.spares.take(capacity, capacity_min).map_err(|error| {
            let location = storage.location();
            Error::unavailable(format!(
                "the log in {location} has no room for its next segment of {capacity} bytes; nothing of this \
                 append was written, and it succeeds when there is room"
            ))
            .with_source(error)
        })?;
        let header = SegmentHeader {
            store_id: full.store_id,
            segment: next,
            epoch: self.engine.draw_epoch(next),
            previous_end: Some(self.parts.synced),
            previous_checksum: self.parts.previous,
            capacity: spare.capacity,
            packing: None,
        };
        let begun = spare
            .file
            .write_blocks_synced(&header.encode(), 0)
            .and_then(|()| storage.rename(&spare.name, &segment_name(next)))
            .and_then(|()| storage.sync_directory());
        if let Err(error) = begun {
            let location = storage.location();
            let reason = format!(
                "segment {next} in {location} could not be begun ({error}); nothing acknowledged is lost, and \
                 nothing more is written: open the store anew"
            );
            self.engine.poison(reason.clone());
            return Err(Error::closed(reason).with_source(error));
        }
        self.begin(SegmentFile { file: spare.file, header, packed: None }, next);
        Ok(())
    }

    fn begin(&mut self, segment: SegmentFile, next: SegmentNr) {
        let checksum = segment.header.checksum();
        // What was written to the full segment goes into its index.
        self.completer.wait();
        self.parts.segment = segment;
        self.parts.at = SEGMENT_HEADER_BYTES;
        // The log ends here now, also if nothing is ever written to this segment.
        self.parts.synced = Position::new(next, SEGMENT_HEADER_BYTES);
        self.parts.previous = checksum;
        self.engine.state.write().roll(MemIndex::new(next, SEGMENT_HEADER_BYTES, checksum));
        self.engine.spares.want(self.engine.settings.capacity_of(next.next()));
        self.engine.sealer.wake();
    }
}
