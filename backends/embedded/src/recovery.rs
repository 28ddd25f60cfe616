//! Opening: finds out where the log ends, and makes the catalog of what is not sealed.
//!
//! ```text
//! sealed segments: their index files say where they end
//! the rest:        every frame is read and checked
//! the last one:    its end is a torn write (cut), or damage (Corrupt)
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Error, ErrorKind, Result, StoredOffset};

use crate::apply::Applier;
use crate::catalog::{MemIndex, Sealed};
use crate::damage::Damage;
use crate::end_file::LogEnd;
use crate::format::{FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, byte_count, index};
use crate::log::{
    Scan, SegmentFile, Step, corrupt, first_used, segment_name, segment_of, unreadable,
    whole_blocks,
};
use crate::position::{Position, SegmentNr};
use crate::storage::{AlignedBuf, BLOCK_BYTES, Storage, read_exact_at};

/// What was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) active: MemIndex,
    pub(crate) sealing: Vec<Arc<MemIndex>>,
    pub(crate) offsets: BTreeMap<String, StoredOffset>,
    /// The active segment.
    pub(crate) segment: SegmentFile,
    /// What a read-only opening reads around.
    pub(crate) damage: Option<Damage>,
    /// How many bytes were scanned.
    pub(crate) scanned: u64,
}

