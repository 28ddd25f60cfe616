//! Serializer 1 as journals meet it: texts and numbers, and `Tagged` around an event.

use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId, Tag, Tags};
use bytes::Bytes;

use crate::java_object::{self, JavaValue};

const ID: SerializerId = SerializerId::new(1);

/// The class behind Pekko's prefix, or Akka's.
const TAGGED: &str = "persistence.journal.Tagged";

/// Texts in Java's serialization (serializer 1), which services wrote that did not bind their own
/// serializers. Numbers are read as well, by `Serializer<i64>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct JavaSerialized;

impl Serializer<String> for JavaSerialized {
    fn id(&self) -> SerializerId {
        ID
    }

    fn serialize(&self, value: &String) -> Result<Payload> {
        Ok(Payload::new(ID, "", java_object::write_text(value)?))
    }

    fn deserialize(&self, payload: &Payload) -> Result<String> {
        match java_object::read(&payload.bytes)? {
            JavaValue::Text(text) => Ok((*text).to_owned()),
            other => Err(not_a("text", &other)),
        }
    }
}

impl Serializer<i64> for JavaSerialized {
    fn id(&self) -> SerializerId {
        ID
    }

    /// Always `Unsupported`: which class of number it should be is not known.
    fn serialize(&self, _value: &i64) -> Result<Payload> {
        Err(Error::unsupported(
            "numbers are not written in Java's serialization: serializer 18 is for them",
        ))
    }

    fn deserialize(&self, payload: &Payload) -> Result<i64> {
        match java_object::read(&payload.bytes)? {
            JavaValue::Byte(value) => Ok(value.into()),
            JavaValue::Short(value) => Ok(value.into()),
            JavaValue::Int(value) => Ok(value.into()),
            JavaValue::Long(value) => Ok(value),
            other => Err(not_a("number", &other)),
        }
    }
}

/// `payload` without Pekko's `Tagged` around it, and the tags that it carried.
///
/// The Cassandra plugin takes `Tagged` off before it writes; the DynamoDB plugin hands it to a
/// serializer as it is, which with Java's serialization on is serializer 1. A store calls this on each
/// payload that it reads: any other payload comes back as it is, also a `Tagged` around something that
/// is no text, number or bytes, since that cannot be written anew.
///
/// # Errors
/// `Corrupt` if it is in Java's serialization and damaged.
pub fn untag(payload: Payload) -> Result<(Payload, Tags)> {
    if payload.serializer != ID {
        return Ok((payload, Tags::NONE));
    }
    let object = match java_object::read(&payload.bytes) {
        Ok(JavaValue::Object(object)) => object,
        Ok(_) => return Ok((payload, Tags::NONE)),
        Err(error) if error.kind() == annals_core::ErrorKind::Unsupported => {
            return Ok((payload, Tags::NONE));
        }
        Err(error) => return Err(error),
    };
    if crate::manifest::own_class(&object.class) != Some(TAGGED) {
        return Ok((payload, Tags::NONE));
    }
    let inner = object.field("payload").and_then(plain);
    let tags = object.field("tags").and_then(elements);
    Ok(match (inner, tags) {
        (Some(inner), Some(tags)) => (inner, tags),
        _ => (payload, Tags::NONE),
    })
}

/// The value under the serializer that Pekko has for its class.
fn plain(value: &JavaValue) -> Option<Payload> {
    let (id, bytes) = match value {
        JavaValue::Text(text) => (SerializerId::STRING, Bytes::copy_from_slice(text.as_bytes())),
        JavaValue::Long(value) => (SerializerId::LONG, value.to_le_bytes().to_vec().into()),
        JavaValue::Int(value) => (SerializerId::new(19), value.to_le_bytes().to_vec().into()),
        JavaValue::Boolean(value) => (SerializerId::new(35), vec![u8::from(*value)].into()),
        JavaValue::Bytes(bytes) => (SerializerId::BYTES, bytes.clone()),
        _ => return None,
    };
    Some(Payload::new(id, "", bytes))
}

/// The texts in a set of Scala's: up to four are its fields, more are written by its proxy.
fn elements(set: &JavaValue) -> Option<Tags> {
    let JavaValue::Object(set) = set else { return None };
    let is_small = set.class.starts_with("scala.collection.immutable.Set$");
    let small = set.fields.iter().filter(|_| is_small).map(|(_, value)| value);
    let tag = |value: &JavaValue| match value {
        JavaValue::Text(text) => Tag::new(Arc::clone(text)).ok(),
        _ => None,
    };
    small.chain(&set.written).map(tag).collect()
}

fn not_a(what: &str, found: &JavaValue) -> Error {
    let class = match found {
        JavaValue::Object(object) => format!(" (class {})", object.class),
        _ => String::new(),
    };
    Error::unsupported(format!(
        "a payload of serializer 1 (Java's serialization) is no {what}{class}; it is kept as it is"
    ))
}
