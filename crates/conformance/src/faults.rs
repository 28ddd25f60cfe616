//! A journal whose acknowledgements get lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annals_core::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Error, Journal, PersistenceId,
    Result, SeqNr, SeqRange, WriterId,
};
use async_trait::async_trait;

/// Performs every append, and answers the first `losses` of them `OutcomeUnknown`.
#[derive(Debug)]
pub(crate) struct LosesAcknowledgements {
    inner: Arc<dyn Journal>,
    losses: AtomicU32,
}

impl LosesAcknowledgements {
    pub(crate) fn new(inner: Arc<dyn Journal>, losses: u32) -> Self {
        Self { inner, losses: AtomicU32::new(losses) }
    }
}

#[async_trait]
impl Journal for LosesAcknowledgements {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        self.inner.begin(id, writer).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let receipt = self.inner.append(append).await?;
        let left = |losses: u32| losses.checked_sub(1);
        match self.losses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Err(Error::outcome_unknown("the kit lost the acknowledgement")),
            Err(_) => Ok(receipt),
        }
    }

    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()> {
        self.inner.end(id, writer).await
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        self.inner.replay(id, range)
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.inner.bounds(id).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.inner.delete_to(id, to).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
