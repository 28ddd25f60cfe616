//! The offset of the embedded store: everything before a place in the log was seen.
//!
//! ```text
//!  0  store                u64, big-endian
//!  8  segment              u32, big-endian
//! 12  byte                 u32, big-endian
//! 16  events of the frame at that byte that were seen   u32, big-endian
//! ```

use annals_core::{Error, Offset, Result};

use crate::position::{Position, SegmentNr};

/// A place between two events of the log. Ordered as the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogOffset {
    /// All frames before it were seen.
    pub(crate) position: Position,
    /// How many events of the frame there were seen.
    pub(crate) events: u32,
}

impl LogOffset {
    /// The beginning of the log.
    pub(crate) const START: Self = Self::at(Position::new(SegmentNr::FIRST, 0));

    /// Before the frame at `position`.
    pub(crate) const fn at(position: Position) -> Self {
        Self { position, events: 0 }
    }

    /// The offset as the contract has it.
    pub(crate) fn encode(self, store_id: u64) -> Offset {
        let mut bytes = [0; 20];
        let (store, place) = bytes.split_at_mut(8);
        store.copy_from_slice(&store_id.to_be_bytes());
        let (position, events) = place.split_at_mut(8);
        position.copy_from_slice(&self.position.to_u64().to_be_bytes());
        events.copy_from_slice(&self.events.to_be_bytes());
        Offset::from_bytes(bytes.to_vec())
    }

    /// The place that `offset` names, if it is one of this store.
    pub(crate) fn decode(offset: &Offset, store_id: u64) -> Result<Self> {
        let bytes: &[u8; 20] = offset.as_bytes().try_into().map_err(|_| {
            Error::invalid(format!("{offset} is not an offset of an embedded store"))
        })?;
        let [s0, s1, s2, s3, s4, s5, s6, s7, rest @ ..] = *bytes;
        let [p0, p1, p2, p3, p4, p5, p6, p7, e0, e1, e2, e3] = rest;
        if u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]) != store_id {
            return Err(Error::invalid(format!("{offset} is an offset of another store")));
        }
        Ok(Self {
            position: Position::from_u64(u64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7])),
            events: u32::from_be_bytes([e0, e1, e2, e3]),
        })
    }
}

/// Where a listing of ids goes on, and where it ends: an offset with the end behind it, in 8 bytes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListingOffset {
    /// All ids that began before it were listed.
    pub(crate) after: Position,
    /// Ids that began from here on are not of this listing; none if it begins with the next page.
    pub(crate) until: Option<Position>,
}

impl ListingOffset {
    /// The offset as the contract has it.
    pub(crate) fn encode(self, store_id: u64) -> Offset {
        let after = LogOffset::at(self.after).encode(store_id);
        match self.until {
            None => after,
            Some(until) => {
                let until = until.to_u64().to_be_bytes();
                Offset::from_bytes([after.as_bytes(), &until].concat())
            }
        }
    }

    /// The place that `offset` names, if it is one of this store.
    pub(crate) fn decode(offset: &Offset, store_id: u64) -> Result<Self> {
        let (after, until) = match offset.as_bytes().split_last_chunk::<8>() {
            Some((after, until)) if after.len() == 20 => {
                let until = Position::from_u64(u64::from_be_bytes(*until));
                (&Offset::from_bytes(after.to_vec()), Some(until))
            }
            _ => (offset, None),
        };
        Ok(Self { after: LogOffset::decode(after, store_id)?.position, until })
    }
}