/// The segments that have a file, ascending.
pub(crate) fn segments(storage: &dyn Storage) -> Result<Vec<SegmentNr>> {
    let names = storage.list().map_err(|error| {
        let location = storage.location();
        Error::unavailable(format!("the directory {location} cannot be read")).with_source(error)
    })?;
    let mut segments: Vec<SegmentNr> = names.iter().filter_map(|name| segment_of(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Writing: a torn end is cut off.
    Write,
    /// Reading, while no process writes.
    Read,
    /// Reading, while another process writes: nothing behind the end that it tells is looked at.
    Follow,
}

/// Where frames end.
struct Stop {
    /// Where the last one ends, or what is no frame begins.
    byte: u32,
    /// What is wrong there; `None` if nothing was written behind.
    invalid: Option<&'static str>,
    /// What was synced before the write of the last frame began.
    synced: Option<Position>,
}

/// Takes the frames that follow in `scan` into the index of their segment, up to where they end.
fn take_frames(
    scan: &mut Scan<'_>,
    applier: &mut Applier<'_>,
    into: &mut MemIndex,
) -> Result<Stop> {
    let mut synced = None;
    loop {
        let (byte, invalid) = match scan.step()? {
            Step::Frame(frame) => {
                applier.apply(&frame, into)?;
                let (end, checksum) = scan.end();
                into.end = end;
                into.last_checksum = checksum.unwrap_or(frame.header.checksum);
                synced = Some(frame.header.synced);
                continue;
            }
            Step::End { byte } => (byte, None),
            Step::Invalid { byte, what } => (byte, Some(what)),
        };
        return Ok(Stop { byte, invalid, synced });
    }
}

/// Takes the frames of `file` behind those of `into` in, up to `limit`, which is durable. `whole` says
/// that frames must reach the limit; otherwise the segment is full before it.
pub(crate) fn take_in(
    mut applier: Applier<'_>,
    file: &SegmentFile,
    into: &mut MemIndex,
    limit: u32,
    whole: bool,
) -> Result<()> {
    let previous = Some(into.last_checksum);
    let mut scan = Scan::new(applier.storage, file, into.end, previous, limit);
    let Stop { byte, invalid, .. } = take_frames(&mut scan, &mut applier, into)?;
    let short =
        (whole && byte != limit).then_some("the log ends before the end that its writer tells");
    match invalid.or(short) {
        Some(what) => Err(corrupt(applier.storage, file.header.segment, byte.into(), what)),
        None => Ok(()),
    }
}

/// How much of the end of the log is read or written at a time.
const SETTLE_BYTES: usize = 1 << 20;

/// A recovery under way.
#[derive(Debug)]
pub(crate) struct Recovery<'a> {
    storage: &'a dyn Storage,
    end: LogEnd,
    sealed: &'a Sealed,
    sealing: Vec<Arc<MemIndex>>,
    offsets: BTreeMap<String, StoredOffset>,
    /// What was synced before the write of the last frame began.
    last_synced: Position,
    damage: Option<Damage>,
    scanned: u64,
}

impl<'a> Recovery<'a> {
    /// A recovery of the store whose end file says `end`.
    pub(crate) fn new(storage: &'a dyn Storage, end: LogEnd, sealed: &'a Sealed) -> Result<Self> {
        let offsets = sealed.offsets()?;
        let sealing = Vec::new();
        let last_synced = end.position;
        let damage = None;
        Ok(Self { storage, end, sealed, sealing, offsets, last_synced, damage, scanned: 0 })
    }

    /// Reads the segments that are not sealed.
    ///
    /// # Errors
    /// `Corrupt` for damage of anything that was durable, with file and position.
    pub(crate) fn run(mut self, purpose: Purpose) -> Result<Recovered> {
        let writable = purpose == Purpose::Write;
        let mut previous = self.sealed.last_end();
        let first = previous.map_or(SegmentNr::FIRST, |(end, _)| end.segment.next());
        let last = match purpose {
            Purpose::Follow => self.end.position.segment.max(first),
            Purpose::Write | Purpose::Read => self.last(first)?,
        };
        let mut number = first;
        loop {
            let (file, mut mem_index) = self.open(number, previous, writable)?;
            let end = match purpose {
                Purpose::Follow if number == last => self.follow(&file, &mut mem_index)?,
                _ => self.scan(&file, &mut mem_index, number == last, writable)?,
            };
            if number == last {
                if writable {
                    self.settle(&file, end)?;
                }
                let Self { sealing, offsets, damage, scanned, .. } = self;
                let (active, segment) = (mem_index, file);
                return Ok(Recovered { active, sealing, offsets, segment, damage, scanned });
            }
            previous = Some((Position::new(number, mem_index.end), mem_index.last_checksum));
            self.sealing.push(Arc::new(mem_index));
            number = number.next();
        }
    }

    /// The newest segment that has a file.
    fn last(&self, first: SegmentNr) -> Result<SegmentNr> {
        let found = segments(self.storage)?;
        let last = found.last().copied().unwrap_or(first);
        if last < self.end.position.segment || last < first {
            let missing = self.end.position.segment.max(first);
            return Err(corrupt(self.storage, missing, 0, "the file is missing"));
        }
        Ok(last)
    }

    /// Reads the frames of the segment that another process writes, as far as it says.
    fn follow(&mut self, file: &SegmentFile, into: &mut MemIndex) -> Result<u32> {
        let known = self.end.position;
        let reached = known.segment == file.header.segment;
        let limit = if reached { known.byte } else { SEGMENT_HEADER_BYTES };
        let Self { storage, sealed, sealing, offsets, .. } = self;
        let applier = Applier { storage: *storage, sealed, sealing, offsets, holes: false };
        take_in(applier, file, into, limit, reached)?;
        Ok(into.end)
    }

    /// Opens `segment`, which must follow what came before.
    fn open(
        &self,
        segment: SegmentNr,
        previous: Option<(Position, u32)>,
        writable: bool,
    ) -> Result<(SegmentFile, MemIndex)> {
        let name = segment_name(segment);
        let opened =
            if writable { self.storage.open_writable(&name) } else { self.storage.open(&name) };
        let file = opened.map_err(|error| unreadable(self.storage, segment, 0, error))?;
        let file = SegmentFile::open(self.storage, Some(self.end.store_id), segment, file)?;
        let (end, checksum) = previous.map_or((None, 0), |(end, sum)| (Some(end), sum));
        let follows = file.header.previous_end == end && file.header.previous_checksum == checksum;
        // Behind damage the end of the segment before is not known.
        if !follows && self.damage.is_none() {
            let what = "the segment does not follow the one before it";
            return Err(corrupt(self.storage, segment, 0, what));
        }
        let mem_index = MemIndex::new(segment, SEGMENT_HEADER_BYTES, file.header.checksum());
        Ok((file, mem_index))
    }

    /// Reads all frames of a segment; gives where the last whole one ends. Reading only, what is damaged
    /// is passed over.
    fn scan(
        &mut self,
        file: &SegmentFile,
        into: &mut MemIndex,
        last: bool,
        writable: bool,
    ) -> Result<u32> {
        let previous = Some(into.last_checksum);
        let (segment, capacity) = (file.header.segment, file.header.capacity);
        let mut scan = Scan::new(self.storage, file, SEGMENT_HEADER_BYTES, previous, capacity);
        loop {
            let holes = self.damage.is_some();
            let Self { storage, sealed, sealing, offsets, .. } = self;
            let mut applier = Applier { storage: *storage, sealed, sealing, offsets, holes };
            let Stop { byte: stop, invalid, synced } = take_frames(&mut scan, &mut applier, into)?;
            self.last_synced = synced.unwrap_or(self.last_synced);
            let (what, damaged_at) = match invalid {
                None => ("the log ends too early", whole_blocks(stop)),
                Some(what) => (what, stop),
            };
            self.scanned += u64::from(stop);
            let checked = if last {
                self.check_end(file, into.end, damaged_at, what)
            } else {
                self.check_full(file, into.end, damaged_at, what)
            };
            match checked {
                Err(error) if error.kind() == ErrorKind::Corrupt && !writable => {
                    Damage::add(&mut self.damage, Position::new(segment, damaged_at), &error);
                    match self.next_frame(file, damaged_at)? {
                        Some(at) => scan = Scan::new(self.storage, file, at, None, capacity),
                        None => return Ok(into.end),
                    }
                }
                checked => return checked.map(|()| into.end),
            }
        }
    }

    /// The first whole frame behind a damaged place: the one that follows, if the damage is in the body of
    /// a frame, or the first one of a later write.
    fn next_frame(&self, file: &SegmentFile, damaged_at: u32) -> Result<Option<u32>> {
        let capacity = file.header.capacity;
        let whole = |at: u32| -> Result<bool> {
            let step = Scan::new(self.storage, file, at, None, capacity).step()?;
            Ok(matches!(step, Step::Frame(frame) if frame.byte == at))
        };
        let mut head = [0; FRAME_HEADER_BYTES];
        if index(capacity - damaged_at.min(capacity)) >= head.len() {
            read_exact_at(&*file.file, &mut head, damaged_at.into()).map_err(|error| {
                unreadable(self.storage, file.header.segment, damaged_at.into(), error)
            })?;
            if let Ok(Some(header)) = FrameHeader::decode(&head, file.header.epoch)
                && let Some(at) = damaged_at.checked_add(header.length)
                && at < capacity
                && whole(at)?
            {
                return Ok(Some(at));
            }
        }
        let mut at = whole_blocks(damaged_at.saturating_add(1));
        while let Some(used) = first_used(self.storage, file, at, capacity)? {
            if whole(used)? {
                return Ok(Some(used));
            }
            at = used + byte_count(BLOCK_BYTES);
        }
        Ok(None)
    }

    /// A segment that is not the last one must be whole: the next one was begun behind it.
    fn check_full(&self, file: &SegmentFile, end: u32, damaged_at: u32, what: &str) -> Result<()> {
        let segment = file.header.segment;
        if whole_blocks(end) == damaged_at
            && first_used(self.storage, file, damaged_at, file.header.capacity)?.is_none()
        {
            return Ok(());
        }
        Err(corrupt(self.storage, segment, damaged_at.into(), what))
    }

    /// Tells a write that never became durable from damage of what was.
    fn check_end(&self, file: &SegmentFile, end: u32, damaged_at: u32, what: &str) -> Result<()> {
        let segment = file.header.segment;
        let known = self.end.position;
        let damaged = |byte: u32| Err(corrupt(self.storage, segment, byte.into(), what));
        if known.segment == segment && damaged_at < whole_blocks(known.byte) {
            return damaged(damaged_at);
        }
        if self.end.closed {
            if known != Position::new(segment, end) || damaged_at != whole_blocks(end) {
                return damaged(damaged_at);
            }
            if let Some(used) = first_used(self.storage, file, damaged_at, file.header.capacity)? {
                let what = "something lies behind the end of a store that was closed in order";
                return Err(corrupt(self.storage, segment, used.into(), what));
            }
        }
        // A later frame that says it was begun when this place was durable proves damage. The first frame
        // of each write stands at a block boundary.
        let mut at = whole_blocks(damaged_at.saturating_add(1));
        while at < file.header.capacity {
            let mut blocks = vec![0; SETTLE_BYTES.min(index(file.header.capacity - at))];
            read_exact_at(&*file.file, &mut blocks, at.into())
                .map_err(|error| unreadable(self.storage, segment, at.into(), error))?;
            for block in blocks.chunks(BLOCK_BYTES) {
                if let Ok(Some(header)) = FrameHeader::decode(block, file.header.epoch)
                    && header.synced > Position::new(segment, damaged_at)
                {
                    return damaged(damaged_at);
                }
            }
            at += byte_count(blocks.len());
        }
        Ok(())
    }

    /// Makes what was found durable, and cuts off what lies behind `end`.
    ///
    /// A process that was killed may have left its last write in the memory of the system alone, and
    /// after a failed sync the system takes for written what is not. So the last write is written anew
    /// before anybody sees it; where that begins, its frames say. What lies behind is a write that never
    /// became durable: it is overwritten with zeroes, so that nothing of it can come back after new
    /// frames.
    fn settle(&self, file: &SegmentFile, end: u32) -> Result<()> {
        let segment = file.header.segment;
        let failed = |error| {
            let location = self.storage.location();
            Error::unavailable(format!(
                "the end of segment {segment} in {location} cannot be made durable"
            ))
            .with_source(error)
        };
        self.storage.sync_directory().map_err(failed)?;
        if self.end.closed {
            return Ok(());
        }
        let mut at = whole_blocks(self.durable_in(segment)).max(SEGMENT_HEADER_BYTES);
        while at < end {
            let mut blocks = AlignedBuf::zeroed(index(whole_blocks(end) - at).min(SETTLE_BYTES));
            let found = index(end - at).min(blocks.len());
            let found = blocks.as_mut_slice().get_mut(..found).unwrap_or_default();
            read_exact_at(&*file.file, found, at.into())
                .map_err(|error| unreadable(self.storage, segment, at.into(), error))?;
            file.file.write_blocks_synced(&blocks, at.into()).map_err(failed)?;
            at += byte_count(blocks.len());
        }
        let mut at = whole_blocks(end);
        let capacity = file.header.capacity;
        while let Some(used) = first_used(self.storage, file, at, capacity)? {
            let zeroes = AlignedBuf::zeroed(SETTLE_BYTES.min(index(capacity - used)));
            file.file.write_blocks_synced(&zeroes, used.into()).map_err(failed)?;
            tracing::info!(
                segment = segment.get(),
                byte = used,
                "cut a write that never became durable"
            );
            at = used + byte_count(zeroes.len());
        }
        Ok(())
    }

    /// Up to where `segment`, the last one, is known to be durable: the end file says so, or its last
    /// frame, whose write was begun when everything before it was.
    fn durable_in(&self, segment: SegmentNr) -> u32 {
        let known = [self.end.position, self.last_synced];
        let here = known.into_iter().filter(|position| position.segment == segment);
        here.map(|position| position.byte).max().unwrap_or(SEGMENT_HEADER_BYTES)
    }
}
