//! Projection offsets: not in these tables.

use annals_core::{Error, Offset, OffsetRevision, OffsetStore, Result, StoredOffset};
use async_trait::async_trait;

use crate::CassandraStore;

#[async_trait]
impl OffsetStore for CassandraStore {
    async fn load_offset(&self, _name: &str) -> Result<Option<StoredOffset>> {
        Err(unsupported())
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        Err(unsupported())
    }

    async fn save_offset(
        &self,
        _name: &str,
        _expected: OffsetRevision,
        _offset: Offset,
    ) -> Result<OffsetRevision> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::unsupported("a cassandra store keeps no projection offsets")
}
