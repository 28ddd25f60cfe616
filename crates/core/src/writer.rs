//! Who wrote an event, and which append it came with.

use std::fmt;
use std::sync::Arc;

/// One incarnation of an entity: a fresh text (a UUID) each time an entity starts, which all its
/// events carry (Pekko: `writer_uuid`). Any text is read, since Pekko's data may hold any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WriterId(Arc<str>);

impl WriterId {
    /// The writer named `id`.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The writer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of an append, drawn once before its first attempt: 128 random bits. A repeated
/// attempt carries the same; two appends of equal bytes do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AppendId(u128);

impl AppendId {
    /// The append `id`.
    pub const fn new(id: u128) -> Self {
        Self(id)
    }

    /// The 128 bits.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for AppendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
