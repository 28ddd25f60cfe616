//! The body of a gap: what stands in a compacted segment for a run of frames that are gone.
//!
//! ```text
//! bytes from the gap's own beginning to the end of the run   varint
//! checksum that the next frame is chained to                 u32
//! number of ids                                              varint
//! each: id text,
//!       number of the first event, 0 if none is gone         varint
//!       if one is: number of events, and 1 plus where the
//!       frame of the id's first event of all began, from the
//!       gap's own beginning on, or 0                         varint, varint
//! ```

use annals_core::{PersistenceId, SeqNr};
use bytes::Bytes;

use super::encoding::{Malformed, Reader, Writer};
use super::events::seq_nr;
use super::{FRAME_HEADER_BYTES, index};

/// What is kept of an id whose frames are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GapId {
    /// The id.
    pub(crate) id: PersistenceId,
    /// Its events; none if only snapshots of it are gone.
    pub(crate) events: Option<GapEvents>,
}

/// Events that are gone: all of them deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GapEvents {
    /// The number of the first one.
    pub(crate) first: SeqNr,
    /// The number of the last one.
    pub(crate) last: SeqNr,
    /// Where the frame of the id's first event of all began in the segment, if it is gone here.
    pub(crate) begins_at: Option<u32>,
}

/// A run of frames that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How long the run was.
    pub(crate) bytes: u32,
    /// The checksum of its last frame: what the next one is chained to.
    pub(crate) checksum: u32,
    /// The ids of its frames, each once.
    pub(crate) ids: Vec<GapId>,
}

impl Gap {
    /// The frame that begins at `byte`, with room for its header.
    pub(crate) fn encode(&self, byte: u32) -> Vec<u8> {
        let ids: usize = self.ids.iter().map(|gone| gone.id.as_str().len() + 16).sum();
        let mut out = Writer::with_capacity(FRAME_HEADER_BYTES + ids + 16);
        out.raw(&[0; FRAME_HEADER_BYTES]);
        out.varint(self.bytes.into());
        out.raw(&self.checksum.to_le_bytes());
        out.length(self.ids.len());
        for GapId { id, events } in &self.ids {
            out.text(id.as_str());
            match events {
                None => out.varint(0),
                Some(GapEvents { first, last, begins_at }) => {
                    out.varint(first.get());
                    out.varint(last.get().saturating_sub(first.get()).saturating_add(1));
                    out.varint(begins_at.map_or(0, |at| u64::from(at.saturating_sub(byte)) + 1));
                }
            }
        }
        out.into_bytes()
    }

    /// How long the run was, and what the next frame is chained to: the front of a body.
    pub(crate) fn decode_link(body: &Bytes) -> Result<(u32, u32), Malformed> {
        link(&mut Reader::new(body))
    }

    /// From the body of the frame that begins at `byte`.
    pub(crate) fn decode(body: &Bytes, byte: u32) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(body);
        let (bytes, checksum) = link(reader)?;
        let count = reader.length()?;
        let mut ids = Vec::with_capacity(count.min(index(bytes)));
        for _ in 0..count {
            let id = PersistenceId::new(reader.text()?).map_err(|_| Malformed("an id is empty"))?;
            let first = seq_nr(reader)?;
            let events =
                if first.is_zero() { None } else { Some(events(reader, first, byte, bytes)?) };
            ids.push(GapId { id, events });
        }
        if !reader.is_empty() {
            return Err(Malformed("bytes follow the ids of a gap"));
        }
        Ok(Self { bytes, checksum, ids })
    }
}

fn link(reader: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    let bytes = u32::try_from(reader.varint()?).ok();
    let bytes = bytes.filter(|bytes| bytes.is_multiple_of(8));
    let bytes = bytes.ok_or(Malformed("a gap is of an impossible length"))?;
    Ok((bytes, u32::from_le_bytes(reader.array()?)))
}

fn events(
    reader: &mut Reader<'_>,
    first: SeqNr,
    byte: u32,
    bytes: u32,
) -> Result<GapEvents, Malformed> {
    let malformed = Malformed("the events of a gap have impossible numbers");
    let count = reader.varint()?;
    let last = count.checked_sub(1).and_then(|more| first.get().checked_add(more));
    let last = last.and_then(SeqNr::new).ok_or(malformed)?;
    let begins_at = match reader.varint()?.checked_sub(1) {
        None => None,
        Some(from) => {
            let from = u32::try_from(from).ok().filter(|from| *from < bytes).ok_or(malformed)?;
            Some(byte.checked_add(from).ok_or(malformed)?)
        }
    };
    Ok(GapEvents { first, last, begins_at })
}
