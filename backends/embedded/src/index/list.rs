//! Ascending lists, delta-coded in chunks that decode by themselves, so that a reader enters a long
//! list near the place it wants.
//!
//! ```text
//! ┌──────────────────────────────┬─────────┬─────────┬───┐
//! │ key and offset of chunk 1, 2…│ chunk 0 │ chunk 1 │ … │
//! └──────────────────────────────┴─────────┴─────────┴───┘
//! ```
//!
//! A short list stands in the record that refers to it and costs no read of its own.

use std::sync::Arc;

use annals_core::{Error, Result};

use super::blocks::{BlockFile, Stream};
use super::bytes::{Input, put_varint, to_u64, to_usize};

/// Lists up to this size stand in the record that refers to them.
pub(super) const INLINE_BYTES_MAX: usize = 32;

/// A chunk ends at this many items, or at this size, whichever comes first.
const CHUNK_ITEMS_MAX: usize = 1024;
const CHUNK_BYTES_MAX: usize = 32 * 1024;

/// How much of a list is read at a time, unless one chunk is longer.
const WINDOW_BYTES: u64 = 64 * 1024;

const SKIP_BYTES: u64 = 12;

/// What lists are made of.
pub(super) trait Item: Sized + Clone {
    /// What a reader looks for.
    fn key(&self) -> u64;

    /// Whether this item may come after `previous`.
    fn follows(&self, previous: &Self) -> bool;

    /// Adds the item's bytes; `previous` is the one before it in the chunk.
    fn put(&self, previous: Option<&Self>, out: &mut Vec<u8>);

    /// The item that [`Item::put`] made the bytes of.
    fn take(previous: Option<&Self>, input: &mut Input<'_>) -> Option<Self>;
}

/// Where a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListRef {
    /// How many items it has.
    items: u64,
    chunks: u64,
    bytes: u64,
    place: Place,
    /// The block that the reference stands in, for messages.
    block: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the record: the bytes.
    Inline(Vec<u8>),
    /// In the file's stream of lists: the first byte.
    At(u64),
}

impl ListRef {
    /// A list without items.
    pub(super) const EMPTY: Self =
        Self { items: 0, chunks: 0, bytes: 0, place: Place::Inline(Vec::new()), block: 0 };

    /// Whether it has no items.
    pub(super) fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Adds the reference's bytes.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.items);
        if self.items == 0 {
            return;
        }
        put_varint(out, self.bytes);
        match &self.place {
            Place::Inline(bytes) => out.extend_from_slice(bytes),
            Place::At(offset) => {
                put_varint(out, self.chunks);
                put_varint(out, *offset);
            }
        }
    }

    /// The reference that [`ListRef::put`] made the bytes of; they stand in block `block`.
    pub(super) fn take(input: &mut Input<'_>, block: u32) -> Option<Self> {
        let items = input.varint()?;
        if items == 0 {
            return Some(Self { block, ..Self::EMPTY });
        }
        let bytes = input.varint()?;
        // An item takes a byte at least, so that a count can be trusted to be within the file's size.
        if items > bytes {
            return None;
        }
        if bytes <= to_u64(INLINE_BYTES_MAX) {
            let place = Place::Inline(input.bytes(to_usize(bytes))?.to_vec());
            return Some(Self { items, chunks: 1, bytes, place, block });
        }
        let chunks = input.varint()?;
        let place = Place::At(input.varint()?);
        let skips = chunks.checked_sub(1)?.checked_mul(SKIP_BYTES)?;
        (skips < bytes).then_some(Self { items, chunks, bytes, place, block })
    }
}

/// The stream of lists of a file being written.
pub(super) trait ListSink {
    /// Adds bytes; gives where they begin.
    fn put_list(&mut self, bytes: &[u8]) -> Result<u64>;
}

