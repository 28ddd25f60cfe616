//! The read journal of an embedded store: its offset is the order of commits.

use annals_core::{Capabilities, Error, IdPage, Offset, Page, ReadJournal, Result, Scope, Wakeup};
use async_trait::async_trait;

use crate::read::{ListingOffset, LogOffset, PageRequest, read_ids, read_page, read_recent};
use crate::store::EmbeddedStore;

impl EmbeddedStore {
    fn place(&self, offset: Option<&Offset>) -> Result<Option<LogOffset>> {
        offset.map(|offset| LogOffset::decode(offset, self.engine.store_id)).transpose()
    }
}

#[async_trait]
impl ReadJournal for EmbeddedStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn end(&self, _scope: &Scope) -> Result<Option<Offset>> {
        self.check_open()?;
        self.engine.refresh()?;
        Ok(Some(LogOffset::at(self.engine.end()).encode(self.engine.store_id)))
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        if events_max == 0 {
            return Err(Error::invalid("a page of no events was asked for"));
        }
        let (after, until) = (self.place(after)?, self.place(until)?);
        let request = PageRequest { scope: scope.clone(), after, until, events_max };
        self.check_open()?;
        if self.engine.follower.is_none() {
            // What live readers ask for is in memory: no thread for blocking work is needed.
            if let Some(page) = read_recent(&self.engine, &request)? {
                return Ok(page);
            }
        }
        self.blocking_read(move |engine| read_page(engine, &request)).await
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        if ids_max == 0 {
            return Err(Error::invalid("a page of no ids was asked for"));
        }
        let store_id = self.engine.store_id;
        let after = after.map(|offset| ListingOffset::decode(offset, store_id)).transpose()?;
        self.blocking_read(move |engine| read_ids(engine, after, ids_max)).await
    }

    fn changed(&self) -> Wakeup {
        if self.engine.follower.is_some() {
            return self.engine.followed();
        }
        let mut changed = self.engine.changed.subscribe();
        let closed = self.engine.queue.is_closed();
        Box::pin(async move {
            if closed {
                return;
            }
            // An error says that the store is gone, which the next page says better.
            let _ = changed.changed().await;
        })
    }
}
