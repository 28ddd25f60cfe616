//! Everything that decodes stored bytes, as functions that take any bytes: for `fuzz/` and for the
//! tests that mutate what a store wrote. None may panic, or take memory out of proportion to its bytes.
//!
//! Bytes under a checksum are tried as they are and again with the checksum made right: damage must be
//! found by it, and what a checksum does not find must be harmless.

use std::io;
use std::sync::Arc;

use annals_core::{Offset, SeqRange};
use bytes::Bytes;

use crate::catalog::Change;
use crate::end_file::LogEnd;
use crate::format::{FrameHeader, FrameKind, Gap, PIECE_BYTES, decode_events_head, reseal_frame};
use crate::index::{Directory, DirectoryAccess, Lookup, SegmentIndex, reseal_blocks};
use crate::log::{Scan, SegmentFile, Step, segment_name};
use crate::position::SegmentNr;
use crate::read::LogOffset;
use crate::storage::{AlignedBuf, BLOCK_BYTES, LockGuard, Storage, StorageFile, WritePath};

/// A decoder: says whether the bytes were whole.
pub type Target = fn(&[u8]) -> bool;

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("frame", frame),
    ("body", body),
    ("segment", segment),
    ("end_file", end_file),
    ("index", index),
    ("directory", directory),
    ("offset", offset),
];

/// A frame: the segment's epoch in 8 bytes, then the frame.
pub fn frame(bytes: &[u8]) -> bool {
    let Some((epoch, frame)) = bytes.split_first_chunk::<8>() else { return false };
    let epoch = u64::from_le_bytes(*epoch);
    let decode = |frame: &[u8]| {
        let Ok(Some(header)) = FrameHeader::decode(frame, epoch) else { return false };
        header.body(frame).is_ok()
    };
    let whole = decode(frame);
    let mut resealed = frame.to_vec();
    reseal_frame(&mut resealed, epoch);
    decode(&resealed);
    whole
}

/// The body of a frame: its kind in a byte, then the body.
pub fn body(bytes: &[u8]) -> bool {
    let Some((kind, body)) = bytes.split_first() else { return false };
    let Some(kind) = FrameKind::of(*kind) else { return false };
    let body = Bytes::copy_from_slice(body);
    if kind == FrameKind::Gap {
        return Gap::decode(&body, 4096).is_ok();
    }
    let head = decode_events_head(&body).is_ok();
    let change = Change::decode(kind, &body).is_ok();
    change && (kind != FrameKind::Events || head)
}

/// A segment file.
pub fn segment(bytes: &[u8]) -> bool {
    let whole = scan(bytes);
    let mut resealed = bytes.to_vec();
    if let Some((header, table)) = resealed.split_first_chunk_mut::<BLOCK_BYTES>()
        && let Ok(length) = u32::try_from(bytes.len())
    {
        let (fields, sum) = header.split_at_mut(BLOCK_BYTES - 4);
        let compacted = fields.get(8) == Some(&2);
        let (place, value) =
            if compacted { (64..68, table_checksum(fields, table)) } else { (44..48, length) };
        if let Some(place) = fields.get_mut(place) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        sum.copy_from_slice(&crc32c::crc32c(fields).to_le_bytes());
    }
    scan(&resealed);
    whole
}

/// The checksum of the table of pieces that the header of a compacted segment names.
fn table_checksum(header: &[u8], table: &[u8]) -> u32 {
    let pieces = header.get(56..60).and_then(|field| field.first_chunk());
    let pieces = crate::format::index(u32::from_le_bytes(pieces.copied().unwrap_or_default()));
    let table = table.get(..pieces.saturating_mul(PIECE_BYTES)).unwrap_or(table);
    crc32c::crc32c(table)
}

fn scan(bytes: &[u8]) -> bool {
    let Some(number) = bytes.get(12..16).and_then(|number| number.first_chunk()) else {
        return false;
    };
    let segment = SegmentNr::new(u32::from_le_bytes(*number));
    let storage = One::new(segment_name(segment), bytes);
    let file = Arc::new(storage.clone());
    let Ok(file) = SegmentFile::open(&storage, None, segment, file) else { return false };
    let previous = Some(file.header.checksum());
    let start = crate::format::SEGMENT_HEADER_BYTES;
    let mut scan = Scan::new(&storage, &file, start, previous, file.header.capacity);
    let mut whole = true;
    loop {
        match scan.step() {
            Ok(Step::Frame(frame)) if frame.header.kind == FrameKind::Gap => {
                whole &= Gap::decode(&frame.body, frame.byte).is_ok();
            }
            Ok(Step::Frame(frame)) => {
                whole &= Change::decode(frame.header.kind, &frame.body).is_ok();
            }
            Ok(Step::End { byte }) => return whole && matches!(scan.first_used(byte), Ok(None)),
            Ok(Step::Invalid { .. }) | Err(_) => return false,
        }
    }
}

