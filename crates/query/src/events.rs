//! The stream of single events on top of the stream of pages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annals_core::{BoxStream, Envelope, Page, Result};
use futures_core::Stream;

/// Hands out the events of each page; an event is cloned only when it is asked for.
pub(crate) struct Events {
    pages: BoxStream<'static, Result<Page>>,
    page: Option<Page>,
    index: usize,
}

impl Events {
    pub(crate) fn new(pages: BoxStream<'static, Result<Page>>) -> Self {
        Self { pages, page: None, index: 0 }
    }
}

impl Stream for Events {
    type Item = Result<Envelope>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let index = self.index;
            let event = self.page.as_ref().and_then(|page| page.events().get(index).cloned());
            if let Some(event) = event {
                self.index += 1;
                return Poll::Ready(Some(Ok(event)));
            }
            // The page is let go before the next one is read: one page is held at a time.
            self.page = None;
            match ready!(self.pages.as_mut().poll_next(cx)) {
                Some(Ok(page)) => {
                    self.page = Some(page);
                    self.index = 0;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
