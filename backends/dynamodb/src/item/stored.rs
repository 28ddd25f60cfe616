//! Reading items: both of Pekko's forms, and tombstones.

use annals_core::{
    AppendId, Error, Payload, PersistenceId, Result, SeqNr, SerializerId, StoredEvent, Tag, Tags,
    Timestamp, WriterId,
};
use annals_pekko::{PersistentRepr, untag};
use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{Item, damaged, names, number_of, required, take_bytes, text_of};
use crate::keys::Group;

/// An item of an event's key.
#[derive(Debug)]
pub(crate) struct StoredItem {
    pub(crate) header: Header,
    pub(crate) stored: Stored,
}

/// What is there.
#[derive(Debug)]
pub(crate) enum Stored {
    /// An event.
    Event(Box<StoredEvent>),
    /// What a delete left; or an event that old Akka marked as deleted.
    Deleted,
}

/// What an item says of its append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) seq_nr: SeqNr,
    /// Its place in its append, and the last such place; `None` in an append of one event.
    pub(crate) place: Option<Place>,
    /// Which append; `None` where Pekko wrote it.
    pub(crate) append_id: Option<AppendId>,
    /// Whether the append is committed by an intent.
    pub(crate) intent: bool,
    pub(crate) deleted: bool,
}

/// A place in an append of several events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) last_index: u64,
}

impl Header {
    /// The number of the append's first event.
    pub(crate) fn first(&self) -> SeqNr {
        let index = self.place.map_or(0, |place| place.index);
        SeqNr::new(self.seq_nr.get().saturating_sub(index)).unwrap_or(SeqNr::ZERO)
    }

    /// The number of the append's last event.
    pub(crate) fn last(&self) -> SeqNr {
        self.first().plus(self.place.map_or(0, |place| place.last_index))
    }
}

/// What the item of `group` says of its append, without its event.
///
/// # Errors
/// `Corrupt` for attributes of the wrong type.
pub(crate) fn header(group: Group, item: &Item) -> Result<Header> {
    let num: u64 = required(number_of(item, names::NUM)?, names::NUM)?;
    let seq_nr = required(group.at(num), names::NUM)?;
    let index: Option<u64> = number_of(item, names::INDEX)?;
    let last_index: Option<u64> = number_of(item, names::LAST_INDEX)?;
    let place = match (index, last_index) {
        (None, None) => None,
        (Some(index), Some(last_index)) if index <= last_index && index < seq_nr.get() => {
            Some(Place { index, last_index })
        }
        _ => return Err(damaged(names::INDEX, "does not fit `cnt` and the key")),
    };
    let append_id = match item.get(names::APPEND) {
        None => None,
        Some(AttributeValue::B(blob)) => {
            let bytes = blob.as_ref().try_into();
            let bytes = bytes.map_err(|_| damaged(names::APPEND, "has not 16 bytes"))?;
            Some(AppendId::new(u128::from_be_bytes(bytes)))
        }
        Some(_) => return Err(damaged(names::APPEND, "is not binary")),
    };
    let intent = item.contains_key(names::INTENT);
    let deleted = item.contains_key(names::DELETED);
    Ok(Header { seq_nr, place, append_id, intent, deleted })
}

/// What the item of `id` in `group` holds.
///
/// # Errors
/// `Corrupt` if that is not what Pekko or annals writes; names the event.
pub(crate) fn decode(id: &PersistenceId, group: Group, item: Item) -> Result<StoredItem> {
    let header = header(group, &item)
        .map_err(|error| error.context(format_args!("an item of {id} cannot be read")))?;
    let stored = stored(id, header, item).map_err(|error| {
        error.context(format_args!(
            "event {} of {id} cannot be read; it is kept as it is",
            header.seq_nr
        ))
    })?;
    Ok(StoredItem { header, stored })
}

