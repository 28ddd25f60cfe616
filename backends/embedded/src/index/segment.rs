//! The index file of one sealed segment: immutable, named by the segment's number.
//!
//! ```text
//! header │ lists: frames, snapshots, ids that begin, offsets │ id table │ tag table │ fences
//! ```
//!
//! A lookup by id reads one block, or two if the id is long or its hash is another id's too.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use annals_core::{Error, PersistenceId, Result, SeqRange, StoredOffset, Tag};

use super::blocks::{BlockFile, Stream};
use super::bytes::{Input, to_u64};
use super::handles::Handles;
use super::hash::text_hash;
use super::header::{Header, KIND, SegmentMeta};
use super::items::{Beginning, TagFrame};
use super::list::{ListCursor, ListRef};
use super::previous::PreviousSegments;
use super::record::{IdFields, IdRecord, TextRef};
use super::summary::{DeadBytes, FrameRef, IdSummary, SegmentSummary, SnapshotRef, TagSummary};
use super::table::Table;
use crate::position::{Position, SegmentNr};

const SUFFIX: &str = ".idx";

/// What a segment knows of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Its record.
    Found(IdRecord),
    /// Nothing, but another id of the same hash has a record: the search goes on in `previous`.
    Collision {
        /// The newest segment before this one that knows an id of that hash.
        previous: Option<SegmentNr>,
    },
    /// Nothing, nor of any id of the same hash.
    Absent,
}

/// The index of a sealed segment, open for reading.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    meta: SegmentMeta,
    blocks: Arc<BlockFile>,
    lists: Stream,
    ids: Table,
    tags: Table,
    beginnings: ListRef,
    offsets: ListRef,
    dead: ListRef,
}

impl SegmentIndex {
    /// The name of the index file of `segment`.
    pub(crate) fn file_name(segment: SegmentNr) -> String {
        format!("{:010}{SUFFIX}", segment.get())
    }

    /// The segment whose index file is called `name`, if one's is.
    pub(crate) fn segment_of(name: &str) -> Option<SegmentNr> {
        let segment = SegmentNr::new(name.strip_suffix(SUFFIX)?.parse().ok()?);
        (Self::file_name(segment) == name).then_some(segment)
    }

    /// Opens the index of `segment`; `None` if it has none.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` if it is of another version, `Unavailable`.
    pub(crate) fn open(
        storage: &dyn crate::storage::Storage,
        segment: SegmentNr,
    ) -> Result<Option<Self>> {
        let name = Self::file_name(segment);
        let reads = Arc::new(AtomicU64::new(0));
        let Some((blocks, body)) = BlockFile::open(storage, &name, &KIND, reads)? else {
            return Ok(None);
        };
        let header = Header::take(&mut Input::new(&body), blocks.version())
            .filter(|header| header.meta.segment == segment)
            .ok_or_else(|| blocks.corrupt(0, "the header is malformed"))?;
        let (ids, tags) = (header.id_blocks, header.tag_blocks);
        let outside = |first: u32, count: u32| {
            first.checked_add(count).is_none_or(|end| end > blocks.blocks())
        };
        if outside(header.first_id_block, ids) || outside(header.first_tag_block, tags) {
            return Err(blocks.corrupt(0, "the header names a table outside the file"));
        }
        let bytes = (u64::from(ids) + u64::from(tags)) * 8;
        let fences = Stream { first: header.first_fence_block, bytes };
        let fences = blocks.read_stream(fences, 0, bytes)?;
        let mut input = Input::new(&fences);
        let mut take = |count: u32| (0..count).map_while(|_| input.u64()).collect::<Vec<u64>>();
        let (ids, tags) = (take(ids), take(tags));
        if !ids.is_sorted() || !tags.is_sorted() {
            return Err(blocks.corrupt_block(header.first_fence_block, "the fences do not ascend"));
        }
        Ok(Some(Self {
            meta: header.meta,
            lists: header.lists,
            ids: Table::new(header.first_id_block, ids),
            tags: Table::new(header.first_tag_block, tags),
            beginnings: header.beginnings,
            offsets: header.offsets,
            dead: header.dead,
            blocks: Arc::new(blocks),
        }))
    }

