//! Projection offsets: not kept here, until they get a table of their own.

use annals_core::{Error, Offset, OffsetRevision, OffsetStore, Result, StoredOffset};
use async_trait::async_trait;

use crate::store::DynamoDb;

fn unsupported<T>() -> Result<T> {
    Err(Error::unsupported(
        "a DynamoDB store keeps no projection offsets: keep them where the projection's results are",
    ))
}

#[async_trait]
impl OffsetStore for DynamoDb {
    async fn load_offset(&self, _name: &str) -> Result<Option<StoredOffset>> {
        unsupported()
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        unsupported()
    }

    async fn save_offset(
        &self,
        _name: &str,
        _expected: OffsetRevision,
        _offset: Offset,
    ) -> Result<OffsetRevision> {
        unsupported()
    }
}
