//! Offsets of this store. Ours name the tables that they belong to; Pekko's own offsets of tags (a bare
//! timeuuid of 16 bytes) are taken as well.
//!
//! ```text
//! kind 1 | store 8 | timeuuid 16           of a tag
//! kind 1 | store 8 | number 8              of an entity
//! kind 1 | store 8 | token 8 | id …        of the listing of ids
//! ```

use annals_core::{Error, Offset, PersistenceId, Result, SeqNr};
use uuid::Uuid;

use crate::timeuuid::TimeUuid;

const TAG: u8 = 1;
const ENTITY: u8 = 2;
const ID: u8 = 3;

/// Makes and reads the offsets of one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    pub(crate) store_id: u64,
}

impl Offsets {
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
        let (own, other) = (Offsets { store_id: 7 }, Offsets { store_id: 8 });
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
        let own = Offsets { store_id: 7 };
        let uuid = TimeUuid::start_of(1_700_000_000_000);
        let bare = Offset::from_bytes(uuid.uuid().as_bytes().to_vec());
        assert_eq!(own.tag(&bare).unwrap(), uuid);
        assert!(own.tag(&Offset::from_bytes(vec![0xff; 16])).is_err());
    }
}
