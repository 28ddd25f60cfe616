//! Writes a segment anew as it was planned, and puts it in the place of the one before.
//!
//! | step | after a crash behind it |
//! | --- | --- |
//! | `N.seg.tmp` is written, synced, read back and compared | it is removed; nothing happened |
//! | `N.idx` without what is gone replaces the one before, durably; then in memory | right for the old segment too: what it leaves out is hidden |
//! | `N.seg.tmp` becomes `N.seg`, durably | done |
//!
//! So who sees the new segment can see the new index.

use std::io;
use std::sync::Arc;

use annals_core::{Error, Result};

use super::Compactor;
use super::plan::{Kept, Plan};
use crate::engine::Engine;
use crate::format::{Piece, SEGMENT_HEADER_BYTES, SegmentHeader, byte_count, encode_pieces, index};
use crate::log::{Scan, SegmentFile, Step, segment_name, unreadable};
use crate::position::SegmentNr;
use crate::storage::{AlignedBuf, Storage, StorageFile, read_exact_at};

/// How much is written at a time: little enough that a batch of the log never waits long behind it.
const CHUNK_BYTES: usize = 256 << 10;

/// Does what `plan` says.
///
/// # Errors
/// `Unavailable`, `Corrupt`, `Closed`: the segment stays as it was.
pub(super) fn rewrite(engine: &Engine, compactor: &Compactor, plan: Plan) -> Result<()> {
    let segment = plan.segment.header.segment;
    let unfinished = format!("{}.tmp", segment_name(segment));
    let done = write(engine, compactor, &plan, &unfinished)
        .and_then(|()| replace(engine, compactor, plan, &unfinished));
    if done.is_err() {
        // It holds nothing that is not in the segment; the next opening removes it if this cannot.
        let _ = engine.storage().remove(&unfinished);
    }
    done
}

fn write(engine: &Engine, compactor: &Compactor, plan: &Plan, unfinished: &str) -> Result<()> {
    let storage = engine.storage();
    let segment = plan.segment.header.segment;
    let failed = |error| unwritable(storage, segment, error);
    let created = match storage.create(unfinished) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            storage.remove(unfinished).and_then(|()| storage.create(unfinished))
        }
        created => created,
    };
    let header = SegmentHeader { packing: Some(plan.packing()), ..plan.segment.header };
    let mut out = Output {
        engine,
        compactor,
        segment,
        file: created.map_err(failed)?,
        chunk: AlignedBuf::with_capacity(CHUNK_BYTES),
        at: 0,
        seen: 0,
    };
    out.put(header.encode().as_slice())?;
    out.put(&encode_pieces(&plan.pieces))?;
    for piece in &plan.pieces {
        match plan.gaps.get(&piece.byte) {
            Some(frame) => out.put(frame)?,
            None => out.copy(&plan.segment, piece)?,
        }
    }
    let file = out.finish()?;
    read_back(engine, compactor, plan, file)
}

/// A file being written.
struct Output<'a> {
    engine: &'a Engine,
    compactor: &'a Compactor,
    segment: SegmentNr,
    file: Arc<dyn StorageFile>,
    chunk: AlignedBuf,
    /// Where the chunk goes.
    at: u64,
    seen: u64,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.chunk.len());
            let (part, more) = rest.split_at(room.min(rest.len()));
            self.chunk.extend(part);
            rest = more;
            if self.chunk.len() >= CHUNK_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: &SegmentFile, piece: &Piece) -> Result<()> {
        let mut at = piece.byte;
        while at < piece.end() {
            let length = index(piece.end() - at).min(CHUNK_BYTES);
            let mut bytes = vec![0; length];
            read_exact_at(&*from.file, &mut bytes, at.into()).map_err(|error| {
                unreadable(self.engine.storage(), self.segment, at.into(), error)
            })?;
            self.put(&bytes)?;
            at += byte_count(length);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.chunk.pad_to_block();
        let length = u64::from(byte_count(self.chunk.len()));
        self.file
            .write_blocks(&self.chunk, self.at)
            .map_err(|error| unwritable(self.engine.storage(), self.segment, error))?;
        self.at += length;
        self.chunk.clear();
        self.compactor.pace(self.engine, length, &mut self.seen)
    }

    fn finish(mut self) -> Result<Arc<dyn StorageFile>> {
        if !self.chunk.is_empty() {
            self.flush()?;
        }
        self.file.sync().map_err(|error| unwritable(self.engine.storage(), self.segment, error))?;
        Ok(self.file)
    }
}

/// Compares what was written with what was planned, frame by frame.
fn read_back(
    engine: &Engine,
    compactor: &Compactor,
    plan: &Plan,
    file: Arc<dyn StorageFile>,
) -> Result<()> {
    let storage = engine.storage();
    let header = &plan.segment.header;
    let file = SegmentFile::open(storage, Some(engine.store_id), header.segment, file)?;
    let previous = Some(header.checksum());
    let mut scan = Scan::new(storage, &file, SEGMENT_HEADER_BYTES, previous, header.capacity);
    let mut expected = plan.kept.iter();
    let (mut paced, mut seen) = (0, 0);
    loop {
        let found = match scan.step()? {
            Step::Frame(frame) => {
                if paced >= CHUNK_BYTES {
                    compactor.pace(engine, u64::from(byte_count(paced)), &mut seen)?;
                    paced = 0;
                }
                paced += index(frame.header.length);
                Some(Kept { byte: frame.byte, checksum: frame.header.checksum })
            }
            Step::End { .. } => None,
            Step::Invalid { .. } => return Err(differs(storage, header.segment)),
        };
        if found.as_ref() != expected.next() {
            return Err(differs(storage, header.segment));
        }
        if found.is_none() {
            return Ok(());
        }
    }
}

/// Puts what was written in the place of the segment.
fn replace(engine: &Engine, compactor: &Compactor, plan: Plan, unfinished: &str) -> Result<()> {
    let storage = engine.storage();
    let segment = plan.segment.header.segment;
    let _replacing = compactor.begin_replacing(engine)?;
    if !plan.gone.is_empty() {
        let sealed = engine.state.read().sealed.clone();
        let is_gone = |byte| plan.gone.binary_search(&byte).is_ok();
        let index = sealed.rewrite(segment, plan.decided, is_gone)?;
        engine.swap_sealed(|sealed| sealed.with(index.clone()), |_| ());
    }
    engine
        .files
        .replace(plan.segment, || storage.rename(unfinished, &segment_name(segment)))
        .and_then(|()| storage.sync_directory())
        .map_err(|error| unwritable(storage, segment, error))
}

fn unwritable(storage: &dyn Storage, segment: SegmentNr, error: io::Error) -> Error {
    let location = storage.location();
    Error::unavailable(format!(
        "segment {segment} in {location} could not be compacted; it is as it was, and nothing is lost"
    ))
    .with_source(error)
}

fn differs(storage: &dyn Storage, segment: SegmentNr) -> Error {
    let location = storage.location();
    Error::unavailable(format!(
        "segment {segment} in {location} was compacted into a file that does not read as it was written: \
         the disk may be failing; the segment is as it was, and nothing is lost"
    ))
}
