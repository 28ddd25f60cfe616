//! Serializers 4, 18, 19, 20, 21 and 35: bytes, numbers, text and truth, without a manifest.

use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId};
use bytes::Bytes;

const INT: SerializerId = SerializerId::new(19);
const BYTE_STRING: SerializerId = SerializerId::new(21);
const BOOLEAN: SerializerId = SerializerId::new(35);

/// Bytes as they are (serializer 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteArray;

/// Bytes as they are, which JVM services see as a `ByteString` (serializer 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteString;

/// A signed 64-bit integer, little-endian (serializer 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Long;

/// A signed 32-bit integer, little-endian (serializer 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Int;

/// True or false, as one byte (serializer 35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Boolean;

/// Text as UTF-8 (serializer 20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Text;

impl Serializer<Bytes> for ByteArray {
    fn id(&self) -> SerializerId {
        SerializerId::BYTES
    }

    fn serialize(&self, value: &Bytes) -> Result<Payload> {
        Ok(Payload::new(SerializerId::BYTES, "", value.clone()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Bytes> {
        Ok(payload.bytes.clone())
    }
}

impl Serializer<Vec<u8>> for ByteArray {
    fn id(&self) -> SerializerId {
        SerializerId::BYTES
    }

    fn serialize(&self, value: &Vec<u8>) -> Result<Payload> {
        Ok(Payload::new(SerializerId::BYTES, "", value.clone()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Vec<u8>> {
        Ok(payload.bytes.to_vec())
    }
}

impl Serializer<Bytes> for ByteString {
    fn id(&self) -> SerializerId {
        BYTE_STRING
    }

    fn serialize(&self, value: &Bytes) -> Result<Payload> {
        Ok(Payload::new(BYTE_STRING, "", value.clone()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Bytes> {
        Ok(payload.bytes.clone())
    }
}

impl Serializer<i64> for Long {
    fn id(&self) -> SerializerId {
        SerializerId::LONG
    }

    fn serialize(&self, value: &i64) -> Result<Payload> {
        Ok(Payload::new(SerializerId::LONG, "", value.to_le_bytes().to_vec()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<i64> {
        prefix(&payload.bytes).map(i64::from_le_bytes)
    }
}

impl Serializer<i32> for Int {
    fn id(&self) -> SerializerId {
        INT
    }

    fn serialize(&self, value: &i32) -> Result<Payload> {
        Ok(Payload::new(INT, "", value.to_le_bytes().to_vec()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<i32> {
        prefix(&payload.bytes).map(i32::from_le_bytes)
    }
}

impl Serializer<bool> for Boolean {
    fn id(&self) -> SerializerId {
        BOOLEAN
    }

    fn serialize(&self, value: &bool) -> Result<Payload> {
        Ok(Payload::new(BOOLEAN, "", vec![u8::from(*value)]))
    }

    fn deserialize(&self, payload: &Payload) -> Result<bool> {
        boolean(&payload.bytes)
    }
}

impl Serializer<String> for Text {
    fn id(&self) -> SerializerId {
        SerializerId::STRING
    }

    fn serialize(&self, value: &String) -> Result<Payload> {
        Ok(Payload::new(SerializerId::STRING, "", value.clone().into_bytes()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<String> {
        text(&payload.bytes).map(str::to_owned)
    }
}

impl Serializer<Arc<str>> for Text {
    fn id(&self) -> SerializerId {
        SerializerId::STRING
    }

    fn serialize(&self, value: &Arc<str>) -> Result<Payload> {
        Ok(Payload::new(SerializerId::STRING, "", value.as_bytes().to_vec()))
    }

    fn deserialize(&self, payload: &Payload) -> Result<Arc<str>> {
        text(&payload.bytes).map(Arc::from)
    }
}

/// The first `N` bytes; Pekko ignores what follows them.
pub(crate) fn prefix<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.first_chunk().copied().ok_or_else(|| {
        Error::corrupt(format!("a value of {N} bytes is cut short at {}", bytes.len()))
    })
}

/// The truth that the first of `bytes` is.
pub(crate) fn boolean(bytes: &[u8]) -> Result<bool> {
    match prefix(bytes)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(Error::corrupt(format!("a boolean is {other} instead of 0 or 1"))),
    }
}

/// The text that `bytes` are.
pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::corrupt("a string payload is not UTF-8").with_source(error))
}
