//! A segment's file, open for reading.

use std::io;
use std::sync::Arc;

use annals_core::{Error, Result};

use super::packed::{Packed, PackedFile, packed_bytes};
use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::position::SegmentNr;
use crate::storage::{Storage, StorageFile, read_exact_at};

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
    /// The file; of a compacted segment, with every byte where it was before.
    pub(crate) file: Arc<dyn StorageFile>,
    /// What its first block says.
    pub(crate) header: SegmentHeader,
    /// What is left of it, if it is compacted.
    pub(crate) packed: Option<Arc<Packed>>,
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
        let expected = header.packing.as_ref().map_or(header.capacity.into(), packed_bytes);
        if length != expected {
            let what = format!("the file has {length} bytes and should have {expected}");
            return Err(corrupt(storage, segment, length.min(expected), what));
        }
        let Some(packing) = &header.packing else { return Ok(Self { file, header, packed: None }) };
        let packed = Arc::new(Packed::open(storage, &header, packing, file)?);
        let file = Arc::new(PackedFile { packed: packed.clone(), capacity: header.capacity });
        Ok(Self { file, header, packed: Some(packed) })
    }

    /// Where somebody who has come to `byte` goes on: there, unless that is gone. `None` if nothing is
    /// left behind it.
    pub(crate) fn left_from(&self, byte: u32) -> Option<u32> {
        self.packed.as_ref().map_or(Some(byte), |packed| packed.left_from(byte))
    }

    /// Where the byte of the segment stands in its file.
    pub(crate) fn place_of(&self, byte: u32) -> u64 {
        let packed = self.packed.as_ref().and_then(|packed| packed.place_of(byte));
        packed.unwrap_or(byte.into())
    }

    /// How long its file is.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.header.packing.as_ref().map_or(self.header.capacity.into(), packed_bytes)
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
