//! The triple that a store keeps of an event, a snapshot or metadata, without knowing what it means.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Which serializer wrote a payload. 0-40 are Pekko's, applications use others (also negative ones).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerializerId(i32);

impl SerializerId {
    /// Pekko's byte array serializer.
    pub const BYTES: Self = Self(4);
    /// Pekko's `Long` serializer.
    pub const LONG: Self = Self(18);
    /// Pekko's `String` serializer.
    pub const STRING: Self = Self(20);
    /// Pekko's Jackson JSON serializer.
    pub const JACKSON_JSON: Self = Self(31);
    /// Pekko's Jackson CBOR serializer.
    pub const JACKSON_CBOR: Self = Self(33);

    /// The serializer `id`.
    pub const fn new(id: i32) -> Self {
        Self(id)
    }

    /// The serializer's number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for SerializerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Serializer, manifest and bytes. Opaque to stores; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Who can read the bytes.
    pub serializer: SerializerId,
    /// What the bytes are, in the serializer's own words; may be empty.
    pub manifest: Arc<str>,
    /// The serialized value.
    pub bytes: Bytes,
}

impl Payload {
    /// A payload of these three.
    pub fn new(
        serializer: SerializerId,
        manifest: impl Into<Arc<str>>,
        bytes: impl Into<Bytes>,
    ) -> Self {
        Self { serializer, manifest: manifest.into(), bytes: bytes.into() }
    }

    /// What it counts against a store's limits: its manifest and its bytes.
    pub fn size_bytes(&self) -> usize {
        self.manifest.len().saturating_add(self.bytes.len())
    }
}
