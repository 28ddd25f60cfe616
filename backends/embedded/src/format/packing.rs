//! How the file of a compacted segment is packed: what is left of the segment, piece by piece, without
//! what lay between. Positions stay those of the segment.
//!
//! ```text
//! segment    header │ frame │ frame │ 0 0 │ frame │ gone … gone │ 0 0 │ frame │ 0 0 0 0
//! file       header │ table │ frame │ frame │ frame │ gap │ frame │ 0
//! ```
//!
//! Each entry of the table: the piece's first byte in the segment, plus 1 if it is a gap, and its length
//! (u32, u32). The pieces follow the table, one directly after another, with zeroes up to a whole block.

use super::encoding::Malformed;
use crate::position::Position;

/// The length of an entry of the table.
pub(crate) const PIECE_BYTES: usize = 8;
const FIELDS_BYTES: usize = 20;
/// What frames are aligned to; the bits below are free.
const ALIGNMENT: u32 = 8;

/// What the header of a compacted segment says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    /// What was deleted up to here was looked at: a reader of the segment must know it.
    pub(crate) decided: Position,
    /// How many pieces there are.
    pub(crate) pieces: u32,
    /// How many bytes they have together.
    pub(crate) bytes: u32,
    /// The checksum of their table.
    pub(crate) table_checksum: u32,
}

impl Packing {
    pub(super) fn encode(&self) -> [u8; FIELDS_BYTES] {
        let mut fields = [0; FIELDS_BYTES];
        let (decided, rest) = fields.split_at_mut(8);
        decided.copy_from_slice(&self.decided.to_u64().to_le_bytes());
        let numbers = [self.pieces, self.bytes, self.table_checksum];
        for (place, number) in rest.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        fields
    }

    /// The fields at byte `at` of a header.
    pub(super) fn decode(block: &[u8], at: usize) -> Result<Self, Malformed> {
        let fields = block.get(at..).and_then(|fields| fields.first_chunk::<FIELDS_BYTES>());
        let [d0, d1, d2, d3, d4, d5, d6, d7, p0, p1, p2, p3, b0, b1, b2, b3, t0, t1, t2, t3] =
            *fields.ok_or(Malformed("the header is cut"))?;
        Ok(Self {
            decided: Position::from_u64(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7])),
            pieces: u32::from_le_bytes([p0, p1, p2, p3]),
            bytes: u32::from_le_bytes([b0, b1, b2, b3]),
            table_checksum: u32::from_le_bytes([t0, t1, t2, t3]),
        })
    }
}

/// What is left of a segment between two places where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its first byte in the segment.
    pub(crate) byte: u32,
    /// How long it is.
    pub(crate) length: u32,
    /// Whether it is a gap, which begins where the first frame of its run began.
    pub(crate) is_gap: bool,
}

impl Piece {
    /// The byte after its last one.
    pub(crate) const fn end(&self) -> u32 {
        self.byte.saturating_add(self.length)
    }
}

/// The table of `pieces`.
pub(crate) fn encode_pieces(pieces: &[Piece]) -> Vec<u8> {
    let entry = |piece: &Piece| [piece.byte | u32::from(piece.is_gap), piece.length];
    pieces.iter().flat_map(entry).flat_map(u32::to_le_bytes).collect()
}

/// The pieces of a table, which must ascend from `from` on, stay below `to` and not touch, unless one of
/// two neighbours is a gap.
pub(crate) fn decode_pieces(table: &[u8], from: u32, to: u32) -> Result<Vec<Piece>, Malformed> {
    let malformed = Malformed("the table of the pieces of a compacted segment is malformed");
    let mut pieces = Vec::with_capacity(table.len() / PIECE_BYTES);
    let mut last = Piece { byte: from, length: 0, is_gap: true };
    for entry in table.chunks(PIECE_BYTES) {
        let [b0, b1, b2, b3, l0, l1, l2, l3] = *entry.first_chunk().ok_or(malformed)?;
        let (byte, length) =
            (u32::from_le_bytes([b0, b1, b2, b3]), u32::from_le_bytes([l0, l1, l2, l3]));
        let flags = byte % ALIGNMENT;
        let piece = Piece { byte: byte - flags, length, is_gap: flags == 1 };
        let apart = piece.byte > last.end() || piece.is_gap || last.is_gap;
        let fits = piece.byte >= last.end()
            && piece.byte.checked_add(length).is_some_and(|end| end <= to)
            && length > 0
            && length.is_multiple_of(ALIGNMENT);
        if flags > 1 || !apart || !fits {
            return Err(malformed);
        }
        pieces.push(piece);
        last = piece;
    }
    Ok(pieces)
}
