//! Apache Pekko's persistence serializers as pure functions over bytes: what a payload's serializer
//! id and manifest say about its bytes, written and read so that a JVM service can share them.
//!
//! | id | format | typed | as a value |
//! | --- | --- | --- | --- |
//! | 4, 21 | bytes | [`ByteArray`] (4) | `{"base64": …}` |
//! | 18, 19, 35 | long and int (little-endian), boolean | [`Long`] (18) | number, boolean |
//! | 20 | string | [`Text`] | string |
//! | 31, 32 | Jackson JSON | [`JacksonJson`] (31) | the JSON itself |
//! | 33 | Jackson CBOR | [`JacksonCbor`] | JSON |
//!
//! The typed serializers are for programs that know their events; [`value`] is for tools that do not.
//!
//! No bytes make this crate panic, and what it allocates is bounded by their length (by
//! [`DECOMPRESSED_BYTES_MAX`] where they are compressed).

mod compression;
mod manifest;

mod jackson_cbor;
mod jackson_json;
mod primitive;

pub mod value;

pub use compression::DECOMPRESSED_BYTES_MAX;
pub use jackson_cbor::JacksonCbor;
pub use jackson_json::JacksonJson;
pub use manifest::{Manifest, ManifestVersion};
pub use primitive::{ByteArray, Long, Text};
