//! Checks every byte of a store: what reading events would never look at, too.

use std::sync::Arc;

use annals_core::Result;

use crate::engine::Engine;
use crate::format::{FrameKind, Gap, SEGMENT_HEADER_BYTES};
use crate::log::{Packed, Reading, Scan, ScannedFrame, Step, corrupt};
use crate::position::{Position, SegmentNr};
use crate::store::EmbeddedStore;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Segments of the log.
    pub segments: u64,
    /// Frames in them, each with its checksums and its place in the chain.
    pub frames: u64,
    /// Bytes of the log, up to its end.
    pub bytes: u64,
    /// Segments that were compacted.
    pub segments_compacted: u64,
}

impl EmbeddedStore {
    /// Reads the whole log, its index files and its directory, and checks every checksum, the chain
    /// of frames and the zeroes between them, up to what is durable when it begins.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and the place of the first damage; `Unavailable`, `Closed`.
    pub async fn verify(&self) -> Result<Verified> {
        self.blocking_read(|engine| {
            engine.check_undamaged()?;
            verify_log(engine)
        })
        .await
    }
}

fn verify_log(engine: &Arc<Engine>) -> Result<Verified> {
    let (end, sealed) = {
        let state = engine.state.read();
        (state.end, state.sealed.clone())
    };
    let reading = Reading::begin(&engine.files);
    let mut verified = Verified::default();
    let mut number = SegmentNr::FIRST;
    while number <= end.segment {
        let segment = reading.file(number)?;
        let last = number == end.segment;
        let limit = if last { end.byte } else { segment.header.capacity };
        let previous = Some(segment.header.checksum());
        let mut scan = Scan::new(engine.storage(), &segment, SEGMENT_HEADER_BYTES, previous, limit);
        let mut frame_bytes = 0;
        let stop = loop {
            match scan.step()? {
                Step::Frame(frame) => {
                    verified.frames += 1;
                    frame_bytes += u64::from(frame.header.length);
                    check_body(engine, number, &frame)?;
                }
                Step::End { byte } => break byte,
                Step::Invalid { byte, what } => {
                    return Err(corrupt(engine.storage(), number, byte.into(), what));
                }
            }
        };
        // Blocks that read as zeroes look like the end.
        let whole =
            if last { stop == end.byte } else { engine.is_end(Position::new(number, stop))? };
        if !whole {
            return Err(corrupt(engine.storage(), number, stop.into(), "the log ends too early"));
        }
        if !last && let Some(used) = scan.first_used(stop)? {
            let what = "something lies behind the last frame of a full segment";
            return Err(corrupt(engine.storage(), number, used.into(), what));
        }
        if let Some(packed) = &segment.packed {
            verified.segments_compacted += 1;
            verify_packed(engine, number, packed, frame_bytes)?;
        }
        verified.segments += 1;
        verified.bytes += u64::from(limit);
        number = number.next();
    }
    sealed.verify()?;
    Ok(verified)
}

fn check_body(engine: &Engine, segment: SegmentNr, frame: &ScannedFrame) -> Result<()> {
    if frame.header.kind != FrameKind::Gap {
        return Ok(());
    }
    let gap = Gap::decode(&frame.body, frame.byte);
    gap.map(drop).map_err(|what| corrupt(engine.storage(), segment, frame.byte.into(), what))
}

/// A compacted segment holds its frames and nothing else.
fn verify_packed(
    engine: &Engine,
    number: SegmentNr,
    packed: &Packed,
    frame_bytes: u64,
) -> Result<()> {
    let damaged = |byte: u64, what: &str| Err(corrupt(engine.storage(), number, byte, what));
    if packed.pieces().map(|piece| u64::from(piece.length)).sum::<u64>() != frame_bytes {
        return damaged(SEGMENT_HEADER_BYTES.into(), "the table of pieces names more than frames");
    }
    if packed
        .rest_is_used()
        .map_err(|error| crate::log::unreadable(engine.storage(), number, packed.end(), error))?
    {
        return damaged(
            packed.end(),
            "something lies behind the last piece of a compacted segment",
        );
    }
    Ok(())
}
