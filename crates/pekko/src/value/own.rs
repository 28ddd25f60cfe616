//! The values of Pekko's own messages, and of what Java serialized, as JSON for people to look at. They
//! cannot be written back from it: the bytes of payloads inside are told apart by serializer only.

use std::time::Duration;

use annals_core::{Error, Payload, Result};
use serde_json::{Map, Value, json};

use super::{Decoded, decode_at, exact_number, raw_json};
use crate::java_object::{self, JavaValue};
use crate::{
    FsmSnapshot, FsmStateChange, ManifestNames, Message, Misc, PersistentRepr, Replicated,
};
use crate::{VersionVector, read_snapshot};

/// How deep payloads inside payloads are looked into; those below stand as bytes.
pub(super) const DEPTH_MAX: usize = 8;

/// Serializer 1.
pub(super) fn java(payload: &Payload) -> Result<Decoded> {
    let fraction =
        |value: f64| serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number);
    Ok(Decoded::Json(match java_object::read(&payload.bytes)? {
        JavaValue::Null => Value::Null,
        JavaValue::Text(text) => (*text).into(),
        JavaValue::Byte(value) => value.into(),
        JavaValue::Short(value) => value.into(),
        JavaValue::Int(value) => value.into(),
        JavaValue::Long(value) => value.into(),
        JavaValue::Float(value) => fraction(value.into()),
        JavaValue::Double(value) => fraction(value),
        JavaValue::Char(unit) => String::from_utf16_lossy(&[unit]).into(),
        JavaValue::Boolean(value) => value.into(),
        JavaValue::Bytes(bytes) => return Ok(Decoded::Raw(bytes)),
        JavaValue::Object(object) => {
            return Err(Error::unsupported(format!(
                "a payload of serializer 1 (Java's serialization) is of class {}; it is kept as it is",
                object.class
            )));
        }
    }))
}

/// Serializer 7.
pub(super) fn message(payload: &Payload, depth: usize) -> Result<Value> {
    Ok(match Message::from_payload(payload)? {
        Message::Repr(event) => repr(&event, depth),
        Message::AtomicWrite(write) => {
            let events = write.events.iter().map(|event| repr(event, depth));
            json!({ "events": events.collect::<Vec<_>>() })
        }
        Message::Delivery(snapshot) => {
            let unconfirmed = snapshot.unconfirmed.iter().map(|delivery| {
                json!({
                    "delivery_id": delivery.delivery_id,
                    "destination": &*delivery.destination,
                    "payload": nested(&delivery.payload, depth),
                })
            });
            json!({
                "current_delivery_id": snapshot.current_delivery_id,
                "unconfirmed": unconfirmed.collect::<Vec<_>>(),
            })
        }
        Message::StateChange(FsmStateChange { state, timeout }) => {
            json!({ "state": &*state, "timeout_millis": millis(timeout)? })
        }
        Message::FsmSnapshot(FsmSnapshot { state, data, timeout }) => json!({
            "state": &*state,
            "data": nested(&data, depth),
            "timeout_millis": millis(timeout)?,
        }),
    })
}

/// Serializer 8.
pub(super) fn container(payload: &Payload, depth: usize) -> Result<Value> {
    Ok(nested(&read_snapshot(&payload.bytes, ManifestNames::AsGiven)?, depth))
}

/// Serializer 16.
pub(super) fn misc(payload: &Payload, depth: usize) -> Result<Value> {
    Ok(match Misc::from_payload(payload)? {
        Misc::Option(None) | Misc::Optional(None) => Value::Null,
        Misc::Option(Some(value)) | Misc::Optional(Some(value)) => nested(&value, depth),
        Misc::ActorRef(path) => (*path).into(),
        Misc::Done => "Done".into(),
        Misc::NotUsed => "NotUsed".into(),
        Misc::PoisonPill => "PoisonPill".into(),
        Misc::Kill => "Kill".into(),
        Misc::StatusSuccess(value) | Misc::ReplySuccess(value) => {
            json!({ "success": nested(&value, depth) })
        }
        Misc::ReplyAck => "Ack".into(),
        Misc::ReplyError(message) => json!({ "error": &*message }),
        Misc::Config(text) => serde_json::from_str(&text)
            .map_err(|error| Error::corrupt("a configuration is not JSON").with_source(error))?,
    })
}

/// Serializer 40.
pub(super) fn replicated(payload: &Payload) -> Result<Value> {
    Ok(match Replicated::from_payload(payload)? {
        Replicated::Event(metadata) => json!({
            "origin_replica": &*metadata.origin_replica,
            "origin_sequence_nr": metadata.origin_seq_nr.get(),
            "version": version(&metadata.version),
            "concurrent": metadata.concurrent,
        }),
        Replicated::Snapshot(metadata) => json!({
            "version": version(&metadata.version),
            "seen": object(&metadata.seen),
        }),
        Replicated::Version(vector) => version(&vector),
        Replicated::Counter(value) => json!({ "value": exact_number(&value.to_string())? }),
        Replicated::CounterUpdated(delta) => json!({ "delta": exact_number(&delta.to_string())? }),
    })
}

fn repr(event: &PersistentRepr, depth: usize) -> Value {
    json!({
        "persistence_id": &*event.persistence_id,
        "sequence_nr": event.seq_nr.get(),
        "timestamp": event.timestamp.as_millis(),
        "writer": event.writer.as_str(),
        "event_manifest": &*event.manifest,
        "deleted": event.deleted,
        "metadata": event.metadata.as_ref().map(|metadata| nested(metadata, depth)),
        "payload": nested(&event.payload, depth),
    })
}

/// A payload inside another: who wrote it, and its value where that is known.
fn nested(payload: &Payload, depth: usize) -> Value {
    let value = match depth.checked_add(1).filter(|depth| *depth <= DEPTH_MAX) {
        Some(depth) => decode_at(payload, depth).map(Decoded::into_json),
        None => Ok(raw_json(&payload.bytes)),
    };
    json!({
        "serializer_id": payload.serializer.get(),
        "manifest": &*payload.manifest,
        "payload": value.unwrap_or_else(|_| raw_json(&payload.bytes)),
    })
}

fn version(vector: &VersionVector) -> Value {
    object(vector.entries())
}

fn object(entries: &[(std::sync::Arc<str>, annals_core::SeqNr)]) -> Value {
    let entries =
        entries.iter().map(|(replica, seq_nr)| ((**replica).to_owned(), seq_nr.get().into()));
    Value::Object(Map::from_iter(entries))
}

fn millis(timeout: Option<Duration>) -> Result<Value> {
    match timeout {
        None => Ok(Value::Null),
        Some(timeout) => Ok(exact_number(&timeout.as_millis().to_string())?.into()),
    }
}
