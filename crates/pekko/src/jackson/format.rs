//! What the formats of Jackson payloads differ in.

use std::fmt::Debug;

use annals_core::{Result, SerializerId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{cbor, json};

/// A format of Jackson's: [`Json`], [`Cbor`] or [`OldCbor`]. Nobody else implements it.
pub trait JacksonFormat: Sealed + Debug + Send + Sync + 'static {}

/// JSON, serializer 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Json {}

/// CBOR, serializer 33.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cbor {}

/// JSON under the id of what Akka up to 2.6.4 called CBOR, serializer 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OldCbor {}

impl JacksonFormat for Json {}
impl JacksonFormat for Cbor {}
impl JacksonFormat for OldCbor {}

/// How a format reads and writes. An enum of several classes is a map of one entry, from the variant's
/// name to its content, as serde has it; the stored bytes are the content alone.
pub trait Sealed {
    /// The serializer of the format.
    const ID: SerializerId;
    /// An object without properties, as Jackson writes it.
    const EMPTY: &'static [u8];
    /// Nothing, which serde reads a unit from.
    const NULL: &'static [u8];
    /// What closes a map of one entry.
    const CLOSING: &'static [u8];

    /// The document of `value`.
    fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>>;
    /// The value of the document `bytes`.
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T>;
    /// The value of the document that is the same as `json`.
    fn read_json<T: DeserializeOwned>(json: Value) -> Result<T>;
    /// The document `bytes` as JSON.
    fn to_json(bytes: &[u8]) -> Result<Value>;
    /// What opens a map of one entry whose key is `name`.
    fn opening(name: &str) -> Vec<u8>;
}

impl Sealed for Json {
    const ID: SerializerId = SerializerId::JACKSON_JSON;
    const EMPTY: &'static [u8] = b"{}";
    const NULL: &'static [u8] = b"null";
    const CLOSING: &'static [u8] = b"}";

    fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        json::write(value)
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        json::read(bytes)
    }

    fn read_json<T: DeserializeOwned>(json: Value) -> Result<T> {
        json::read_value(json)
    }

    fn to_json(bytes: &[u8]) -> Result<Value> {
        json::read(bytes)
    }

    fn opening(name: &str) -> Vec<u8> {
        json::opening(name)
    }
}

impl Sealed for OldCbor {
    const ID: SerializerId = SerializerId::new(32);
    const EMPTY: &'static [u8] = Json::EMPTY;
    const NULL: &'static [u8] = Json::NULL;
    const CLOSING: &'static [u8] = Json::CLOSING;

    fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        json::write(value)
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        json::read(bytes)
    }

    fn read_json<T: DeserializeOwned>(json: Value) -> Result<T> {
        json::read_value(json)
    }

    fn to_json(bytes: &[u8]) -> Result<Value> {
        json::read(bytes)
    }

    fn opening(name: &str) -> Vec<u8> {
        json::opening(name)
    }
}

impl Sealed for Cbor {
    const ID: SerializerId = SerializerId::JACKSON_CBOR;
    const EMPTY: &'static [u8] = &[0xA0];
    const NULL: &'static [u8] = &[0xF6];
    const CLOSING: &'static [u8] = &[];

    fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
        cbor::write(value)
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
        cbor::read(bytes)
    }

    fn read_json<T: DeserializeOwned>(json: Value) -> Result<T> {
        // By way of bytes, since only a document tells byte strings from texts.
        cbor::read(&crate::value::cbor::to_bytes(&json)?)
    }

    fn to_json(bytes: &[u8]) -> Result<Value> {
        crate::value::cbor::to_json(cbor::read(bytes)?)
    }

    fn opening(name: &str) -> Vec<u8> {
        cbor::opening(name)
    }
}
