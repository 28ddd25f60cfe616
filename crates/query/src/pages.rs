//! The stream of pages: bounds a finite query, waits for a live one, checks what the store hands
//! out.

use std::sync::Arc;

use annals_core::{BoxStream, Error, Offset, Page, ReadJournal, Result, Scope, Wakeup};
use futures_util::stream;

use crate::options::{Extent, QueryOptions};
use crate::order::OrderCheck;

/// The state of a stream of pages between two of them.
pub(crate) struct PageReader {
    journal: Arc<dyn ReadJournal>,
    page_events_max: usize,
    scope: Scope,
    after: Option<Offset>,
    order: OrderCheck,
    phase: Phase,
}

enum Phase {
    /// Not polled yet.
    Start(Extent),
    /// Reads up to the bound of a finite query.
    Bounded(Offset),
    /// Reads what exists, and later what is committed.
    Live,
    /// Everything was delivered; the wake-up, older than the last page, tells of more.
    Waiting(Wakeup),
    /// Nothing comes any more.
    Done,
}

impl PageReader {
    pub(crate) fn new(
        journal: Arc<dyn ReadJournal>,
        options: QueryOptions,
        scope: Scope,
        extent: Extent,
        after: Option<Offset>,
    ) -> Self {
        let order = OrderCheck::new(&scope, options.gaps);
        let page_events_max = options.page_events_max.max(1);
        Self { journal, page_events_max, scope, after, order, phase: Phase::Start(extent) }
    }

    /// The pages; ends after the first error.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<Page>> {
        Box::pin(stream::try_unfold(self, Self::next))
    }

    async fn next(mut self) -> Result<Option<(Page, Self)>> {
        loop {
            let page = match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Done => return Ok(None),
                Phase::Start(extent) => {
                    self.phase = self.start(extent).await?;
                    continue;
                }
                Phase::Waiting(wakeup) => {
                    wakeup.await;
                    self.phase = Phase::Live;
                    continue;
                }
                Phase::Bounded(until) => {
                    let page = self.read(Some(&until)).await?;
                    if !page.at_end() {
                        self.phase = Phase::Bounded(until);
                    }
                    page
                }
                Phase::Live => {
                    let wakeup = self.journal.changed();
                    let page = self.read(None).await?;
                    self.phase = if page.at_end() { Phase::Waiting(wakeup) } else { Phase::Live };
                    page
                }
            };
            if self.order.is_complete() {
                self.phase = Phase::Done;
            }
            if !page.events().is_empty() {
                return Ok(Some((page, self)));
            }
        }
    }

    async fn start(&mut self, extent: Extent) -> Result<Phase> {
        if extent == Extent::Live {
            // A range without a number would otherwise be waited for without end.
            return Ok(if self.order.is_complete() { Phase::Done } else { Phase::Live });
        }
        match self.journal.end(&self.scope).await? {
            Some(until) => Ok(Phase::Bounded(until)),
            None => {
                // An empty store has nothing to read, but the offset must be refused here too (Q8).
                if self.after.is_some() {
                    self.journal.page(&self.scope, self.after.as_ref(), None, 1).await?;
                }
                Ok(Phase::Done)
            }
        }
    }

    async fn read(&mut self, until: Option<&Offset>) -> Result<Page> {
        let after = self.after.as_ref();
        let page = self.journal.page(&self.scope, after, until, self.page_events_max).await?;
        self.order.check(page.events())?;
        let advanced = page.next().is_some_and(|next| Some(next) != after);
        let finished = page.at_end() && page.events().is_empty();
        if !advanced && !finished {
            return Err(stuck(self.journal.capabilities().name, after));
        }
        if let Some(next) = page.next() {
            self.after = Some(next.clone());
        }
        Ok(page)
    }
}

/// The error about a store whose page leads nowhere: the stream would repeat it without end.
pub(crate) fn stuck(store: &str, after: Option<&Offset>) -> Error {
    let place = after.map_or_else(|| "at the beginning".to_owned(), |after| format!("at {after}"));
    Error::internal(format!(
        "the {store} store gave a page that is not the last one and does not advance ({place}); \
         nothing was lost, a new query may resume there"
    ))
}
