//! Serializer 16: small values of Pekko's and of the standard libraries that applications persist.

use std::sync::Arc;

use annals_core::{Error, Payload, Result, SerializerId};
use bytes::Bytes;

use crate::payload_message::Form::Remoting;
use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer};

const ID: SerializerId = SerializerId::new(16);

/// A payload of serializer 16, of those kinds that are persisted in practice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misc {
    /// Scala's `Option`.
    Option(Option<Payload>),
    /// Java's `Optional`.
    Optional(Option<Payload>),
    /// An actor, by its path.
    ActorRef(Arc<str>),
    /// `Done`.
    Done,
    /// `NotUsed`.
    NotUsed,
    /// `PoisonPill`.
    PoisonPill,
    /// `Kill`.
    Kill,
    /// `Status.Success` of a value.
    StatusSuccess(Payload),
    /// `StatusReply.Ack`.
    ReplyAck,
    /// `StatusReply.success` of a value.
    ReplySuccess(Payload),
    /// `StatusReply.error` of a message.
    ReplyError(Arc<str>),
    /// A configuration, as JSON.
    Config(Arc<str>),
}

impl Misc {
    /// The value that `payload` holds.
    ///
    /// # Errors
    /// `Unsupported` if serializer or manifest is another one, `Corrupt` if the bytes are not what the
    /// manifest says.
    pub fn from_payload(payload: &Payload) -> Result<Self> {
        let bytes = &payload.bytes;
        Ok(match (payload.serializer, payload.manifest.as_ref()) {
            (ID, "C") => Self::Option(maybe(bytes)?),
            (ID, "H") => Self::Optional(maybe(bytes)?),
            (ID, "G") => Self::ActorRef(one_text("ActorRef", bytes)?),
            (ID, "DONE") => Self::Done,
            (ID, "NU") => Self::NotUsed,
            (ID, "P") => Self::PoisonPill,
            (ID, "K") => Self::Kill,
            (ID, "D") => Self::StatusSuccess(Remoting.decode(bytes, bytes)?),
            (ID, "SA") => Self::ReplyAck,
            (ID, "S") => Self::ReplySuccess(Remoting.decode(bytes, bytes)?),
            (ID, "SM") => Self::ReplyError(one_text("StatusReplyErrorMessage", bytes)?),
            (ID, "CF") => Self::Config(text(bytes)?.into()),
            (id, manifest) => {
                return Err(Error::unsupported(format!(
                    "a payload of serializer {id} with manifest {manifest:?} has no value here; it is kept as it is"
                )));
            }
        })
    }

    /// The payload that holds the value, byte for byte as Pekko writes it.
    pub fn to_payload(&self) -> Payload {
        let (manifest, bytes) = match self {
            Self::Option(value) => ("C", write_maybe(value.as_ref())),
            Self::Optional(value) => ("H", write_maybe(value.as_ref())),
            Self::ActorRef(path) => ("G", write_text(path)),
            Self::Done => ("DONE", Vec::new()),
            Self::NotUsed => ("NU", Vec::new()),
            Self::PoisonPill => ("P", Vec::new()),
            Self::Kill => ("K", Vec::new()),
            Self::StatusSuccess(value) => ("D", Remoting.encode(value)),
            Self::ReplyAck => ("SA", Vec::new()),
            Self::ReplySuccess(value) => ("S", Remoting.encode(value)),
            Self::ReplyError(message) => ("SM", write_text(message)),
            Self::Config(json) => ("CF", json.as_bytes().to_vec()),
        };
        Payload::new(ID, manifest, bytes)
    }
}

fn maybe(bytes: &Bytes) -> Result<Option<Payload>> {
    let mut value = None;
    let mut fields = Fields::new("Option", bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(part)) => value = Some(Remoting.decode(bytes, part)?),
            (1, _) => return Err(fields.wrong_kind()),
            _ => {}
        }
    }
    Ok(value)
}

fn write_maybe(value: Option<&Payload>) -> Vec<u8> {
    let mut writer = Writer::default();
    if let Some(value) = value {
        writer.bytes(1, &Remoting.encode(value));
    }
    writer.finish()
}

fn one_text(message: &'static str, bytes: &[u8]) -> Result<Arc<str>> {
    let mut found = None;
    let mut fields = Fields::new(message, bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(value)) => found = Some(text(value)?.into()),
            (1, _) => return Err(fields.wrong_kind()),
            _ => {}
        }
    }
    fields.required(found, "text")
}

fn write_text(text: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, text.as_bytes());
    writer.finish()
}
