//! `PersistentRepr`: an event with all that a journal keeps of it; and several that were written
//! together.

use std::sync::Arc;

use annals_core::{
    Error, Payload, PersistenceId, Result, SeqNr, SerializerId, StoredEvent, Tags, Timestamp,
    WriterId,
};
use bytes::Bytes;

use crate::payload_message::Form::Persistence;
use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer, unzigzag};

const REPR: &str = "PersistentMessage";
const ATOMIC_WRITE: &str = "AtomicWrite";

/// An event as Pekko wraps it: in old rows of its plugins (Cassandra's column `message`, DynamoDB's
/// attribute `pay`) the whole event is one of these.
///
/// ```
/// use annals_core::{Payload, PersistenceId, SerializerId};
/// use annals_pekko::PersistentRepr;
/// use bytes::Bytes;
///
/// # fn row() -> Bytes { Bytes::from_static(b"\x0a\x07\x08\x14\x12\x03abc\x10\x2a\x1a\x03p-1") }
/// let pay: Bytes = row();
/// let repr = PersistentRepr::decode(&pay)?;
/// if !repr.deleted {
///     let (id, event) = repr.into_event()?;
///     assert_eq!((id.as_str(), event.seq_nr.get()), ("p-1", 42));
///     assert_eq!(event.payload, Payload::new(SerializerId::STRING, "", "abc"));
/// }
/// # Ok::<(), annals_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentRepr {
    /// What happened. Serializer 0 without bytes where there is none.
    pub payload: Payload,
    /// The event's number; 0 in messages that never were in a journal.
    pub seq_nr: SeqNr,
    /// The entity, as text: empty in messages that never were in a journal.
    pub persistence_id: Arc<str>,
    /// Whether old Akka marked the event as deleted: replay skips it. Never written.
    pub deleted: bool,
    /// The path of the actor that sent it, in old messages only.
    pub sender: Arc<str>,
    /// The event adapter's manifest; usually empty.
    pub manifest: Arc<str>,
    /// The incarnation of the entity that wrote it.
    pub writer: WriterId,
    /// When it happened; [`Timestamp::UNKNOWN`] in old messages.
    pub timestamp: Timestamp,
    /// What else is known about it.
    pub metadata: Option<Payload>,
}

impl PersistentRepr {
    /// What a message of `event` of `id` says. Tags have no place in it.
    pub fn of(id: &PersistenceId, event: StoredEvent) -> Self {
        Self {
            payload: event.payload,
            seq_nr: event.seq_nr,
            persistence_id: id.as_str().into(),
            deleted: false,
            sender: Arc::default(),
            manifest: event.event_manifest,
            writer: event.writer,
            timestamp: event.timestamp,
            metadata: event.metadata,
        }
    }

    /// The event that `bytes` hold; its payload shares them.
    ///
    /// # Errors
    /// `Corrupt` if they are no such message.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        Self::decode_part(bytes, bytes)
    }

    /// The message that `part` of `whole` holds.
    pub(super) fn decode_part(whole: &Bytes, part: &[u8]) -> Result<Self> {
        let mut repr = Self::empty();
        let mut fields = Fields::new(REPR, part);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(value)) => repr.payload = Persistence.decode(whole, value)?,
                (2, Value::Varint(value)) => {
                    repr.seq_nr = SeqNr::new(value)
                        .ok_or_else(|| fields.malformed("a negative sequence number"))?;
                }
                (3, Value::Bytes(value)) => repr.persistence_id = text(value)?.into(),
                (4, Value::Varint(value)) => repr.deleted = value != 0,
                (11, Value::Bytes(value)) => repr.sender = text(value)?.into(),
                (12, Value::Bytes(value)) => repr.manifest = text(value)?.into(),
                (13, Value::Bytes(value)) => repr.writer = WriterId::new(text(value)?),
                (14, Value::Varint(value)) => {
                    repr.timestamp = Timestamp::from_millis(unzigzag(value));
                }
                (15, Value::Bytes(value)) => {
                    repr.metadata = Some(Persistence.decode(whole, value)?)
                }
                (1..=4 | 11..=15, _) => return Err(fields.wrong_kind()),
                // Redeliveries and confirmations of old Akka, and what comes after us.
                _ => {}
            }
        }
        Ok(repr)
    }

    /// The message, byte for byte as Pekko writes it.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.bytes(1, &Persistence.encode(&self.payload));
        writer.int64(2, self.seq_nr.get().cast_signed());
        writer.text(3, &self.persistence_id);
        writer.text(11, &self.sender);
        writer.text(12, &self.manifest);
        writer.text(13, self.writer.as_str());
        if self.timestamp > Timestamp::UNKNOWN {
            writer.sint64(14, self.timestamp.as_millis());
        }
        if let Some(metadata) = &self.metadata {
            writer.bytes(15, &Persistence.encode(metadata));
        }
        writer.finish().into()
    }

    /// The event as the contract has it, and whose it is. Whether it is [`deleted`](Self::deleted) is
    /// for the caller to look at first.
    ///
    /// # Errors
    /// `Corrupt` if it names no entity or has no number.
    pub fn into_event(self) -> Result<(PersistenceId, StoredEvent)> {
        let id = PersistenceId::new(self.persistence_id)
            .map_err(|_| Error::corrupt("a PersistentMessage names no entity"))?;
        if self.seq_nr.is_zero() {
            return Err(Error::corrupt(format!("a PersistentMessage of {id} has no number")));
        }
        let event = StoredEvent {
            seq_nr: self.seq_nr,
            writer: self.writer,
            timestamp: self.timestamp,
            payload: self.payload,
            event_manifest: self.manifest,
            tags: Tags::NONE,
            metadata: self.metadata,
        };
        Ok((id, event))
    }

    fn empty() -> Self {
        Self {
            payload: Payload::new(SerializerId::new(0), "", Bytes::new()),
            seq_nr: SeqNr::ZERO,
            persistence_id: Arc::default(),
            deleted: false,
            sender: Arc::default(),
            manifest: Arc::default(),
            writer: WriterId::new(""),
            timestamp: Timestamp::UNKNOWN,
            metadata: None,
        }
    }
}

/// Events that were written together, as one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AtomicWrite {
    /// The events in order.
    pub events: Vec<PersistentRepr>,
}

impl AtomicWrite {
    /// The events that `bytes` hold; their payloads share them.
    ///
    /// # Errors
    /// `Corrupt` if they are no such message.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let mut write = Self::default();
        let mut fields = Fields::new(ATOMIC_WRITE, bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(part)) => {
                    write.events.push(PersistentRepr::decode_part(bytes, part)?);
                }
                (1, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(write)
    }

    /// The message, byte for byte as Pekko writes it.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        for event in &self.events {
            writer.bytes(1, &event.encode());
        }
        writer.finish().into()
    }
}
