//! Projection offsets, by name.

use annals_core::{Error, Offset, OffsetRevision, OffsetStore, Result, SeqNr, StoredOffset};
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
        if name.is_empty() || name.len() > self.limits().text_bytes_max {
            return Err(Error::invalid("a projection name is empty or too long"));
        }
        self.locked(|state| {
            self.position(&offset, state.last_position)?;
            let found = state.offsets.get(name).map_or(OffsetRevision::NONE, |entry| entry.0);
            if found != expected {
                let message = format!(
                    "the offset of {name} was saved {} times, not {}: another instance runs it",
                    found.get(),
                    expected.get()
                );
                let highest = SeqNr::new(found.get()).unwrap_or(SeqNr::MAX);
                return Err(Error::conflict(highest, message));
            }
            state.offsets.insert(name.to_owned(), (expected.next(), offset));
            Ok(expected.next())
        })
    }
}
