//! The offset store of an embedded store: offsets are frames of the same log.

use annals_core::{Error, ErrorKind, Offset, OffsetRevision, OffsetStore, Result, StoredOffset};
use async_trait::async_trait;

use crate::catalog::Change;
use crate::engine::Draft;
use crate::format::{FrameKind, OffsetSave};
use crate::log::Answer;
use crate::read::LogOffset;
use crate::store::EmbeddedStore;

#[async_trait]
impl OffsetStore for EmbeddedStore {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        self.check_open()?;
        self.engine.refresh()?;
        self.engine.check_whole()?;
        Ok(self.engine.state.read().offsets.get(name).cloned())
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        self.check_open()?;
        self.engine.refresh()?;
        self.engine.check_whole()?;
        Ok(self.engine.state.read().offsets.values().cloned().collect())
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        self.check_writable()?;
        self.limits().check_offset_name(name)?;
        LogOffset::decode(&offset, self.engine.store_id)?;
        let stored = StoredOffset { name: name.to_owned(), offset, revision: expected.next() };
        let make = || {
            let change = Change::OffsetSave(stored.clone());
            Ok(Draft { frame: OffsetSave::encode(&stored), change, entry: None })
        };
        match self.engine.write(FrameKind::OffsetSave, make).await? {
            Answer::Conflict { highest } => Err(Error::new(
                ErrorKind::Conflict { highest },
                format!(
                    "the offset of {name} was saved by another: it stands at revision {highest}"
                ),
            )),
            _ => Ok(stored.revision),
        }
    }
}
