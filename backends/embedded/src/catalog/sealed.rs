//! The sealed segments: their index files, and the directory over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Bounds, Error, ErrorKind, PersistenceId, Result, SeqRange, StoredOffset, Tag};

use super::{Head, Snapshots};
use crate::index::{
    DeadBytes, Directory, DirectoryAccess, FrameRef, Handles, IdRecord, Lookup, OpenedDirectory,
    PreviousSegments, SegmentIndex, SegmentMeta, SegmentSummary, SnapshotRef, text_hash,
};
use crate::position::{Position, SegmentNr};
use crate::storage::Storage;

/// The sealed segments of a store: 1 up to some number, without a gap.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    storage: Arc<dyn Storage>,
    handles: Arc<Handles>,
    segments: Arc<BTreeMap<SegmentNr, Arc<SegmentIndex>>>,
    directory: Arc<Directory>,
}

impl Sealed {
    /// The sealed segments in `storage`. An index file that is damaged or missing is no loss: its
    /// segment and those after it count as not sealed, are scanned, and get new index files.
    pub(crate) fn open(storage: Arc<dyn Storage>, store_id: u64, writable: bool) -> Result<Self> {
        let handles = Arc::new(Handles::new(storage.clone()));
        let mut segments = BTreeMap::new();
        let mut segment = SegmentNr::FIRST;
        loop {
            match SegmentIndex::open_by(&handles, segment) {
                Ok(Some(index)) if index.meta().store_id == store_id => {
                    segments.insert(segment, Arc::new(index));
                }
                Ok(None) => break,
                Ok(Some(_)) => {
                    tracing::warn!(
                        segment = segment.get(),
                        "an index file of another store is made anew"
                    );
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a damaged index file is made anew from its segment");
                    break;
                }
            }
            segment = segment.next();
        }
        let access = if writable { DirectoryAccess::Write } else { DirectoryAccess::Read };
        let numbers: Vec<SegmentNr> = segments.keys().copied().collect();
        let OpenedDirectory { directory, uncovered, damaged } =
            Directory::open(storage.clone(), store_id, &numbers, access)?;
        for error in damaged {
            tracing::warn!(%error, "a damaged directory run is made anew from the index files");
        }
        for segment in uncovered {
            let Some(index) = segments.get(&segment) else { continue };
            if writable {
                directory.add_index(index)?;
            } else {
                directory.add_index_in_memory(index)?;
            }
        }
        let (segments, directory) = (Arc::new(segments), Arc::new(directory));
        Ok(Self { storage, handles, segments, directory })
    }

    /// How many there are.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// What the index of `segment` says of it.
    pub(crate) fn meta(&self, segment: SegmentNr) -> Option<SegmentMeta> {
        self.segments.get(&segment).map(|index| index.meta())
    }

    /// What the frames of `segment` deleted, by segment.
    pub(crate) fn dead(&self, segment: SegmentNr) -> Result<Vec<DeadBytes>> {
        self.index(segment)?.dead()
    }

    /// Where the newest one ends, and the checksum of its last frame.
    pub(crate) fn last_end(&self) -> Option<(Position, u32)> {
        let meta = self.segments.values().next_back()?.meta();
        Some((Position::new(meta.segment, meta.end), meta.last_checksum))
    }

    /// The projections' offsets at the end of the newest one.
    pub(crate) fn offsets(&self) -> Result<BTreeMap<String, StoredOffset>> {
        let Some(index) = self.segments.values().next_back() else { return Ok(BTreeMap::new()) };
        let offsets = index.offsets()?;
        Ok(offsets.into_iter().map(|offset| (offset.name.clone(), offset)).collect())
    }

