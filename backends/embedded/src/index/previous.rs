//! Where the ids of a segment were met last before it.

use annals_core::Result;

use super::segment::SegmentIndex;
use crate::position::SegmentNr;

/// For each hash of the ids of a segment, the newest segment before it that knows an id of that hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PreviousSegments {
    hashes: Vec<u64>,
    segments: Vec<Option<SegmentNr>>,
}

impl PreviousSegments {
    /// For `hashes` (ascending, each once), by the indexes of all segments before, newest first: for a
    /// segment that newer ones follow, whose index is lost. [`super::Directory::previous`] is the way
    /// for the newest segment.
    ///
    /// # Errors
    /// What `older` gives; `Corrupt`, `Unavailable`.
    pub(crate) fn by_indexes(
        hashes: Vec<u64>,
        older: impl IntoIterator<Item = Result<SegmentIndex>>,
    ) -> Result<Self> {
        let mut previous = Self::unknown(hashes);
        for index in older {
            let index = index?;
            let known = index.hashes()?;
            let segment = index.meta().segment;
            previous.fill(|hash| Ok(known.binary_search(&hash).ok().map(|_| segment)))?;
        }
        Ok(previous)
    }

    /// Nothing is known yet of `hashes`, which ascend, each once.
    pub(super) fn unknown(hashes: Vec<u64>) -> Self {
        let segments = vec![None; hashes.len()];
        Self { hashes, segments }
    }

    /// Adds a hash that is not below the last one.
    pub(super) fn push(&mut self, hash: u64, segment: Option<SegmentNr>) {
        if self.hashes.last() != Some(&hash) {
            self.hashes.push(hash);
            self.segments.push(segment);
        }
    }

    /// Asks `find` for each hash of which nothing is known, ascending.
    pub(super) fn fill(
        &mut self,
        mut find: impl FnMut(u64) -> Result<Option<SegmentNr>>,
    ) -> Result<()> {
        for (hash, segment) in self.hashes.iter().zip(&mut self.segments) {
            if segment.is_none() {
                *segment = find(*hash)?;
            }
        }
        Ok(())
    }

    /// The hashes, ascending.
    pub(crate) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The newest segment before that knows `hash`.
    pub(crate) fn of(&self, hash: u64) -> Option<SegmentNr> {
        let index = self.hashes.binary_search(&hash).ok()?;
        self.segments.get(index).copied().flatten()
    }
}
