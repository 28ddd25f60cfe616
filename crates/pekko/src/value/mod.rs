//! Payloads as JSON, for tools that do not know the types: read, print, write back.
//!
//! Messages of Pekko's own (serializers 7, 8, 16 and 40) and what Java serialized (1) are shown, and
//! written back from their bytes alone.
//!
//! Bytes that have no form in JSON stand as `{"base64": "…"}`, at the top (serializers 4 and 21,
//! unknown ones) and inside CBOR. Numbers of any size survive with the feature `exact-json`; without
//! it an integer past 64 bits in JSON text loses digits, and one in CBOR is `Unsupported`.

pub(crate) mod cbor;
mod decimal;
mod own;

use std::sync::Arc;

use annals_core::{Error, Payload, Result, SerializerId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value};

use crate::compression::decompress;
use crate::jackson::read_cbor;
use crate::primitive::{boolean, prefix, text};

const NULL: i32 = 0;
const JAVA: i32 = 1;
const MESSAGE: i32 = 7;
const CONTAINER: i32 = 8;
const MISC: i32 = 16;
const FILTERED: i32 = 34;
const REPLICATED: i32 = 40;
const BYTES: i32 = SerializerId::BYTES.get();
const LONG: i32 = SerializerId::LONG.get();
const INT: i32 = 19;
const STRING: i32 = SerializerId::STRING.get();
const BYTE_STRING: i32 = 21;
const JSON: i32 = SerializerId::JACKSON_JSON.get();
/// What Akka up to 2.6.4 called CBOR; in fact it is JSON.
const JSON_264: i32 = 32;
const CBOR: i32 = SerializerId::JACKSON_CBOR.get();
const BOOLEAN: i32 = 35;

/// An event that was filtered out before it was replicated or sent on.
const FILTERED_MANIFEST: &str = "F";

const BASE64_KEY: &str = "base64";

/// What a payload means.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A value with a form in JSON.
    Json(Value),
    /// Bytes that mean nothing but themselves.
    Raw(Bytes),
}

impl Decoded {
    /// The value, or `{"base64": "…"}`.
    pub fn into_json(self) -> Value {
        match self {
            Self::Json(value) => value,
            Self::Raw(bytes) => raw_json(&bytes),
        }
    }
}

/// `bytes` as `{"base64": "…"}`.
pub fn raw_json(bytes: &[u8]) -> Value {
    Value::Object(Map::from_iter([(BASE64_KEY.to_owned(), STANDARD.encode(bytes).into())]))
}

/// The bytes, if `value` is an object with the one property `base64` and that can be read.
pub fn raw_bytes(value: &Value) -> Option<Vec<u8>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    STANDARD.decode(object.get(BASE64_KEY)?.as_str()?).ok()
}

/// What `payload` means.
///
/// # Errors
/// `Unsupported` for an unknown serializer, naming it and the manifest; `Corrupt` if the bytes are not
/// what the serializer writes.
pub fn decode(payload: &Payload) -> Result<Decoded> {
    decode_at(payload, 0)
}

/// What `payload` means, which stands `depth` payloads deep.
fn decode_at(payload: &Payload, depth: usize) -> Result<Decoded> {
    let bytes = &payload.bytes;
    Ok(Decoded::Json(match payload.serializer.get() {
        NULL => Value::Null,
        FILTERED if payload.manifest.as_ref() == FILTERED_MANIFEST => Value::Null,
        JAVA => return own::java(payload),
        MESSAGE => own::message(payload, depth)?,
        CONTAINER => own::container(payload, depth)?,
        MISC => own::misc(payload, depth)?,
        REPLICATED => own::replicated(payload)?,
        BYTES | BYTE_STRING => return Ok(Decoded::Raw(bytes.clone())),
        LONG => i64::from_le_bytes(prefix(bytes)?).into(),
        INT => i32::from_le_bytes(prefix(bytes)?).into(),
        STRING => text(bytes)?.into(),
        BOOLEAN => boolean(bytes)?.into(),
        JSON | JSON_264 => serde_json::from_slice(&decompress(bytes)?).map_err(|error| {
            let message = format!("a JSON payload of {:?} cannot be read", payload.manifest);
            Error::corrupt(message).with_source(error)
        })?,
        CBOR => cbor::to_json(read_cbor(&decompress(bytes)?)?)?,
        _ => return Err(unknown(payload.serializer, &payload.manifest)),
    }))
}

/// The payload whose meaning is `value`. Serializers 4, 21, unknown ones and those of Pekko's own
/// messages take `{"base64": "…"}`.
///
/// # Errors
/// `Invalid` if the serializer cannot write such a value; `Unsupported` for an unknown serializer,
/// naming it and the manifest, unless `value` gives the bytes.
pub fn encode(
    serializer: SerializerId,
    manifest: impl Into<Arc<str>>,
    value: &Value,
) -> Result<Payload> {
    let manifest = manifest.into();
    let expected =
        |what| Error::invalid(format!("a payload of serializer {serializer} must be {what}"));
    let integer = |what| value.as_i64().ok_or_else(|| expected(what));
    let bytes = match serializer.get() {
        NULL if value.is_null() => Vec::new(),
        FILTERED if value.is_null() && manifest.as_ref() == FILTERED_MANIFEST => Vec::new(),
        NULL => return Err(expected("null")),
        BYTES | BYTE_STRING => {
            raw_bytes(value).ok_or_else(|| expected("{\"base64\": …} with valid base64"))?
        }
        LONG => integer("an integer of 64 bits")?.to_le_bytes().to_vec(),
        INT => {
            let what = "an integer of 32 bits";
            i32::try_from(integer(what)?).map_err(|_| expected(what))?.to_le_bytes().to_vec()
        }
        STRING => value.as_str().ok_or_else(|| expected("a string"))?.as_bytes().to_vec(),
        BOOLEAN => vec![u8::from(value.as_bool().ok_or_else(|| expected("true or false"))?)],
        JSON | JSON_264 => serde_json::to_vec(value)
            .map_err(|error| Error::invalid("a value has no form in JSON").with_source(error))?,
        CBOR => cbor::to_bytes(value)?,
        _ => raw_bytes(value).ok_or_else(|| unknown(serializer, &manifest))?,
    };
    Ok(Payload::new(serializer, manifest, bytes))
}

fn unknown(serializer: SerializerId, manifest: &str) -> Error {
    Error::unsupported(format!(
        "serializer {serializer} (manifest {manifest:?}) is not known here: its bytes stand as {{\"base64\": …}}"
    ))
}

/// The number that `digits` write, if all of them survive.
fn exact_number(digits: &str) -> Result<Number> {
    let number: Number = digits.parse().map_err(|error: serde_json::Error| {
        Error::unsupported(format!("the number {digits} has no form in JSON")).with_source(error)
    })?;
    if number.to_string() == digits {
        return Ok(number);
    }
    Err(Error::unsupported(format!("the number {digits} is too large for this program")))
}
