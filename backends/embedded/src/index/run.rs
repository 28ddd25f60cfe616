//! A sorted run of the directory: for consecutive segments, each hash of an id that they know, with
//! the newest of them that knows it.
//!
//! ```text
//! header │ entries (hash, segment), 341 a block │ first hash of each block │ filter
//! ```
//!
//! The last two parts are kept in memory, so that a lookup reads one block, and none of most runs that
//! do not know the hash.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use annals_core::{Error, Result};

use super::block_writer::BlockWriter;
use super::blocks::{BlockFile, Kind, PAYLOAD_BYTES, READ_AHEAD_BLOCKS, Stream};
use super::bytes::{Input, to_u64, to_usize};
use super::filter::Filter;
use crate::position::SegmentNr;
use crate::storage::Storage;

const VERSION: u32 = 1;
const KIND: Kind =
    Kind { magic: *b"annalsDR", versions_max: VERSION, what: "a directory run of annals" };

const ENTRY_BYTES: usize = 12;
const BLOCK_ENTRIES: usize = PAYLOAD_BYTES / ENTRY_BYTES;
const FIRST_BLOCK: u32 = 1;

const PREFIX: &str = "dir-";
const SUFFIX: &str = ".run";

/// A hash, and the newest segment of a run that knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) segment: SegmentNr,
}

/// The segments that a run covers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: SegmentNr,
    pub(super) last: SegmentNr,
}

impl Span {
    /// What the filter of the run is salted with.
    fn salt(self) -> u64 {
        (u64::from(self.first.get()) << 32) | u64::from(self.last.get())
    }

    pub(super) fn file_name(self) -> String {
        format!("{PREFIX}{:010}-{:010}{SUFFIX}", self.first.get(), self.last.get())
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        let (first, last) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('-')?;
        let segment = |digits: &str| digits.parse().ok().map(SegmentNr::new);
        let span = Self { first: segment(first)?, last: segment(last)? };
        (span.first <= span.last && span.file_name() == name).then_some(span)
    }

    pub(super) fn contains(self, segment: SegmentNr) -> bool {
        self.first <= segment && segment <= self.last
    }

    pub(super) fn covers(self, other: Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    /// How many segments it covers.
    pub(super) fn segments(self) -> u64 {
        u64::from(self.last.get().saturating_sub(self.first.get())) + 1
    }
}

/// A run, open for reading.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) span: Span,
    body: Body,
}

#[derive(Debug)]
enum Body {
    File {
        blocks: BlockFile,
        entries: u64,
        fences: Box<[u64]>,
        filter: Filter,
    },
    /// Of a segment whose run could not be written, since the store is open for reading only.
    Memory(Box<[Entry]>),
}

impl Run {
    /// Opens the run of `span`; `None` if there is no such file.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` if it is of another version, `Unavailable`.
    pub(super) fn open(
        storage: &dyn Storage,
        store_id: u64,
        span: Span,
        reads: Arc<AtomicU64>,
    ) -> Result<Option<Self>> {
        let name = span.file_name();
        let Some((blocks, body)) = BlockFile::open(storage, &name, &KIND, reads)? else {
            return Ok(None);
        };
        let mut input = Input::new(&body);
        let header = (input.u64(), input.u32(), input.u32());
        let span_numbers = (Some(span.first.get()), Some(span.last.get()));
        if (header.1, header.2) != span_numbers {
            return Err(blocks.corrupt(0, "the header names other segments than the file's name"));
        }
        if header.0 != Some(store_id) {
            return Err(blocks.corrupt(0, "the file belongs to another store"));
        }
        let entries = input.u64().unwrap_or_default();
        let sections = Sections::of(entries)
            .filter(|sections| sections.end == u64::from(blocks.blocks()))
            .ok_or_else(|| blocks.corrupt(0, "the number of entries does not fit the file"))?;
        let fences = blocks.read_stream(sections.fences, 0, sections.fences.bytes)?;
        let mut input = Input::new(&fences);
        let fences: Vec<u64> = std::iter::from_fn(|| input.u64()).collect();
        if !fences.is_sorted() {
            return Err(blocks.corrupt_block(sections.fences.first, "the fences do not ascend"));
        }
        let filter = blocks.read_stream(sections.filter, 0, sections.filter.bytes)?;
        let filter = Filter::from_bytes(&filter, span.salt()).ok_or_else(|| {
            blocks.corrupt_block(sections.filter.first, "the filter is malformed")
        })?;
        let body = Body::File { blocks, entries, fences: fences.into(), filter };
        Ok(Some(Self { span, body }))
    }

    /// A run that is not kept.
    pub(super) fn in_memory(span: Span, entries: Vec<Entry>) -> Self {
        Self { span, body: Body::Memory(entries.into()) }
    }

