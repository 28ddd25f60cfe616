//! The items of a range of numbers, in order, with a bounded number of pages read ahead.

use std::sync::Arc;

use annals_core::{PersistenceId, Result, SeqRange};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::FuturesOrdered;

use crate::client::{ItemPage, Query};
use crate::item::{Item, names, number_of};
use crate::keys::{Group, num};
use crate::store::Inner;

/// The items of one page of one group.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) group: Group,
    pub(super) items: Vec<Item>,
}

/// A page of the range's first group that was read before the range was known, and may go beyond it.
#[derive(Debug)]
pub(super) struct FirstPage {
    pub(super) group: Group,
    pub(super) query: Query,
    pub(super) page: ItemPage,
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
    /// The group whose pages may hold more than the range.
    wide: Option<Group>,
}

impl Pages {
    pub(super) fn new(
        inner: Arc<Inner>,
        id: PersistenceId,
        range: SeqRange,
        first: Option<FirstPage>,
    ) -> Self {
        let mut next = Group::of(range.from);
        let mut ahead: FuturesOrdered<Ahead> = FuturesOrdered::new();
        let wide = first.as_ref().map(|first| first.group);
        if let Some(FirstPage { group, query, page }) = first {
            next = group.next();
            ahead.push_back(Box::pin(ready(Ok((group, query, page)))));
        }
        Self { inner, id, range, next, ahead, current: None, wide }
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
        let mut items = page.items;
        if self.wide == Some(group) {
            items.retain(|item| self.is_in_range(group, item));
        }
        Ok(Some(Items { group, items }))
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

    /// An item without a number is let through to who says what is wrong with it.
    fn is_in_range(&self, group: Group, item: &Item) -> bool {
        let num = number_of(item, names::NUM).ok().flatten();
        num.and_then(|num| group.at(num))
            .is_none_or(|seq_nr| self.range.from <= seq_nr && seq_nr <= self.range.to)
    }

    fn query(&self, group: Group) -> Query {
        let from = num(self.range.from.max(group.first()));
        let to = num(self.range.to.min(group.last()));
        let par = self.inner.keys.events(&self.id, group);
        Query::new(&self.inner.settings.journal_table, par, from, to)
    }
}

pub(super) fn what(id: &PersistenceId) -> String {
    format!("reading events of {id}")
}
