//! The calls of a handler: told as spans, and measured.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use annals_core::{Causation, Envelope, Offset, Result};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

use super::super::handler::HandlerError;
use super::Run;

impl Run<'_> {
    /// Has the first `count` events of the group handled, which end at `offset`.
    pub(super) async fn handle_group(
        &mut self,
        count: usize,
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        let group = std::mem::take(&mut self.group);
        let events = group.get(..count).unwrap_or_default();
        let key = self.plan.key.as_str();
        let handled = self.handle(key, events, offset).await;
        self.group = group;
        handled
    }

    /// Has `events` handled, the last of which ends at `offset` of `key`.
    pub(super) async fn handle(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        let (span, watch) = (span_of(key, events), self.measures.start());
        let mut handling = pin!(self.work.handle(key, events, offset).instrument(span.clone()));
        let handled = match poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await {
            Poll::Ready(handled) => handled,
            Poll::Pending => {
                // It waits: a good moment to tell how far the projection is.
                self.board.tell();
                handling.await
            }
        };
        span.record("outcome", if handled.is_ok() { "ok" } else { "failed" });
        self.measures.called(watch, handled.is_err());
        handled
    }

    /// Makes what was handled durable, with the offset of `key`.
    pub(super) async fn save_as(&mut self, key: &str, offset: &Offset) -> Result<()> {
        let span = debug_span!("annals.save_offset", projection = key, outcome = Empty);
        let watch = self.measures.start();
        let saved = self.work.save(self.keeper, key, offset).instrument(span.clone()).await;
        let outcome = saved.as_ref().map_or_else(|error| error.kind().name(), |()| "ok");
        span.record("outcome", outcome);
        self.measures.saved(watch, outcome);
        saved
    }
}

/// What the handler does happens inside of it: a command that it sends to an entity is its child.
fn span_of(key: &str, events: &[Envelope]) -> Span {
    let span = debug_span!(
        "annals.handle",
        projection = key,
        persistence_id = Empty,
        seq_nr = Empty,
        events = events.len(),
        correlation_id = Empty,
        causation_id = Empty,
        outcome = Empty,
    );
    if let Some(first) = events.first().filter(|_| !span.is_disabled()) {
        span.record("persistence_id", first.persistence_id.as_str());
        span.record("seq_nr", first.event.seq_nr.get());
        let causation = Causation::of(first).unwrap_or_default();
        causation.correlation_id().map(|id| span.record("correlation_id", id));
        causation.causation_id().map(|id| span.record("causation_id", id));
    }
    span
}