    /// Memory held, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let indexes: usize = self.segments.values().map(|index| index.heap_bytes()).sum();
        indexes + self.directory.heap_bytes()
    }

    /// Index blocks read since it was opened.
    pub(crate) fn block_reads(&self) -> u64 {
        let indexes: u64 = self.segments.values().map(|index| index.block_reads()).sum();
        indexes + self.directory.block_reads()
    }

    /// The same with `index` in the place of an older one of its segment, or as that of the next one.
    pub(crate) fn with(&self, index: Arc<SegmentIndex>) -> Self {
        let mut segments = BTreeMap::clone(&self.segments);
        segments.insert(index.meta().segment, index);
        Self { segments: Arc::new(segments), ..self.clone() }
    }

    /// Those before `segment`.
    pub(crate) fn before(self, segment: SegmentNr) -> Self {
        let before = self.segments.range(..segment);
        let segments = before.map(|(number, index)| (*number, index.clone())).collect();
        Self { segments: Arc::new(segments), ..self }
    }

    /// Whether it holds all that `other` does, and an index of a segment that was compacted since.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let decided = |sealed: &Self, segment| sealed.meta(segment).map(|meta| meta.decided);
        let segments = || other.segments.keys().copied();
        segments().all(|segment| decided(self, segment).is_some())
            && segments().any(|segment| decided(self, segment) != decided(other, segment))
    }

    /// Writes the index file of `segment` anew, without the frames for which `is_gone` holds; what was
    /// deleted up to `decided` was looked at.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`: the older one is in its place, or the new one, which is as right.
    pub(crate) fn rewrite(
        &self,
        segment: SegmentNr,
        decided: Position,
        is_gone: impl Fn(u32) -> bool,
    ) -> Result<Arc<SegmentIndex>> {
        let index = self.index(segment)?;
        let summary = SegmentSummary { decided: Some(decided), ..index.summary(is_gone)? };
        let previous = index.previous()?;
        index.pin()?;
        SegmentIndex::write(&*self.storage, &summary, &previous)?;
        Ok(Arc::new(self.reopen(segment)?))
    }

    /// Writes the index file of the next segment.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written now; the segment can be sealed later.
    pub(crate) fn seal(&self, summary: &SegmentSummary) -> Result<Arc<SegmentIndex>> {
        let hashes = summary.hashes();
        // A directory that covers the segment already would answer with the segment itself.
        let previous = if self.directory.covers(summary.segment) {
            let older = self.segments.keys().rev();
            PreviousSegments::by_indexes(
                hashes.clone(),
                older.map(|segment| self.reopen(*segment)),
            )?
        } else {
            self.directory.previous(hashes.clone())?
        };
        SegmentIndex::write(&*self.storage, summary, &previous)?;
        if !self.directory.covers(summary.segment) {
            self.directory.add(summary.segment, &hashes)?;
        }
        Ok(Arc::new(self.reopen(summary.segment)?))
    }

    fn reopen(&self, segment: SegmentNr) -> Result<SegmentIndex> {
        SegmentIndex::open_by(&self.handles, segment)?.ok_or_else(|| {
            let (name, location) = (SegmentIndex::file_name(segment), self.storage.location());
            Error::corrupt(format!(
                "file {name} in {location} is missing; it is made anew at the next opening"
            ))
        })
    }

    fn index(&self, segment: SegmentNr) -> Result<&SegmentIndex> {
        self.segments.get(&segment).map(|index| &**index).ok_or_else(|| {
            let location = self.storage.location();
            Error::corrupt(format!("segment {segment} of the log in {location} has no index"))
        })
    }

    /// The record of `id` in the newest segment, up to `from`, that has one.
    fn newest(
        &self,
        id: &PersistenceId,
        from: Option<SegmentNr>,
    ) -> Result<Option<(SegmentNr, IdRecord)>> {
        let mut next = from;
        while let Some(segment) = next {
            match self.index(segment)?.find(id)? {
                Lookup::Found(record) => return Ok(Some((segment, record))),
                Lookup::Collision { previous } => next = previous,
                Lookup::Absent => {
                    let location = self.storage.location();
                    return Err(Error::corrupt(format!(
                        "the indexes of the log in {location} disagree on {id} in segment {segment}"
                    )));
                }
            }
        }
        Ok(None)
    }

    /// The newest sealed segment that knows the hash of `id`.
    fn start(&self, id: &PersistenceId) -> Result<Option<SegmentNr>> {
        let newest = self.directory.newest(text_hash(id.as_str()))?;
        match newest {
            Some(segment) if !self.segments.contains_key(&segment) => {
                self.start_by_indexes(id, segment)
            }
            newest => Ok(newest),
        }
    }

    /// The same without the directory, which knows a segment whose index file is not there (yet).
    fn start_by_indexes(&self, id: &PersistenceId, before: SegmentNr) -> Result<Option<SegmentNr>> {
        for (segment, index) in self.segments.range(..before).rev() {
            if !matches!(index.find(id)?, Lookup::Absent) {
                return Ok(Some(*segment));
            }
        }
        Ok(None)
    }

    /// What is known of `id`; `None` if no sealed segment holds a record of it.
    pub(crate) fn head(&self, id: &PersistenceId) -> Result<Option<Head>> {
        let Some((_, record)) = self.newest(id, self.start(id)?)? else { return Ok(None) };
        Ok(Some(Head {
            bounds: Bounds { deleted_to: record.state.deleted_to, highest: record.state.highest },
            snapshots: record.state.snapshots_in.map_or(Snapshots::Never, Snapshots::In),
            snapshot_set: record.state.snapshots_in.is_none().then(Vec::new),
        }))
    }

    /// The snapshots of `id`, as the index of `segment` holds them.
    pub(crate) fn snapshots(
        &self,
        segment: SegmentNr,
        id: &PersistenceId,
    ) -> Result<Vec<SnapshotRef>> {
        let index = self.index(segment)?;
        match index.find(id)? {
            Lookup::Found(record) => index.snapshots(&record),
            _ => Ok(Vec::new()),
        }
    }

    /// The segments that hold events of `id` in `range`, newest first.
    pub(crate) fn segments_of(
        &self,
        id: &PersistenceId,
        range: SeqRange,
    ) -> Result<Vec<SegmentNr>> {
        let mut segments = Vec::new();
        let mut next = self.start(id)?;
        while let Some((segment, record)) = self.newest(id, next)? {
            if record.state.highest < range.from {
                break;
            }
            segments.push(segment);
            if record.begins_at.is_some() {
                break;
            }
            next = record.previous;
        }
        Ok(segments)
    }

    /// The frames of `id` in `segment` that hold events of `range`.
    pub(crate) fn frames(
        &self,
        segment: SegmentNr,
        id: &PersistenceId,
        range: SeqRange,
    ) -> Result<Vec<FrameRef>> {
        let index = self.index(segment)?;
        match index.find(id)? {
            Lookup::Found(record) => index.frames(&record, range)?.take(usize::MAX),
            _ => Ok(Vec::new()),
        }
    }

    /// The frames of `segment` from `byte` on that hold an event with `tag`, up to `frames_max`.
    pub(crate) fn tag_frames(
        &self,
        segment: SegmentNr,
        tag: &Tag,
        byte: u32,
        frames_max: usize,
    ) -> Result<Vec<u32>> {
        self.index(segment)?.tag_frames(tag, byte, frames_max)
    }

    /// The ids that begin in `segment` at or after `byte`.
    pub(crate) fn beginning_ids(
        &self,
        segment: SegmentNr,
        byte: u32,
        ids_max: usize,
    ) -> Result<Vec<(PersistenceId, u32)>> {
        self.index(segment)?.beginning_ids(byte, ids_max)
    }

    /// Reads and checks every index file and directory run.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and the place of the first damage; `Unavailable`.
    pub(crate) fn verify(&self) -> Result<()> {
        self.directory.verify()?;
        for index in self.segments.values() {
            index.verify()?;
            self.directory.verify_index(index)?;
        }
        Ok(())
    }
}