    /// Opens the index of `segment`, whose file is open only while it is read, and as long as `handles`
    /// keeps it.
    ///
    /// # Errors
    /// As [`SegmentIndex::open`].
    pub(crate) fn open_by(handles: &Arc<Handles>, segment: SegmentNr) -> Result<Option<Self>> {
        let Some(index) = Self::open(handles.storage(), segment)? else { return Ok(None) };
        let blocks = Arc::into_inner(index.blocks);
        let blocks =
            blocks.ok_or_else(|| Error::internal("an index that was just opened is shared"))?;
        let blocks = Arc::new(blocks.close(&Self::file_name(segment), handles.clone()));
        Ok(Some(Self { blocks, ..index }))
    }

    /// Keeps its file open from now on: another one is about to get its name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn pin(&self) -> Result<()> {
        self.blocks.pin()
    }

    /// What it says of its segment.
    pub(crate) fn meta(&self) -> SegmentMeta {
        self.meta
    }

    /// What the segment knows of `id`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn find(&self, id: &PersistenceId) -> Result<Lookup> {
        let mut collision = None;
        let found = self.ids.find(&self.blocks, text_hash(id.as_str()), |block, record| {
            let (text, fields) = self.parse_id(block, record)?;
            if self.is_text(text, id.as_str())? {
                return Ok(ControlFlow::Break(fields));
            }
            collision = Some(fields.previous);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(match (found, collision) {
            (Some(fields), _) => Lookup::Found(fields.of(id.clone())),
            (None, Some(previous)) => Lookup::Collision { previous },
            (None, None) => Lookup::Absent,
        })
    }

    /// The frames of `record` that hold an event in `range`, ascending.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn frames(&self, record: &IdRecord, range: SeqRange) -> Result<FrameCursor> {
        let from = range.from.get();
        let list = ListCursor::open(&self.blocks, self.lists, &record.frames, from)?;
        Ok(FrameCursor { list, range })
    }

    /// The snapshots of `record`, ascending by number; none if the set did not change in this segment.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn snapshots(&self, record: &IdRecord) -> Result<Vec<SnapshotRef>> {
        match &record.snapshots {
            Some(list) => self.list(list, 0)?.collect(),
            None => Ok(Vec::new()),
        }
    }

    /// Up to `max` frames that hold an event with `tag`, by their first bytes, from `from_byte` on.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn tag_frames(&self, tag: &Tag, from_byte: u32, max: usize) -> Result<Vec<u32>> {
        let hash = text_hash(tag.as_str());
        let found = self.tags.find(&self.blocks, hash, |block, record| {
            let (text, list) = self.parse_tag(block, record)?;
            Ok(match self.is_text(text, tag.as_str())? {
                true => ControlFlow::Break(list),
                false => ControlFlow::Continue(()),
            })
        })?;
        let Some(list) = found else {
            return Ok(Vec::new());
        };
        let mut list = self.list::<TagFrame>(&list, u64::from(from_byte))?;
        let mut frames = Vec::new();
        while frames.len() < max
            && let Some(TagFrame(byte)) = list.next()?
        {
            if byte >= from_byte {
                frames.push(byte);
            }
        }
        Ok(frames)
    }

    /// Up to `max` ids whose first event of all is in this segment, with the first bytes of the frames
    /// of those events, in that order, from `from_byte` on.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn beginning_ids(
        &self,
        from_byte: u32,
        max: usize,
    ) -> Result<Vec<(PersistenceId, u32)>> {
        let mut list = self.list::<Beginning>(&self.beginnings, u64::from(from_byte))?;
        let mut ids = Vec::new();
        while ids.len() < max
            && let Some(Beginning { id, byte }) = list.next()?
        {
            if byte >= from_byte {
                ids.push((id, byte));
            }
        }
        Ok(ids)
    }

    /// All projection offsets as they stand at the segment's end, by name.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn offsets(&self) -> Result<Vec<StoredOffset>> {
        self.list(&self.offsets, 0)?.collect()
    }

    /// What the segment's frames deleted, by segment.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn dead(&self) -> Result<Vec<DeadBytes>> {
        self.list(&self.dead, 0)?.collect()
    }

    /// All that the index was made of but for the segments before, without the frames for which
    /// `is_gone` holds: for writing it anew.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn summary(&self, is_gone: impl Fn(u32) -> bool) -> Result<SegmentSummary> {
        let SegmentMeta { store_id, segment, end, last_checksum, decided, .. } = self.meta;
        let (mut ids, mut tags, mut events) = (Vec::new(), Vec::new(), 0);
        self.for_each_id(|record| {
            let mut state = record.state.clone();
            let mut frames = self.list::<FrameRef>(&record.frames, 0)?.collect()?;
            for gone in frames.extract_if(.., |frame| is_gone(frame.byte)) {
                state.deleted_to = state.deleted_to.max(gone.last());
            }
            events += frames.iter().map(|frame| u64::from(frame.count)).sum::<u64>();
            let here = |at: Position| at.segment == segment;
            let snapshots = match &record.snapshots {
                Some(list) => {
                    let mut set: Vec<SnapshotRef> = self.list(list, 0)?.collect()?;
                    set.retain(|snapshot| {
                        !here(snapshot.position) || !is_gone(snapshot.position.byte)
                    });
                    Some(set)
                }
                None => None,
            };
            let (id, begins_at) = (record.id, record.begins_at);
            ids.push(IdSummary { id, state, begins_at, frames, snapshots });
            Ok(())
        })?;
        self.tags.for_each(&self.blocks, |block, _, record| {
            let (text, list) = self.parse_tag(block, record)?;
            let frames = self.list::<TagFrame>(&list, 0)?.collect()?;
            let frames = frames.into_iter().map(|TagFrame(byte)| byte);
            let frames: Vec<u32> = frames.filter(|byte| !is_gone(*byte)).collect();
            let tag = Tag::new(self.text(block, text)?);
            let tag = tag.map_err(|_| self.blocks.corrupt_block(block, "a tag is empty"))?;
            if !frames.is_empty() {
                tags.push(TagSummary { tag, frames });
            }
            Ok(())
        })?;
        let (offsets, dead) = (self.offsets()?, self.dead()?);
        Ok(SegmentSummary {
            store_id,
            segment,
            end,
            last_checksum,
            events,
            ids,
            tags,
            offsets,
            dead,
            decided,
        })
    }

    /// The hashes of the segment's ids, ascending, each once.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn hashes(&self) -> Result<Vec<u64>> {
        let mut hashes = Vec::new();
        self.ids.for_each(&self.blocks, |_, hash, _| {
            hashes.push(hash);
            Ok(())
        })?;
        hashes.dedup();
        Ok(hashes)
    }

    /// For each hash, what the records say of the segment before: for writing the index of this segment
    /// anew.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn previous(&self) -> Result<PreviousSegments> {
        let mut previous = PreviousSegments::default();
        self.ids.for_each(&self.blocks, |block, hash, record| {
            let (_, fields) = self.parse_id(block, record)?;
            previous.push(hash, fields.previous);
            Ok(())
        })?;
        Ok(previous)
    }

    /// Gives `visit` the record of every id, in the order of their hashes.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`; what `visit` gives.
    pub(crate) fn for_each_id(&self, mut visit: impl FnMut(IdRecord) -> Result<()>) -> Result<()> {
        self.ids.for_each(&self.blocks, |block, _, record| {
            let (text, fields) = self.parse_id(block, record)?;
            let id = PersistenceId::new(self.text(block, text)?);
            let id = id.map_err(|_| self.blocks.corrupt_block(block, "an id is empty"))?;
            visit(fields.of(id))
        })
    }

    /// Reads every block and every structure.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and the place of the first damage; `Unavailable`.
    pub(crate) fn verify(&self) -> Result<()> {
        self.blocks.verify()?;
        let (mut ids, mut tags) = (0, 0);
        let wrong = |block, what: &str| Err(self.blocks.corrupt_block(block, what));
        self.ids.for_each(&self.blocks, |block, hash, record| {
            let (text, fields) = self.parse_id(block, record)?;
            ids += 1;
            if text_hash(&self.text(block, text)?) != hash {
                return wrong(block, "an id stands under a hash that is not its own");
            }
            let mut frames = self.list::<FrameRef>(&fields.frames, 0)?;
            while let Some(frame) = frames.next()? {
                if frame.byte >= self.meta.end || frame.last() > fields.state.highest {
                    return wrong(
                        block,
                        "a frame lies past the end of the segment or of its entity",
                    );
                }
            }
            match &fields.snapshots {
                Some(list) => self.list::<SnapshotRef>(list, 0)?.collect().map(drop),
                None => Ok(()),
            }
        })?;
        self.tags.for_each(&self.blocks, |block, hash, record| {
            let (text, list) = self.parse_tag(block, record)?;
            tags += 1;
            if text_hash(&self.text(block, text)?) != hash {
                return wrong(block, "a tag stands under a hash that is not its own");
            }
            self.list::<TagFrame>(&list, 0)?.collect().map(drop)
        })?;
        if (ids, tags) != (self.meta.ids, self.meta.tags) {
            return wrong(0, "the number of ids or of tags is not the header's");
        }
        let mut beginnings = self.list::<Beginning>(&self.beginnings, 0)?;
        while beginnings.next()?.is_some() {}
        self.dead()?;
        self.offsets().map(drop)
    }

    /// How many blocks of the file were read since it was opened, the opening included.
    pub(crate) fn block_reads(&self) -> u64 {
        self.blocks.reads()
    }

    /// What this value takes in memory, beyond itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let blocks = size_of::<BlockFile>() + self.blocks.heap_bytes();
        blocks + self.ids.heap_bytes() + self.tags.heap_bytes()
    }

    fn list<T: super::list::Item>(&self, list: &ListRef, key: u64) -> Result<ListCursor<T>> {
        ListCursor::open(&self.blocks, self.lists, list, key)
    }

    fn parse_id<'a>(&self, block: u32, record: &'a [u8]) -> Result<(TextRef<'a>, IdFields)> {
        let mut input = Input::new(record);
        let text = TextRef::take(&mut input);
        text.zip(IdFields::take(&mut input, self.meta.segment, block))
            .ok_or_else(|| self.blocks.corrupt_block(block, "a record of an id is malformed"))
    }

    fn parse_tag<'a>(&self, block: u32, record: &'a [u8]) -> Result<(TextRef<'a>, ListRef)> {
        let mut input = Input::new(record);
        let text = TextRef::take(&mut input);
        text.zip(ListRef::take(&mut input, block))
            .filter(|_| input.len() == 0)
            .ok_or_else(|| self.blocks.corrupt_block(block, "a record of a tag is malformed"))
    }

    fn is_text(&self, text: TextRef<'_>, expected: &str) -> Result<bool> {
        match text {
            TextRef::Inline(bytes) => Ok(bytes == expected.as_bytes()),
            TextRef::At { bytes, .. } if bytes != to_u64(expected.len()) => Ok(false),
            TextRef::At { offset, bytes } => {
                let stored = self.blocks.read_stream(self.lists, offset, bytes)?;
                Ok(stored == expected.as_bytes())
            }
        }
    }

    fn text(&self, block: u32, text: TextRef<'_>) -> Result<String> {
        let bytes = match text {
            TextRef::Inline(bytes) => bytes.to_vec(),
            TextRef::At { offset, bytes } => self.blocks.read_stream(self.lists, offset, bytes)?,
        };
        String::from_utf8(bytes)
            .map_err(|_| self.blocks.corrupt_block(block, "an id or a tag is not UTF-8"))
    }
}

/// The frames of one id in one segment, read as they are asked for. Independent of the
/// [`SegmentIndex`] that gave it.
#[derive(Debug)]
pub(crate) struct FrameCursor {
    list: ListCursor<FrameRef>,
    range: SeqRange,
}

impl FrameCursor {
    /// The next frame that holds an event in the range, or `None` at the end.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn next(&mut self) -> Result<Option<FrameRef>> {
        while let Some(frame) = self.list.next()? {
            if frame.first > self.range.to {
                return Ok(None);
            }
            if frame.last() >= self.range.from {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Up to `max` further frames.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn take(&mut self, max: usize) -> Result<Vec<FrameRef>> {
        let mut frames = Vec::new();
        while frames.len() < max
            && let Some(frame) = self.next()?
        {
            frames.push(frame);
        }
        Ok(frames)
    }
}