/// Encodes `items`, and puts them into `sink` if they are too long for a record.
///
/// # Errors
/// `Internal` if they do not ascend; those of `sink`.
pub(super) fn write_list<T: Item>(
    sink: &mut dyn ListSink,
    items: impl IntoIterator<Item = T>,
) -> Result<ListRef> {
    let mut data = Vec::new();
    let mut skips = Vec::new();
    let (mut count, mut chunks) = (0_u64, 0_u64);
    let (mut chunk_items, mut chunk_start) = (0_usize, 0_usize);
    let mut previous: Option<T> = None;
    for item in items {
        if previous.as_ref().is_some_and(|previous| !item.follows(previous)) {
            return Err(Error::internal("a list of a segment's index does not ascend"));
        }
        let full = chunk_items == CHUNK_ITEMS_MAX || data.len() - chunk_start >= CHUNK_BYTES_MAX;
        if chunks == 0 || full {
            if chunks > 0 {
                let offset = u32::try_from(data.len())
                    .map_err(|_| Error::internal("a list of a segment's index is too long"))?;
                skips.extend_from_slice(&item.key().to_le_bytes());
                skips.extend_from_slice(&offset.to_le_bytes());
            }
            chunks += 1;
            (chunk_items, chunk_start) = (0, data.len());
        }
        let before = previous.as_ref().filter(|_| chunk_items > 0);
        item.put(before, &mut data);
        chunk_items += 1;
        count += 1;
        previous = Some(item);
    }
    let bytes = to_u64(skips.len() + data.len());
    let place = if skips.is_empty() && data.len() <= INLINE_BYTES_MAX {
        Place::Inline(data)
    } else {
        skips.extend_from_slice(&data);
        Place::At(sink.put_list(&skips)?)
    };
    Ok(ListRef { items: count, chunks, bytes, place, block: 0 })
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// The key of its first item; unknown for the first chunk.
    key: Option<u64>,
    /// Where it ends, from the first chunk's beginning.
    end: u64,
}

/// Reads a list in order, holding a bounded part of it.
#[derive(Debug)]
pub(super) struct ListCursor<T> {
    blocks: Arc<BlockFile>,
    stream: Stream,
    /// Where the first chunk begins in the stream, unless the list stands in a record.
    start: Option<u64>,
    /// The block that the reference stands in.
    block: u32,
    items: u64,
    chunks: Vec<Chunk>,
    chunk: usize,
    /// Where the next item begins, from the first chunk's beginning.
    at: u64,
    window: Vec<u8>,
    window_start: u64,
    first_in_chunk: bool,
    previous: Option<T>,
    /// How many items were read, if from the first one on.
    read: Option<u64>,
}

