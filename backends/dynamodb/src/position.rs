//! Offsets: places in the events of one id, and in the listing of ids. Pure.
//!
//! ```text
//!  kind (1 byte) | what | FNV-1a of the journal's table and name, of kind and what (8 bytes)
//!  e             | sequence number (8 bytes), persistence id     behind that event
//!  i, a, s       | num (1 byte), par                             behind that key of the listing
//! ```
//!
//! The last bytes tell an offset of another journal, and one that was cut, from an own one (Q8). A place
//! in the listing means something only to the kind of listing that gave it: by an index (`i`), by an index
//! in the order of names (`a`), or by a scan (`s`).

use annals_core::{Error, Offset, PersistenceId, Result, SeqNr};

/// How ids are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// By an index of hash `num` alone.
    Index,
    /// By an index of hash `num` and range `par`.
    NamedIndex,
    /// By a scan of the table.
    Scan,
}

/// A key in the journal table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) par: String,
    pub(crate) num: u8,
}

/// Makes and reads the offsets of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    journal: u64,
}

const EVENT: u8 = b'e';

impl Positions {
    /// The offsets of the journal `name` in `table`.
    pub(crate) fn new(table: &str, name: &str) -> Self {
        let named = hashed(FNV_BASIS, table.as_bytes());
        // A table's name has no slash.
        Self { journal: hashed(hashed(named, b"/"), name.as_bytes()) }
    }

    /// The offset behind event `seq_nr` of `id`.
    pub(crate) fn event(&self, id: &PersistenceId, seq_nr: SeqNr) -> Offset {
        self.sealed(&[&[EVENT], &seq_nr.get().to_be_bytes()[..], id.as_str().as_bytes()].concat())
    }

    /// The number of the event of `id` that `offset` stands behind.
    pub(crate) fn seq_nr(&self, id: &PersistenceId, offset: &Offset) -> Result<SeqNr> {
        let (owner, seq_nr) = self.event_of(offset)?;
        if owner == id.as_str() {
            return Ok(seq_nr);
        }
        Err(Error::invalid(format!("{offset} is an offset of the events of {owner}, not of {id}")))
    }

    /// Checks that `offset` is one of this journal's events.
    pub(crate) fn check_event(&self, offset: &Offset) -> Result<()> {
        self.event_of(offset).map(|_| ())
    }

    /// The offset behind `place` in the listing of ids.
    pub(crate) fn id(&self, listing: Listing, place: &Place) -> Offset {
        self.sealed(&[&[kind(listing), place.num], place.par.as_bytes()].concat())
    }

    /// The place in the listing of ids that `offset` stands behind.
    pub(crate) fn place(&self, listing: Listing, offset: &Offset) -> Result<Place> {
        let (found, what) = self.opened(offset)?;
        if found != kind(listing) {
            let message = match found {
                EVENT => format!("{offset} is an offset of events, not of ids"),
                _ => format!(
                    "{offset} was given when ids were listed in another way (the index of ids was made, \
                     changed or removed since): list them anew"
                ),
            };
            return Err(Error::invalid(message));
        }
        let place = what.split_first().and_then(|(num, par)| {
            Some(Place { num: *num, par: std::str::from_utf8(par).ok()?.to_owned() })
        });
        place.ok_or_else(|| malformed(offset))
    }

    fn event_of<'a>(&self, offset: &'a Offset) -> Result<(&'a str, SeqNr)> {
        let (found, what) = self.opened(offset)?;
        if found != EVENT {
            return Err(Error::invalid(format!("{offset} is an offset of ids, not of events")));
        }
        let event = what.split_first_chunk().and_then(|(seq_nr, id)| {
            Some((std::str::from_utf8(id).ok()?, SeqNr::new(u64::from_be_bytes(*seq_nr))?))
        });
        event.ok_or_else(|| malformed(offset))
    }

    fn sealed(&self, body: &[u8]) -> Offset {
        let seal = hashed(self.journal, body).to_be_bytes();
        Offset::from_bytes([body, &seal].concat())
    }

    fn opened<'a>(&self, offset: &'a Offset) -> Result<(u8, &'a [u8])> {
        let (body, seal) = offset.as_bytes().split_last_chunk().ok_or_else(|| malformed(offset))?;
        if hashed(self.journal, body).to_be_bytes() != *seal {
            return Err(malformed(offset));
        }
        let (kind, what) = body.split_first().ok_or_else(|| malformed(offset))?;
        Ok((*kind, what))
    }
}

fn kind(listing: Listing) -> u8 {
    match listing {
        Listing::Index => b'i',
        Listing::NamedIndex => b'a',
        Listing::Scan => b's',
    }
}

fn malformed(offset: &Offset) -> Error {
    Error::invalid(format!(
        "{offset} is no offset of this journal: it is of another one, or was cut"
    ))
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits, going on from `hash`.
fn hashed(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

    fn positions() -> Positions {
        Positions::new("table", "journal")
    }

    fn id(text: &str) -> PersistenceId {
        PersistenceId::new(text).unwrap()
    }

    fn invalid<T: std::fmt::Debug>(result: Result<T>, wanted: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(wanted), "{error}");
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Published test vectors.
        assert_eq!(hashed(FNV_BASIS, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hashed(FNV_BASIS, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hashed(FNV_BASIS, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn places_come_back() {
        let seq_nr = SeqNr::new(1 << 40).unwrap();
        let offset = positions().event(&id("a|ä"), seq_nr);
        assert_eq!(positions().seq_nr(&id("a|ä"), &offset).unwrap(), seq_nr);
        positions().check_event(&offset).unwrap();
        let place = Place { par: "journal-P-a-0".to_owned(), num: 1 };
        for listing in [Listing::Index, Listing::NamedIndex, Listing::Scan] {
            let offset = positions().id(listing, &place);
            assert_eq!(positions().place(listing, &offset).unwrap(), place);
        }
    }

    #[test]
    fn the_form_is_kept() {
        // Offsets are stored by applications: their bytes must not change.
        let offset = positions().event(&id("a"), SeqNr::new(3).unwrap());
        assert_eq!(offset.to_string(), "6500000000000000036128e4918663ab76b6");
    }

    #[test]
    fn an_offset_of_another_kind_or_id_is_told() {
        let positions = positions();
        let event = positions.event(&id("a"), SeqNr::FIRST);
        invalid(positions.seq_nr(&id("b"), &event), "of the events of a, not of b");
        invalid(positions.place(Listing::Scan, &event), "of events, not of ids");
        let listed = positions.id(Listing::Index, &Place { par: "x".to_owned(), num: 1 });
        invalid(positions.place(Listing::Scan, &listed), "listed in another way");
        invalid(positions.seq_nr(&id("a"), &listed), "of ids, not of events");
        invalid(positions.check_event(&listed), "of ids, not of events");
    }

    #[test]
    fn foreign_and_cut_offsets_are_refused() {
        let own = positions().event(&id("a"), SeqNr::FIRST);
        for other in [
            Positions::new("table", "journal2"),
            Positions::new("tabl", "e/journal"),
            Positions::new("other", "journal"),
        ] {
            invalid(other.seq_nr(&id("a"), &own), "is no offset of this journal");
        }
        for length in 0..own.as_bytes().len() {
            let cut = Offset::from_bytes(own.as_bytes()[..length].to_vec());
            invalid(positions().seq_nr(&id("a"), &cut), "is no offset of this journal");
        }
    }
}
