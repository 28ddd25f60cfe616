//! The journal.

use annals_core::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Journal, PersistenceId, Result,
    SeqNr, SeqRange, WriterId,
};
use async_trait::async_trait;

use crate::store::DynamoDb;
use crate::{append, delete, read};

#[async_trait]
impl Journal for DynamoDb {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn begin(&self, id: &PersistenceId, _writer: &WriterId) -> Result<Bounds> {
        self.bounds(id).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let _running = self.inner.enter().await?;
        append::append(&self.inner, &append).await
    }

    async fn end(&self, _id: &PersistenceId, _writer: &WriterId) -> Result<()> {
        self.inner.enter().await.map(drop)
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        read::replay(self.inner.clone(), id.clone(), range)
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        let _running = self.inner.enter().await?;
        read::bounds(&self.inner, id, SeqNr::FIRST).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let _running = self.inner.enter().await?;
        delete::delete_to(&self.inner, id, to).await
    }

    async fn close(&self) -> Result<()> {
        self.end_all().await;
        Ok(())
    }
}
