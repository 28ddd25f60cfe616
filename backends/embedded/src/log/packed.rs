//! The file of a compacted segment, read as if every byte stood where it was before. What is gone reads
//! as zeroes.

use std::io;
use std::sync::Arc;

use annals_core::Result;

use super::files::{corrupt, unreadable};
use crate::format::{
    PIECE_BYTES, Packing, Piece, SEGMENT_HEADER_BYTES, SegmentHeader, byte_count, decode_pieces,
    index,
};
use crate::storage::{AlignedBuf, BLOCK_BYTES, Storage, StorageFile, WritePath, read_exact_at};

/// A piece, and where it stands in the file.
#[derive(Debug, Clone, Copy)]
struct Placed {
    piece: Piece,
    at: u64,
}

/// What is left of a compacted segment.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The file as it is.
    file: Arc<dyn StorageFile>,
    pieces: Vec<Placed>,
    /// Where the last piece ends in the file.
    end: u64,
}

/// How long the file of a segment is that is packed in this way.
pub(crate) fn packed_bytes(packing: &Packing) -> u64 {
    let table = u64::from(packing.pieces) * u64::from(byte_count(PIECE_BYTES));
    let end = u64::from(SEGMENT_HEADER_BYTES) + table + u64::from(packing.bytes);
    end.next_multiple_of(u64::from(byte_count(BLOCK_BYTES)))
}

impl Packed {
    /// Reads the table of `file`, whose length was checked.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn open(
        storage: &dyn Storage,
        header: &SegmentHeader,
        packing: &Packing,
        file: Arc<dyn StorageFile>,
    ) -> Result<Self> {
        let mut table = vec![0; index(packing.pieces) * PIECE_BYTES];
        let at = SEGMENT_HEADER_BYTES;
        read_exact_at(&*file, &mut table, at.into())
            .map_err(|error| unreadable(storage, header.segment, at.into(), error))?;
        let damaged =
            |what: &dyn std::fmt::Display| corrupt(storage, header.segment, at.into(), what);
        if crc32c::crc32c(&table) != packing.table_checksum {
            return Err(damaged(&"the checksum of the table of pieces is wrong"));
        }
        let pieces = decode_pieces(&table, SEGMENT_HEADER_BYTES, header.capacity)
            .map_err(|malformed| damaged(&malformed))?;
        let mut end = u64::from(at) + u64::from(byte_count(table.len()));
        let placed = pieces.into_iter().map(|piece| {
            let at = end;
            end += u64::from(piece.length);
            Placed { piece, at }
        });
        let pieces: Vec<Placed> = placed.collect();
        let expected =
            u64::from(at) + u64::from(byte_count(table.len())) + u64::from(packing.bytes);
        if end != expected {
            return Err(damaged(&"the pieces are not as long as the header says"));
        }
        Ok(Self { file, pieces, end })
    }

    /// Where what is left goes on for somebody who has come to `byte`: here, unless it is gone, or lies
    /// within a gap. `None` if nothing is left behind it.
    pub(crate) fn left_from(&self, byte: u32) -> Option<u32> {
        let next = self.pieces.partition_point(|placed| placed.piece.end() <= byte);
        let pieces = self.pieces.get(next..).unwrap_or_default();
        let inside = |piece: &Piece| piece.is_gap && piece.byte < byte;
        let placed = pieces.iter().find(|placed| !inside(&placed.piece))?;
        Some(placed.piece.byte.max(byte))
    }

    /// Where the byte of the segment stands in the file, if it is left.
    pub(crate) fn place_of(&self, byte: u32) -> Option<u64> {
        let next = self.pieces.partition_point(|placed| placed.piece.end() <= byte);
        let placed = self.pieces.get(next)?;
        Some(placed.at + u64::from(byte.checked_sub(placed.piece.byte)?))
    }

    /// What is left, piece by piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.pieces.iter().map(|placed| placed.piece)
    }

    /// Where the last piece ends in the file: zeroes follow.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether anything but zeroes follows.
    pub(crate) fn rest_is_used(&self) -> io::Result<bool> {
        let block = u64::from(byte_count(BLOCK_BYTES));
        let rest = self.end.next_multiple_of(block) - self.end;
        let mut bytes = vec![0; usize::try_from(rest).map_err(io::Error::other)?];
        read_exact_at(&*self.file, &mut bytes, self.end)?;
        Ok(bytes.iter().any(|byte| *byte != 0))
    }

    /// Reads what is left of the bytes from `offset` on into `buffer`, which is zero.
    fn read(&self, buffer: &mut [u8], offset: u32) -> io::Result<()> {
        let end = offset.saturating_add(byte_count(buffer.len()));
        let first = self.pieces.partition_point(|placed| placed.piece.end() <= offset);
        let after = self.pieces.partition_point(|placed| placed.piece.byte < end);
        let pieces = self.pieces.get(first..after).unwrap_or_default();
        let (Some(front), Some(back)) = (pieces.first(), pieces.last()) else { return Ok(()) };
        let skipped = offset.saturating_sub(front.piece.byte);
        let cut = back.piece.end().saturating_sub(end);
        let from = front.at + u64::from(skipped);
        let to = back.at + u64::from(back.piece.length.saturating_sub(cut));
        let length = usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        read_exact_at(&*self.file, &mut bytes, from)?;
        let mut rest = bytes.as_slice();
        for placed in pieces {
            let (from, to) = (placed.piece.byte.max(offset), placed.piece.end().min(end));
            let (part, others) =
                rest.split_at_checked(index(to.saturating_sub(from))).unwrap_or_default();
            let target = buffer.get_mut(index(from - offset)..index(to - offset));
            if let Some(target) = target.filter(|target| target.len() == part.len()) {
                target.copy_from_slice(part);
            }
            rest = others;
        }
        Ok(())
    }
}

/// A compacted segment as it was before. Nobody writes to it.
#[derive(Debug)]
pub(crate) struct PackedFile {
    pub(crate) packed: Arc<Packed>,
    /// How long the segment is.
    pub(crate) capacity: u32,
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a compacted segment never changes"))
}

impl StorageFile for PackedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.capacity.into())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let rest = index(self.capacity.saturating_sub(offset));
        let count = buffer.len().min(rest);
        let part = buffer.get_mut(..count).unwrap_or_default();
        part.fill(0);
        self.packed.read(part, offset)?;
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn write_blocks_synced(&self, _blocks: &AlignedBuf, _offset: u64) -> io::Result<()> {
        refused()
    }

    fn write_blocks(&self, _blocks: &AlignedBuf, _offset: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }

    fn write_path(&self) -> WritePath {
        self.packed.file.write_path()
    }
}