    /// Writes the run of `span`, durable when it returns. `next` gives its entries, ascending by hash.
    ///
    /// # Errors
    /// `Unavailable`; what `next` gives; `Internal` if the entries do not ascend.
    pub(super) fn write(
        storage: &dyn Storage,
        store_id: u64,
        span: Span,
        mut next: impl FnMut() -> Result<Option<Entry>>,
    ) -> Result<()> {
        let mut identity = store_id.to_le_bytes().to_vec();
        identity.extend_from_slice(&span.first.get().to_le_bytes());
        identity.extend_from_slice(&span.last.get().to_le_bytes());
        let key = crc32c::crc32c(&identity);
        let mut file = BlockWriter::create(storage, span.file_name(), key)?;
        let mut fences = Vec::new();
        let mut entries = 0_u64;
        let mut last = None;
        while let Some(Entry { hash, segment }) = next()? {
            if last.is_some_and(|last| last >= hash) {
                return Err(Error::internal("the entries of a directory run do not ascend"));
            }
            last = Some(hash);
            if entries.is_multiple_of(to_u64(BLOCK_ENTRIES)) {
                fences.extend_from_slice(&hash.to_le_bytes());
            }
            file.put(&hash.to_le_bytes())?;
            file.put(&segment.get().to_le_bytes())?;
            entries += 1;
        }
        file.end_section()?;
        // The filter's size follows from the number of entries, so it is filled in a second pass.
        let mut filter = Filter::for_hashes(entries, span.salt());
        let written = file.read_back()?;
        let mut cursor = EntryCursor::new(entries);
        while let Some(entry) = cursor.next(&written)? {
            filter.insert(entry.hash);
        }
        file.put_stream(&fences)?;
        file.put_stream(&filter.to_bytes())?;
        identity.extend_from_slice(&entries.to_le_bytes());
        file.finish(&KIND, VERSION, &identity)
    }

    /// The newest segment of the run that knows `hash`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn find(&self, hash: u64) -> Result<Option<SegmentNr>> {
        RunReader::new(self, 1).find(hash)
    }

    /// Its entries, in order.
    pub(super) fn entries(&self) -> RunEntries<'_> {
        let left = match &self.body {
            Body::File { entries, .. } => *entries,
            Body::Memory(entries) => to_u64(entries.len()),
        };
        RunEntries { run: self, cursor: EntryCursor::new(left), index: 0 }
    }

    /// Reads every block and every entry.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and the place of the first damage; `Unavailable`.
    pub(super) fn verify(&self) -> Result<()> {
        let Body::File { blocks, fences, filter, .. } = &self.body else {
            return Ok(());
        };
        blocks.verify()?;
        let mut entries = self.entries();
        let mut index = 0;
        while let Some(entry) = entries.next()? {
            let fence = fences.get(index / BLOCK_ENTRIES).copied();
            let block = block_of(index / BLOCK_ENTRIES);
            if index.is_multiple_of(BLOCK_ENTRIES) && fence != Some(entry.hash) {
                return Err(
                    blocks.corrupt_block(block, "a fence is not the first hash of its block")
                );
            }
            if !filter.contains(entry.hash) || !self.span.contains(entry.segment) {
                return Err(
                    blocks.corrupt_block(block, "an entry contradicts the filter or the span")
                );
            }
            index += 1;
        }
        Ok(())
    }

    /// What the run takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                Body::File { blocks, fences, filter, .. } => {
                    blocks.heap_bytes() + size_of_val(&**fences) + filter.heap_bytes()
                }
                Body::Memory(entries) => size_of_val(&**entries),
            }
    }
}

fn block_of(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| FIRST_BLOCK.checked_add(index)).unwrap_or(u32::MAX)
}

/// Where the parts of a run with a number of entries are.
struct Sections {
    fences: Stream,
    filter: Stream,
    end: u64,
}

impl Sections {
    fn of(entries: u64) -> Option<Self> {
        let blocks = entries.div_ceil(to_u64(BLOCK_ENTRIES));
        let first = u64::from(FIRST_BLOCK).checked_add(blocks)?;
        let fences = Stream { first: first.try_into().ok()?, bytes: blocks.checked_mul(8)? };
        let first = first.checked_add(fences.blocks())?;
        let filter = Stream { first: first.try_into().ok()?, bytes: Filter::bytes_for(entries) };
        Some(Self { fences, filter, end: first.checked_add(filter.blocks())? })
    }
}

/// Looks hashes up in a run, keeping the blocks that were read last: hashes that ascend cost one pass.
#[derive(Debug)]
pub(super) struct RunReader<'a> {
    run: &'a Run,
    read_ahead: u32,
    window: Vec<u8>,
    window_first: usize,
}

impl<'a> RunReader<'a> {
    /// A reader that reads `read_ahead` blocks at a time.
    pub(super) fn new(run: &'a Run, read_ahead: u32) -> Self {
        Self { run, read_ahead, window: Vec::new(), window_first: 0 }
    }

