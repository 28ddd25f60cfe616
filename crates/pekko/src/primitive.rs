//! Serializers 4, 18 and 20: bytes, long and string, without a manifest.

use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId};
use bytes::Bytes;

/// Bytes as they are (serializer 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteArray;

/// A signed 64-bit integer, little-endian (serializer 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Long;

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
        Error::corrupt(format!("a number of {N} bytes is cut short at {}", bytes.len()))
    })
}

/// The text that `bytes` are.
pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::corrupt("a string payload is not UTF-8").with_source(error))
}
