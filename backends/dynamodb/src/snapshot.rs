//! The snapshot store.

use annals_core::{
    Capabilities, Error, PersistenceId, Result, Snapshot, SnapshotCriteria, SnapshotInfo,
    SnapshotStore,
};
use async_trait::async_trait;

use crate::store::DynamoDb;

fn unsupported<T>() -> Result<T> {
    Err(Error::unsupported("a DynamoDB store keeps no snapshots yet"))
}

#[async_trait]
impl SnapshotStore for DynamoDb {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn save(&self, _snapshot: Snapshot) -> Result<()> {
        unsupported()
    }

    async fn load(&self, _: &PersistenceId, _: &SnapshotCriteria) -> Result<Option<Snapshot>> {
        unsupported()
    }

    async fn list(
        &self,
        _: &PersistenceId,
        _: &SnapshotCriteria,
        _: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        unsupported()
    }

    async fn delete(&self, _: &PersistenceId, _: &SnapshotCriteria) -> Result<()> {
        unsupported()
    }
}
