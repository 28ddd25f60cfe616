//! The pages of a projection's source. The store reads the next one while one is handled.

use std::future::poll_fn;
use std::task::Poll;

use annals_core::{BoxStream, Offset, Page, Result, Scope};
use futures_util::StreamExt;

use super::super::keeper::Keeper;
use crate::{Extent, Query, QueryOptions};

/// The most events of a page: many, since nobody waits for the first of them alone.
const PAGE_EVENTS_MAX: usize = 4_096;

/// What the stream gave.
type Given = Option<Result<Page>>;

/// The pages of a source, from some offset on, without end.
pub(super) struct Supply {
    pages: BoxStream<'static, Result<Page>>,
    /// What the stream gave at once when the next page was begun.
    ahead: Option<Given>,
}

impl Supply {
    /// The pages of `scope` behind `after`.
    pub(super) fn new(keeper: &Keeper, scope: &Scope, after: Option<Offset>) -> Self {
        let options = QueryOptions::default().with_page_events_max(PAGE_EVENTS_MAX);
        let query = Query::new(keeper.store.read_journal.clone()).with_options(options);
        Self { pages: query.pages(scope.clone(), Extent::Live, after), ahead: None }
    }

    /// The next page. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Given {
        match self.ahead.take() {
            Some(given) => given,
            None => self.pages.next().await,
        }
    }

    /// Lets the store begin with the next page.
    pub(super) async fn begin(&mut self) {
        if self.ahead.is_none()
            && let Poll::Ready(given) =
                poll_fn(|cx| Poll::Ready(self.pages.poll_next_unpin(cx))).await
        {
            self.ahead = Some(given);
        }
    }
}
