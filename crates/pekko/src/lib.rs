//! Apache Pekko's persistence serializers as pure functions over bytes: what a payload's serializer
//! id and manifest say about its bytes, written and read so that a JVM service can share them.
//!
//! | id | format | typed | as a value |
//! | --- | --- | --- | --- |
//! | 1 | Java's serialization, texts and numbers of it | [`JavaSerialized`] | shown |
//! | 4, 21 | bytes | [`ByteArray`], [`ByteString`] | `{"base64": …}` |
//! | 7 | Pekko's persistence messages | [`Message`] | shown |
//! | 8 | container of a snapshot | [`read_snapshot`], [`write_snapshot`] | shown |
//! | 16 | `Option`, `Done`, `ActorRef` … | [`Misc`] | shown |
//! | 18, 19, 35 | long and int (little-endian), boolean | [`Long`], [`Int`], [`Boolean`] | number, boolean |
//! | 20 | string | [`Text`] | string |
//! | 31, 32 | Jackson JSON | [`JacksonJson`], [`JacksonOldCbor`], [`JacksonVariants`] | the JSON itself |
//! | 33 | Jackson CBOR | [`JacksonCbor`], [`JacksonVariants`] | JSON |
//! | 40 | Replicated Event Sourcing's metadata and counters | [`Replicated`] | shown |
//!
//! What is *shown* can be looked at as JSON, but is written back from its bytes only. Any other
//! serializer's payloads stay the bytes they are.
//!
//! The typed serializers are for programs that know their events; [`value`] is for tools that do not.
//!
//! # For a store that shares Pekko's tables
//!
//! Payloads are opaque to a store: the columns `ser_id`, `ser_manifest` and `event` (or DynamoDB's
//! `ev_ser_id`, `ev_ser_manifest`, `event`) are a [`Payload`](annals_core::Payload), nothing more.
//! Only the old forms of rows need this crate:
//!
//! * an event in one blob (Cassandra's column `message`, DynamoDB's `pay`): [`PersistentRepr::decode`],
//!   skip what is [`deleted`](PersistentRepr::deleted), then [`PersistentRepr::into_event`];
//! * a snapshot in one blob (Cassandra's column `snapshot`, DynamoDB's `pay`): [`read_snapshot`] with
//!   the [`ManifestNames`] that the settings give;
//! * an event that the DynamoDB plugin wrote with `Tagged` around it: [`untag`] each payload;
//! * slices: [`PersistenceId::slice`](annals_core::PersistenceId::slice); lengths and hashes as Java
//!   has them: [`java`].
//!
//! What a service's `application.conf` sets for its store is read by `config` (feature `config`).
//!
//! The bytes of payloads are shared with the blob they came in, never copied.
//!
//! No bytes make this crate panic, and what it allocates is bounded by their length (by
//! [`DECOMPRESSED_BYTES_MAX`] where they are compressed).

mod compression;
mod manifest;
mod protobuf;

mod jackson;
mod java_object;
mod java_values;
mod message;
mod misc;
mod payload_message;
mod primitive;
mod replicated;
mod snapshot_container;

#[cfg(feature = "config")]
pub mod config;
#[doc(hidden)]
pub mod fuzzing;
pub mod java;
pub mod units;
pub mod value;

pub use compression::{Compression, DECOMPRESSED_BYTES_MAX};
pub use jackson::{
    Cbor, Jackson, JacksonCbor, JacksonClass, JacksonFormat, JacksonJson, JacksonOldCbor,
    JacksonVariants, Json, OldCbor,
};
pub use java_values::{JavaSerialized, untag};
pub use manifest::{Manifest, ManifestNames, ManifestVersion};
pub use message::{
    AtomicWrite, DeliverySnapshot, FsmSnapshot, FsmStateChange, Message, PersistentRepr,
    UnconfirmedDelivery,
};
pub use misc::Misc;
pub use primitive::{Boolean, ByteArray, ByteString, Int, Long, Text};
pub use replicated::{EventMetadata, Replicated, SnapshotMetadata, VersionVector};
pub use snapshot_container::{read_snapshot, write_snapshot};
