//! Projection offsets, by name.

use annals_core::{Offset, OffsetRevision, OffsetStore, Result, StoredOffset};
use async_trait::async_trait;

use crate::MemoryStore;

#[async_trait]
impl OffsetStore for MemoryStore {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        self.locked(|state| {
            Ok(state.offsets.get(name).map(|(revision, offset)| StoredOffset {
                name: name.to_owned(),
                offset: offset.clone(),
                revision: *revision,
            }))
        })
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        self.locked(|state| {
            let offsets = state.offsets.iter().map(|(name, (revision, offset))| StoredOffset {
                name: name.clone(),
                offset: offset.clone(),
                revision: *revision,
            });
            Ok(offsets.collect())
        })
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        self.limits().check_offset_name(name)?;
        self.locked(|state| {
            self.position(&offset, state.last_position)?;
            state.check_revision(name, expected)?;
            state.offsets.insert(name.to_owned(), (expected.next(), offset));
            Ok(expected.next())
        })
    }
}
