//! The bodies of the other frames: deletes, snapshots, offsets.
//!
//! ```text
//! delete           id text, to varint
//! snapshot         id text, number varint, timestamp signed, 0 or (1 and metadata), payload
//! snapshot delete  id text, min and max number varint, min and max timestamp signed
//! offset           name text, revision varint, offset bytes
//! ```

use annals_core::{PersistenceId, SeqNr, Snapshot, SnapshotCriteria, StoredOffset, Timestamp};
use bytes::Bytes;

use super::FRAME_HEADER_BYTES;
use super::encoding::{Malformed, Reader, Writer};
use super::events::{
    decode_metadata, decode_offset, decode_payload, encode_metadata, encode_offset, encode_payload,
    seq_nr,
};

fn frame(capacity: usize) -> Writer {
    let mut out = Writer::with_capacity(FRAME_HEADER_BYTES + capacity);
    out.raw(&[0; FRAME_HEADER_BYTES]);
    out
}

fn id(reader: &mut Reader<'_>) -> Result<PersistenceId, Malformed> {
    PersistenceId::new(reader.text()?).map_err(|_| Malformed("an id is empty"))
}

fn at_end<T>(reader: &Reader<'_>, value: T) -> Result<T, Malformed> {
    if reader.is_empty() { Ok(value) } else { Err(Malformed("bytes follow the record")) }
}

/// The events up to `to` are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delete {
    pub(crate) id: PersistenceId,
    pub(crate) to: SeqNr,
}

impl Delete {
    /// The frame, with room for its header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = frame(self.id.as_str().len() + 16);
        out.text(self.id.as_str());
        out.varint(self.to.get());
        out.into_bytes()
    }

    /// From a frame's body.
    pub(crate) fn decode(body: &Bytes) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(body);
        let delete = Self { id: id(reader)?, to: seq_nr(reader)? };
        at_end(reader, delete)
    }
}

/// A snapshot is saved.
#[derive(Debug)]
pub(crate) struct SnapshotSave;

impl SnapshotSave {
    /// The frame, with room for its header.
    pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
        let mut out =
            frame(snapshot.persistence_id.as_str().len() + snapshot.payload.bytes.len() + 64);
        out.text(snapshot.persistence_id.as_str());
        out.varint(snapshot.seq_nr.get());
        out.signed(snapshot.timestamp.as_millis());
        encode_metadata(&mut out, snapshot.metadata.as_ref());
        encode_payload(&mut out, &snapshot.payload);
        out.into_bytes()
    }

    /// From a frame's body; the payload shares its memory.
    pub(crate) fn decode(body: &Bytes) -> Result<Snapshot, Malformed> {
        let reader = &mut Reader::new(body);
        let snapshot = Snapshot {
            persistence_id: id(reader)?,
            seq_nr: seq_nr(reader)?,
            timestamp: Timestamp::from_millis(reader.signed()?),
            metadata: decode_metadata(reader)?,
            payload: decode_payload(reader)?,
        };
        at_end(reader, snapshot)
    }
}

/// The snapshots that meet the criteria are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotDelete {
    pub(crate) id: PersistenceId,
    pub(crate) criteria: SnapshotCriteria,
}

impl SnapshotDelete {
    /// The frame, with room for its header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = frame(self.id.as_str().len() + 48);
        out.text(self.id.as_str());
        out.varint(self.criteria.min_seq_nr.get());
        out.varint(self.criteria.max_seq_nr.get());
        out.signed(self.criteria.min_timestamp.as_millis());
        out.signed(self.criteria.max_timestamp.as_millis());
        out.into_bytes()
    }

    /// From a frame's body.
    pub(crate) fn decode(body: &Bytes) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(body);
        let id = id(reader)?;
        let criteria = SnapshotCriteria {
            min_seq_nr: seq_nr(reader)?,
            max_seq_nr: seq_nr(reader)?,
            min_timestamp: Timestamp::from_millis(reader.signed()?),
            max_timestamp: Timestamp::from_millis(reader.signed()?),
        };
        at_end(reader, Self { id, criteria })
    }
}

/// A projection's offset is saved.
#[derive(Debug)]
pub(crate) struct OffsetSave;

impl OffsetSave {
    /// The frame, with room for its header.
    pub(crate) fn encode(offset: &StoredOffset) -> Vec<u8> {
        let mut out = frame(offset.name.len() + 64);
        encode_offset(&mut out, &offset.name, offset.revision, &offset.offset);
        out.into_bytes()
    }

    /// From a frame's body.
    pub(crate) fn decode(body: &Bytes) -> Result<StoredOffset, Malformed> {
        let reader = &mut Reader::new(body);
        let offset = decode_offset(reader)?;
        at_end(reader, offset)
    }
}
