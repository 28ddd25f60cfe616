//! How far each projection has come.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Offset, Result};

/// How often an offset was saved; what compare-and-set compares. 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OffsetRevision(u64);

impl OffsetRevision {
    /// Never saved.
    pub const NONE: Self = Self(0);

    /// The revision `value`.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The revision as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next revision.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A saved offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffset {
    /// The projection's name.
    pub name: String,
    /// Where it resumes.
    pub offset: Offset,
    /// What the next save must name.
    pub revision: OffsetRevision,
}

/// An offset that is saved in one commit with an append; see
/// [`Append::with_offset_save`](crate::Append::with_offset_save).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetSave {
    /// The projection's name.
    pub name: String,
    /// The revision that it must stand at.
    pub expected: OffsetRevision,
    /// Where it resumes.
    pub offset: Offset,
}

/// Keeps projection offsets. Clauses: **P2** a saved offset is as durable as an event, and one that
/// an append of the same store carries is stored with its events or not at all; **P3** an offset moves
/// only from the revision that its saver read, so two instances cannot undo each other.
#[async_trait]
pub trait OffsetStore: Debug + Send + Sync + 'static {
    /// The offset of projection `name`, if it was ever saved.
    ///
    /// # Errors
    /// `Unsupported`, `Unavailable`, `Corrupt`, `Closed`.
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>>;

    /// All saved offsets, by name.
    ///
    /// # Errors
    /// As [`OffsetStore::load_offset`].
    async fn list_offsets(&self) -> Result<Vec<StoredOffset>>;

    /// Saves the offset of projection `name`, which must stand at `expected`; gives the new revision.
    ///
    /// # Errors
    /// `Conflict` (its `highest` is the revision found) if another saved it since; `Invalid` for an
    /// offset of another store; otherwise as an append.
    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision>;
}