    /// A reader for `lookups` ascending hashes: if they will touch most blocks, it reads many at a time.
    pub(super) fn for_lookups(run: &'a Run, lookups: usize) -> Self {
        let dense = match &run.body {
            Body::File { fences, .. } => lookups >= fences.len(),
            Body::Memory(_) => false,
        };
        Self::new(run, if dense { READ_AHEAD_BLOCKS } else { 1 })
    }

    /// The newest segment of the run that knows `hash`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn find(&mut self, hash: u64) -> Result<Option<SegmentNr>> {
        let (blocks, entries, fences) = match &self.run.body {
            Body::Memory(entries) => {
                let found = entries.binary_search_by_key(&hash, |entry| entry.hash).ok();
                return Ok(found.and_then(|index| entries.get(index)).map(|entry| entry.segment));
            }
            Body::File { filter, .. } if !filter.contains(hash) => return Ok(None),
            Body::File { blocks, entries, fences, .. } => (blocks, *entries, fences),
        };
        let Some(index) = fences.partition_point(|fence| *fence <= hash).checked_sub(1) else {
            return Ok(None);
        };
        let offset =
            |index: usize, first: usize| index.checked_sub(first)?.checked_mul(PAYLOAD_BYTES);
        let in_window = |start: Option<usize>, window: &[u8]| {
            start.and_then(|start| window.get(start..start.checked_add(PAYLOAD_BYTES)?)).is_some()
        };
        if !in_window(offset(index, self.window_first), &self.window) {
            let left = u32::try_from(fences.len() - index).unwrap_or(u32::MAX);
            self.window = blocks.read(block_of(index), self.read_ahead.min(left))?;
            self.window_first = index;
        }
        let start = offset(index, self.window_first).unwrap_or_default();
        let payload = self.window.get(start..).unwrap_or_default();
        let before = to_u64(index).saturating_mul(to_u64(BLOCK_ENTRIES));
        let count = to_usize(entries.saturating_sub(before)).min(BLOCK_ENTRIES);
        if entry_at(payload, 0).map(|entry| entry.hash) != fences.get(index).copied() {
            let what = "a block does not begin with its fence";
            return Err(blocks.corrupt_block(block_of(index), what));
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            match entry_at(payload, middle) {
                Some(entry) if entry.hash < hash => low = middle + 1,
                _ => high = middle,
            }
        }
        let found = entry_at(payload, low).filter(|entry| low < count && entry.hash == hash);
        match found {
            Some(entry) if !self.run.span.contains(entry.segment) => {
                let what = "an entry names a segment that the run does not cover";
                Err(blocks.corrupt_block(block_of(index), what))
            }
            found => Ok(found.map(|entry| entry.segment)),
        }
    }
}

fn entry_at(payload: &[u8], index: usize) -> Option<Entry> {
    let mut input = Input::new(payload.get(index.checked_mul(ENTRY_BYTES)?..)?);
    Some(Entry { hash: input.u64()?, segment: SegmentNr::new(input.u32()?) })
}

/// The entries of a run, read a window at a time.
#[derive(Debug)]
pub(super) struct RunEntries<'a> {
    run: &'a Run,
    cursor: EntryCursor,
    index: usize,
}

impl RunEntries<'_> {
    /// The next entry, or `None` at the end.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        match &self.run.body {
            Body::File { blocks, .. } => self.cursor.next(blocks),
            Body::Memory(entries) => {
                let entry = entries.get(self.index).copied();
                self.index += 1;
                Ok(entry)
            }
        }
    }
}

/// Reads the entries of a file in order.
#[derive(Debug)]
struct EntryCursor {
    left: u64,
    next_block: u32,
    window: Vec<u8>,
    at: usize,
    last: Option<u64>,
}

impl EntryCursor {
    fn new(entries: u64) -> Self {
        Self { left: entries, next_block: FIRST_BLOCK, window: Vec::new(), at: 0, last: None }
    }

    fn next(&mut self, blocks: &BlockFile) -> Result<Option<Entry>> {
        if self.left == 0 {
            return Ok(None);
        }
        let entry = match entry_at(self.window.get(self.at..).unwrap_or_default(), 0) {
            Some(entry) => entry,
            None => {
                let wanted = self.left.div_ceil(to_u64(BLOCK_ENTRIES));
                let count = u32::try_from(wanted).unwrap_or(u32::MAX).min(READ_AHEAD_BLOCKS);
                self.window = blocks.read(self.next_block, count)?;
                self.next_block = self.next_block.saturating_add(count);
                self.at = 0;
                entry_at(&self.window, 0)
                    .ok_or_else(|| blocks.corrupt_block(self.next_block, "an entry is missing"))?
            }
        };
        if self.last.is_some_and(|last| last >= entry.hash) {
            return Err(blocks.corrupt_block(self.next_block, "a directory run does not ascend"));
        }
        self.last = Some(entry.hash);
        self.at += ENTRY_BYTES;
        self.left -= 1;
        Ok(Some(entry))
    }
}
