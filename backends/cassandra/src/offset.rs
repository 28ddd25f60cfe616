//! Offsets of this store. Ours name the tables that they belong to; Pekko's own offsets of tags (a bare
//! timeuuid of 16 bytes) are taken as well.
//!
//! ```text
//! kind 1 | store 8 | timeuuid 16           of a tag
//! kind 1 | store 8 | number 8              of an entity
//! kind 1 | store 8 | token 8 | id …        of the listing of ids
//! ```
//!
//! The store's number has [`NO_UUID`] where a UUID has its version, so that no part of an offset of ours
//! reads as one of Pekko's.

use annals_core::{Error, Offset, PersistenceId, Result, SeqNr};
use uuid::Uuid;

use crate::timeuuid::TimeUuid;

const TAG: u8 = 1;
const ENTITY: u8 = 2;
const ID: u8 = 3;

/// The four bits that are the version of a UUID whose second byte begins the store's number (RFC 9562, 4.2),
/// all set: no timeuuid, which is of version 1, has them.
const NO_UUID: u64 = 0x0000_0000_00f0_0000;

/// Makes and reads the offsets of one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    store_id: u64,
}

impl Offsets {
    /// The offsets of the store that has this number; its bits of [`NO_UUID`] do not count.
    pub(crate) const fn of_store(store_id: u64) -> Self {
        Self { store_id: store_id | NO_UUID }
    }

    fn make(self, kind: u8, rest: &[u8]) -> Offset {
        let store_id = self.store_id.to_be_bytes();
        Offset::from_bytes([&[kind], store_id.as_slice(), rest].concat())
    }

    /// What follows kind and store.
    fn rest(self, kind: u8, offset: &Offset) -> Result<&[u8]> {
        let malformed =
            || Error::invalid(format!("{offset} is not an offset of this query of this store"));
        let (found, rest) = offset.as_bytes().split_first().ok_or_else(malformed)?;
        let (store_id, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        if *found != kind || u64::from_be_bytes(*store_id) != self.store_id {
            return Err(malformed());
        }
        Ok(rest)
    }

    pub(crate) fn of_tag(self, uuid: TimeUuid) -> Offset {
        self.make(TAG, uuid.uuid().as_bytes())
    }

    pub(crate) fn tag(self, offset: &Offset) -> Result<TimeUuid> {
        let malformed = || Error::invalid(format!("{offset} is not an offset of a tag"));
        let bytes = match offset.as_bytes().first_chunk::<16>() {
            // Pekko's, as it is.
            Some(bytes) if offset.as_bytes().len() == 16 => *bytes,
            _ => self.rest(TAG, offset)?.try_into().map_err(|_| malformed())?,
        };
        TimeUuid::new(Uuid::from_bytes(bytes)).ok_or_else(malformed)
    }

    pub(crate) fn of_entity(self, seq_nr: SeqNr) -> Offset {
        self.make(ENTITY, &seq_nr.get().to_be_bytes())
    }

    pub(crate) fn entity(self, offset: &Offset) -> Result<SeqNr> {
        let malformed = || Error::invalid(format!("{offset} is not an offset of an entity"));
        let number = self.rest(ENTITY, offset)?.try_into().map_err(|_| malformed())?;
        SeqNr::new(u64::from_be_bytes(number)).ok_or_else(malformed)
    }

    pub(crate) fn of_id(self, token: i64, id: &PersistenceId) -> Offset {
        self.make(ID, &[token.to_be_bytes().as_slice(), id.as_str().as_bytes()].concat())
    }

    /// The token and the id that an offset of the listing names.
    pub(crate) fn id(self, offset: &Offset) -> Result<(i64, PersistenceId)> {
        let malformed = || Error::invalid(format!("{offset} is not an offset of the ids"));
        let (token, id) = self.rest(ID, offset)?.split_first_chunk().ok_or_else(malformed)?;
        let id = std::str::from_utf8(id).map_err(|_| malformed())?;
        Ok((i64::from_be_bytes(*token), PersistenceId::new(id)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_of_one_query_of_one_store() {
        let (own, other) = (Offsets::of_store(7), Offsets::of_store(8));
        let uuid = TimeUuid::start_of(1_700_000_000_000);
        let id = PersistenceId::new("a|ä").unwrap();
        let nr = SeqNr::new(9).unwrap();
        assert_eq!(own.tag(&own.of_tag(uuid)).unwrap(), uuid);
        assert_eq!(own.entity(&own.of_entity(nr)).unwrap(), nr);
        assert_eq!(own.id(&own.of_id(-5, &id)).unwrap(), (-5, id.clone()));
        assert!(other.tag(&own.of_tag(uuid)).is_err() && own.tag(&own.of_entity(nr)).is_err());
        assert!(other.id(&own.of_id(-5, &id)).is_err() && own.entity(&own.of_tag(uuid)).is_err());
    }

    #[test]
    fn offsets_of_pekko_are_taken() {
        let own = Offsets::of_store(7);
        let uuid = TimeUuid::start_of(1_700_000_000_000);
        let bare = Offset::from_bytes(uuid.uuid().as_bytes().to_vec());
        assert_eq!(own.tag(&bare).unwrap(), uuid);
        assert!(own.tag(&Offset::from_bytes(vec![0xff; 16])).is_err());
    }

    /// An entity's offset that lost its last byte has the length of a UUID, and some numbers of stores would
    /// make it one of version 1.
    #[test]
    fn no_part_of_an_own_offset_is_one_of_pekko() {
        for store_id in
            [0, u64::MAX, u64::from_be_bytes([0x73, 0xfd, 0xd3, 0xad, 0x67, 0x18, 0xb2, 0xe9])]
        {
            let own = Offsets::of_store(store_id);
            let entity = own.of_entity(SeqNr::new(9).unwrap());
            let id = own.of_id(-5, &PersistenceId::new("a|ä").unwrap());
            for offset in [entity, id] {
                for length in 0..=offset.as_bytes().len() {
                    let part = Offset::from_bytes(offset.as_bytes()[..length].to_vec());
                    assert!(own.tag(&part).is_err(), "{part}");
                }
            }
        }
    }
}