/// The end file.
pub fn end_file(bytes: &[u8]) -> bool {
    let whole = LogEnd::decode(bytes).is_ok();
    let mut resealed = bytes.to_vec();
    if let Some((fields, sum)) = resealed.split_last_chunk_mut::<4>() {
        *sum = crc32c::crc32c(fields).to_le_bytes();
    }
    let _ = LogEnd::decode(&resealed);
    whole
}

/// The index file of a segment: the segment in 4 bytes, then the file.
pub fn index(bytes: &[u8]) -> bool {
    let Some((segment, file)) = bytes.split_first_chunk::<4>() else { return false };
    let segment = SegmentNr::new(u32::from_le_bytes(*segment));
    let whole = use_index(segment, file);
    let mut resealed = file.to_vec();
    reseal_blocks(&mut resealed);
    use_index(segment, &resealed);
    whole
}

fn use_index(segment: SegmentNr, file: &[u8]) -> bool {
    let storage = One::new(SegmentIndex::file_name(segment), file);
    let Ok(Some(index)) = SegmentIndex::open(&storage, segment) else { return false };
    let mut whole = index.verify().is_ok();
    let visited = index.for_each_id(|record| {
        index.frames(&record, SeqRange::ALL)?.take(usize::MAX)?;
        index.snapshots(&record)?;
        let found = index.find(&record.id)?;
        whole &= !matches!(found, Lookup::Absent);
        Ok(())
    });
    whole &= visited.is_ok();
    whole &= index.beginning_ids(0, 100).is_ok();
    whole && index.offsets().is_ok() && index.hashes().is_ok()
}

/// A directory run: the store in 8 bytes, its first and last segment in 4 each, then the file.
pub fn directory(bytes: &[u8]) -> bool {
    let Some((store, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let Some((first, rest)) = rest.split_first_chunk::<4>() else { return false };
    let Some((last, file)) = rest.split_first_chunk::<4>() else { return false };
    let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
    let name = format!("dir-{first:010}-{last:010}.run");
    let store = u64::from_le_bytes(*store);
    let whole = use_directory(store, &name, file);
    let mut resealed = file.to_vec();
    reseal_blocks(&mut resealed);
    use_directory(store, &name, &resealed);
    whole
}

fn use_directory(store: u64, name: &str, file: &[u8]) -> bool {
    let storage = Arc::new(One::new(name.to_owned(), file));
    let opened = Directory::open(storage, store, &[], DirectoryAccess::Read);
    let Ok(opened) = opened else { return false };
    let found = [0, 1 << 40, u64::MAX / 3, u64::MAX].map(|hash| opened.directory.newest(hash));
    opened.damaged.is_empty()
        && opened.directory.verify().is_ok()
        && found.iter().all(Result::is_ok)
        && opened.directory.previous(vec![0, 7, 1 << 50, u64::MAX]).is_ok()
}

/// An offset: the store in 8 bytes, then the offset as text.
pub fn offset(bytes: &[u8]) -> bool {
    let Some((store, text)) = bytes.split_first_chunk::<8>() else { return false };
    let store = u64::from_le_bytes(*store);
    let _ = LogOffset::decode(&Offset::from_bytes(text.to_vec()), store);
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let Ok(offset) = text.parse::<Offset>() else { return false };
    LogOffset::decode(&offset, store).is_ok_and(|place| place.encode(store) == offset)
}

/// A storage of one file, which cannot be changed.
#[derive(Debug, Clone)]
struct One {
    name: String,
    bytes: Bytes,
}

impl One {
    fn new(name: String, bytes: &[u8]) -> Self {
        Self { name, bytes: Bytes::copy_from_slice(bytes) }
    }

    fn refuse<T>() -> io::Result<T> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Storage for One {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Self::refuse()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        if name == self.name {
            Ok(Arc::new(self.clone()))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn open_writable(&self, _name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Self::refuse()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(vec![self.name.clone()])
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn sync_directory(&self) -> io::Result<()> {
        Self::refuse()
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        Self::refuse()
    }
}

impl StorageFile for One {
    fn length(&self) -> io::Result<u64> {
        u64::try_from(self.bytes.len()).map_err(io::Error::other)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (target, _) = buffer.split_at_mut(count);
        target.copy_from_slice(rest.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Self::refuse()
    }

    fn write_blocks_synced(&self, _blocks: &AlignedBuf, _offset: u64) -> io::Result<()> {
        Self::refuse()
    }

    fn write_blocks(&self, _blocks: &AlignedBuf, _offset: u64) -> io::Result<()> {
        Self::refuse()
    }

    fn sync(&self) -> io::Result<()> {
        Self::refuse()
    }

    fn write_path(&self) -> WritePath {
        WritePath::Buffered
    }
}
