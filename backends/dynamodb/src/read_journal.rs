//! Reading across entities.

use annals_core::{Capabilities, Error, IdPage, Offset, Page, ReadJournal, Result, Scope, Wakeup};
use async_trait::async_trait;

use crate::store::DynamoDb;

fn unsupported<T>() -> Result<T> {
    Err(Error::unsupported("a DynamoDB store is not read across entities yet"))
}

#[async_trait]
impl ReadJournal for DynamoDb {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn end(&self, _scope: &Scope) -> Result<Option<Offset>> {
        unsupported()
    }

    async fn page(
        &self,
        _scope: &Scope,
        _after: Option<&Offset>,
        _until: Option<&Offset>,
        _events_max: usize,
    ) -> Result<Page> {
        unsupported()
    }

    async fn ids(&self, _after: Option<&Offset>, _ids_max: usize) -> Result<IdPage> {
        unsupported()
    }

    fn changed(&self) -> Wakeup {
        Box::pin(std::future::ready(()))
    }
}
