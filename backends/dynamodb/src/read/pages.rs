//! The items of a range of numbers, in order, with a bounded number of pages read ahead.

use std::sync::Arc;

use annals_core::{PersistenceId, Result, SeqRange};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use crate::client::{ItemPage, Query};
use crate::item::Item;
use crate::keys::{Group, num};
use crate::store::Inner;

/// The items of one page of one group.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) group: Group,
    pub(super) items: Vec<Item>,
}

/// A page on its way, with the query that it belongs to.
type Ahead = BoxFuture<'static, Result<(Group, Query, ItemPage)>>;

/// Reads the groups of a range: the first pages of some groups at a time, their other pages one by one.
pub(super) struct Pages {
    inner: Arc<Inner>,
    id: PersistenceId,
    range: SeqRange,
    /// The next group to be asked for.
    next: Group,
    ahead: FuturesOrdered<Ahead>,
    /// The rest of the group that is being delivered.
    current: Option<(Group, Query, Item)>,
}

impl Pages {
    pub(super) fn new(inner: Arc<Inner>, id: PersistenceId, range: SeqRange) -> Self {
        let next = Group::of(range.from);
        Self { inner, id, range, next, ahead: FuturesOrdered::new(), current: None }
    }

    /// The next page, `None` behind the last one. A page may be empty.
    pub(super) async fn next(&mut self) -> Result<Option<Items>> {
        let (group, query, page) = match self.current.take() {
            Some((group, query, after)) => {
                let page = self.inner.client.query(what(&self.id), &query, Some(after)).await?;
                (group, query, page)
            }
            None => {
                self.read_ahead();
                match self.ahead.next().await {
                    Some(page) => page?,
                    None => return Ok(None),
                }
            }
        };
        self.current = page.next.map(|after| (group, query, after));
        Ok(Some(Items { group, items: page.items }))
    }

    fn read_ahead(&mut self) {
        let last = Group::of(self.range.to);
        while self.next <= last && self.ahead.len() < self.inner.settings.replay_parallelism {
            let group = self.next;
            self.next = group.next();
            let (inner, id) = (self.inner.clone(), self.id.clone());
            let query = self.query(group);
            self.ahead.push_back(Box::pin(async move {
                let page = inner.client.query(what(&id), &query, None).await?;
                Ok((group, query, page))
            }));
        }
    }

    fn query(&self, group: Group) -> Query {
        let from = num(self.range.from.max(group.first()));
        let to = num(self.range.to.min(group.last()));
        let par = self.inner.keys.events(&self.id, group);
        Query::new(&self.inner.settings.journal_table, par, from, to)
    }
}

fn what(id: &PersistenceId) -> String {
    format!("reading events of {id}")
}
