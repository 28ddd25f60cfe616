//! Serializers 31, 32 and 33: what Pekko's Jackson module writes and reads.

mod cbor;
mod class;
mod format;
mod json;
mod serializer;
mod variants;

pub(crate) use cbor::read as read_cbor;
pub use class::JacksonClass;
pub use format::{Cbor, JacksonFormat, Json, OldCbor};
pub use serializer::Jackson;
pub use variants::JacksonVariants;

/// Values as Jackson JSON (serializer 31) under one manifest. See [`Jackson`].
pub type JacksonJson<T> = Jackson<Json, T>;

/// Values as Jackson CBOR (serializer 33) under one manifest. See [`Jackson`].
///
/// Writes maps and lists of definite length, which Jackson reads; reads indefinite ones and chunked
/// texts too, which it writes.
pub type JacksonCbor<T> = Jackson<Cbor, T>;

/// Values that Akka up to 2.6.4 wrote as what it called CBOR (serializer 32), which in fact is JSON. See
/// [`Jackson`].
pub type JacksonOldCbor<T> = Jackson<OldCbor, T>;
