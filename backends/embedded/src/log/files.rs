//! The segment files, opened for reading when first needed.

use std::io;
use std::sync::Arc;

use annals_core::{Error, Result};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::position::SegmentNr;
use crate::storage::{Storage, StorageFile, read_exact_at};

/// The most segment files that are kept open for reading.
const OPEN_MAX: usize = 256;

/// The name of a segment's file.
pub(crate) fn segment_name(segment: SegmentNr) -> String {
    format!("{:010}.seg", segment.get())
}

/// The segment whose file is called `name`.
pub(crate) fn segment_of(name: &str) -> Option<SegmentNr> {
    let number = name.strip_suffix(".seg")?.parse().ok()?;
    let segment = SegmentNr::new(number);
    (segment_name(segment) == name).then_some(segment)
}

/// An open segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    /// The file.
    pub(crate) file: Arc<dyn StorageFile>,
    /// What its first block says.
    pub(crate) header: SegmentHeader,
}

impl SegmentFile {
    /// Reads and checks the header of the file of `segment`.
    pub(crate) fn open(
        storage: &dyn Storage,
        store_id: Option<u64>,
        segment: SegmentNr,
        file: Arc<dyn StorageFile>,
    ) -> Result<Self> {
        let mut block = vec![0; crate::format::index(SEGMENT_HEADER_BYTES)];
        read_exact_at(&*file, &mut block, 0)
            .map_err(|error| unreadable(storage, segment, 0, error))?;
        if let Some(what) = SegmentHeader::another_version(&block) {
            return Err(corrupt(storage, segment, 0, what));
        }
        let header = SegmentHeader::decode(&block)
            .map_err(|malformed| corrupt(storage, segment, 0, malformed))?;
        if header.segment != segment || store_id.is_some_and(|id| id != header.store_id) {
            let what = "the segment is of another store or of another place in the log";
            return Err(corrupt(storage, segment, 0, what));
        }
        let length = file.length().map_err(|error| unreadable(storage, segment, 0, error))?;
        if length != u64::from(header.capacity) {
            let what = format!("the file has {length} bytes and should have {}", header.capacity);
            return Err(corrupt(storage, segment, header.capacity.into(), what));
        }
        Ok(Self { file, header })
    }
}

/// Damage, with file and position.
pub(crate) fn corrupt(
    storage: &dyn Storage,
    segment: SegmentNr,
    byte: u64,
    what: impl std::fmt::Display,
) -> Error {
    Error::corrupt(format!(
        "{what}: file {} in {}, byte {byte}; other entities and segments stay readable",
        segment_name(segment),
        storage.location()
    ))
}

/// A file that cannot be read.
pub(crate) fn unreadable(
    storage: &dyn Storage,
    segment: SegmentNr,
    byte: u64,
    error: io::Error,
) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return corrupt(storage, segment, byte, "the file is cut");
    }
    if error.kind() == io::ErrorKind::NotFound {
        return corrupt(storage, segment, byte, "the file is missing");
    }
    let name = segment_name(segment);
    let location = storage.location();
    Error::unavailable(format!("file {name} in {location} cannot be read at byte {byte}"))
        .with_source(error)
}

/// All segments that are or were open.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    storage: Arc<dyn Storage>,
    store_id: u64,
    open: Mutex<HashMap<SegmentNr, Arc<SegmentFile>>>,
}

impl SegmentFiles {
    /// The segments of a store.
    pub(crate) fn new(storage: Arc<dyn Storage>, store_id: u64) -> Self {
        Self { storage, store_id, open: Mutex::new(HashMap::new()) }
    }

    /// The file of `segment`.
    pub(crate) fn get(&self, segment: SegmentNr) -> Result<Arc<SegmentFile>> {
        if let Some(file) = self.open.lock().get(&segment) {
            return Ok(file.clone());
        }
        let file = self
            .storage
            .open(&segment_name(segment))
            .map_err(|error| unreadable(&*self.storage, segment, 0, error))?;
        let file = SegmentFile::open(&*self.storage, Some(self.store_id), segment, file)?;
        let file = Arc::new(file);
        let mut open = self.open.lock();
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(segment, file.clone());
        Ok(file)
    }
}