fn stored(id: &PersistenceId, header: Header, mut item: Item) -> Result<Stored> {
    if header.deleted {
        return Ok(Stored::Deleted);
    }
    if let Some(bytes) = take_bytes(&mut item, names::EVENT)? {
        let mut event = current(id, header.seq_nr, item, bytes)?;
        if header.append_id.is_none() {
            take_tags_off(&mut event);
        }
        return Ok(Stored::Event(Box::new(event)));
    }
    let old = required(take_bytes(&mut item, names::OLD_EVENT)?, names::EVENT)?;
    let repr = PersistentRepr::decode(&old)?;
    if repr.deleted {
        return Ok(Stored::Deleted);
    }
    let (owner, mut event) = repr.into_event()?;
    check_owner(id, header.seq_nr, owner.as_str(), event.seq_nr)?;
    take_tags_off(&mut event);
    Ok(Stored::Event(Box::new(event)))
}

/// Takes the event out of a `Tagged`, which Pekko's plugin stores as it is. What cannot be taken apart is
/// the application's own, and none of our business.
fn take_tags_off(event: &mut StoredEvent) {
    if let Ok((payload, tags)) = untag(event.payload.clone())
        && !tags.is_empty()
    {
        event.payload = payload;
        event.tags = tags;
    }
}

fn current(
    id: &PersistenceId,
    seq_nr: SeqNr,
    mut item: Item,
    bytes: bytes::Bytes,
) -> Result<StoredEvent> {
    let owner = required(text_of(&item, names::PERSISTENCE_ID)?, names::PERSISTENCE_ID)?;
    let number: u64 = required(number_of(&item, names::SEQ)?, names::SEQ)?;
    check_owner(id, seq_nr, owner, required(SeqNr::new(number), names::SEQ)?)?;
    let serializer = required(number_of(&item, names::SERIALIZER)?, names::SERIALIZER)?;
    let manifest = text_of(&item, names::MANIFEST)?.unwrap_or_default();
    let payload = Payload::new(SerializerId::new(serializer), manifest, bytes);
    let writer = WriterId::new(text_of(&item, names::WRITER)?.unwrap_or_default());
    let timestamp = number_of(&item, names::TIMESTAMP)?.map(Timestamp::from_millis);
    let event_manifest = text_of(&item, names::EVENT_MANIFEST)?;
    let event_manifest = event_manifest.map(Into::into).unwrap_or_default();
    let tags = tags(&item)?;
    let metadata = match take_bytes(&mut item, names::META)? {
        None => None,
        Some(bytes) => {
            let id = required(number_of(&item, names::META_SERIALIZER)?, names::META_SERIALIZER)?;
            let manifest = text_of(&item, names::META_MANIFEST)?.unwrap_or_default();
            Some(Payload::new(SerializerId::new(id), manifest, bytes))
        }
    };
    Ok(StoredEvent {
        seq_nr,
        writer,
        timestamp: timestamp.unwrap_or(Timestamp::UNKNOWN),
        payload,
        event_manifest,
        tags,
        metadata,
    })
}

fn tags(item: &Item) -> Result<Tags> {
    match item.get(names::TAGS) {
        None => Ok(Tags::NONE),
        Some(AttributeValue::Ss(texts)) => {
            let tags: Result<Vec<Tag>> = texts.iter().map(|text| Tag::new(text.as_str())).collect();
            let tags = tags.map_err(|_| damaged(names::TAGS, "holds an empty tag"))?;
            Ok(tags.into_iter().collect())
        }
        Some(_) => Err(damaged(names::TAGS, "is not a set of texts")),
    }
}

/// An item says itself whose it is; what its key says must be the same.
fn check_owner(id: &PersistenceId, seq_nr: SeqNr, owner: &str, number: SeqNr) -> Result<()> {
    if owner == id.as_str() && number == seq_nr {
        return Ok(());
    }
    Err(Error::corrupt(format!("the item at its key is event {number} of {owner:?}")))
}