impl<T: Item> ListCursor<T> {
    /// The items of `list` from the chunk on that holds the last key up to `key`; items before it may
    /// come first.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn open(
        blocks: &Arc<BlockFile>,
        stream: Stream,
        list: &ListRef,
        key: u64,
    ) -> Result<Self> {
        let skips_bytes = list.chunks.saturating_sub(1).saturating_mul(SKIP_BYTES);
        let mut cursor = Self {
            blocks: blocks.clone(),
            stream,
            start: None,
            block: list.block,
            items: list.items,
            chunks: Vec::new(),
            chunk: 0,
            at: 0,
            window: Vec::new(),
            window_start: 0,
            first_in_chunk: true,
            previous: None,
            read: Some(0),
        };
        let skips = match &list.place {
            Place::Inline(bytes) => {
                cursor.window = bytes.clone();
                Vec::new()
            }
            Place::At(offset) => {
                let read = if list.bytes <= WINDOW_BYTES { list.bytes } else { skips_bytes };
                let mut skips = blocks.read_stream(stream, *offset, read)?;
                cursor.start = Some(offset.saturating_add(skips_bytes));
                cursor.window = skips.split_off(to_usize(skips_bytes).min(skips.len()));
                skips
            }
        };
        if list.items > 0 {
            cursor.place_chunks(&skips, list.bytes - skips_bytes.min(list.bytes))?;
        }
        cursor.seek(key);
        Ok(cursor)
    }

    fn place_chunks(&mut self, skips: &[u8], data_bytes: u64) -> Result<()> {
        let mut key = None;
        let mut start = 0;
        let mut input = Input::new(skips);
        while let (Some(next_key), Some(end)) = (input.u64(), input.u32()) {
            let end = u64::from(end);
            if end <= start || end >= data_bytes || key.is_some_and(|key| next_key < key) {
                return Err(self.malformed("the table of chunks of a list does not ascend"));
            }
            self.chunks.push(Chunk { key, end });
            (key, start) = (Some(next_key), end);
        }
        self.chunks.push(Chunk { key, end: data_bytes });
        Ok(())
    }

    fn seek(&mut self, key: u64) {
        let after = self.chunks.partition_point(|chunk| chunk.key.is_none_or(|first| first <= key));
        let chunk = after.saturating_sub(1);
        if chunk > 0 {
            self.chunk = chunk;
            self.at = self.chunks.get(chunk - 1).map_or(0, |before| before.end);
            self.read = None;
        }
    }

    /// The next item, or `None` at the end.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        let chunk = loop {
            let Some(chunk) = self.chunks.get(self.chunk).copied() else {
                return self.end();
            };
            if self.at < chunk.end {
                break chunk;
            }
            self.chunk += 1;
            self.first_in_chunk = true;
        };
        if self.in_window(self.at, chunk.end).is_none() {
            self.load(chunk.end)?;
        }
        let mut input = Input::new(self.in_window(self.at, chunk.end).unwrap_or_default());
        let before = input.len();
        let previous = self.previous.as_ref().filter(|_| !self.first_in_chunk);
        let Some(item) = T::take(previous, &mut input) else {
            return Err(self.malformed("an item of a list is malformed"));
        };
        let taken = to_u64(before - input.len());
        let expected = chunk.key.filter(|_| self.first_in_chunk);
        if self.previous.as_ref().is_some_and(|previous| !item.follows(previous))
            || expected.is_some_and(|key| key != item.key())
            || taken == 0
        {
            return Err(self.malformed("a list does not ascend"));
        }
        self.at += taken;
        self.first_in_chunk = false;
        self.read = self.read.map(|read| read + 1);
        self.previous = Some(item.clone());
        Ok(Some(item))
    }

    /// All items that are left.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(super) fn collect(mut self) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while let Some(item) = self.next()? {
            items.push(item);
        }
        Ok(items)
    }

    fn end(&self) -> Result<Option<T>> {
        match self.read {
            Some(read) if read != self.items => {
                let items = self.items;
                Err(self.malformed(format!("a list of {items} items holds {read}")))
            }
            _ => Ok(None),
        }
    }

    fn in_window(&self, from: u64, to: u64) -> Option<&[u8]> {
        let from = from.checked_sub(self.window_start)?;
        let to = to.checked_sub(self.window_start)?;
        self.window.get(to_usize(from)..to_usize(to))
    }

    /// Reads whole chunks from `at` on: one that ends at `end`, and what else fits in a window.
    fn load(&mut self, end: u64) -> Result<()> {
        let limit = self.at.saturating_add(WINDOW_BYTES);
        let fitting = self.chunks.get(self.chunk..).unwrap_or_default();
        let fitting = fitting.iter().map(|chunk| chunk.end).take_while(|end| *end <= limit).last();
        let bytes = fitting.unwrap_or(end).saturating_sub(self.at);
        let offset = self.start.unwrap_or_default().saturating_add(self.at);
        self.window = self.blocks.read_stream(self.stream, offset, bytes)?;
        self.window_start = self.at;
        Ok(())
    }

    fn malformed(&self, what: impl std::fmt::Display) -> Error {
        match self.start {
            Some(start) => {
                self.blocks.corrupt(self.stream.position(start.saturating_add(self.at)), what)
            }
            None => self.blocks.corrupt_block(self.block, what),
        }
    }
}
