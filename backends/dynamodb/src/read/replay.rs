//! The events of a range as a stream of bounded batches, contiguous or an error.

use std::sync::Arc;

use annals_core::{Batch, BoxStream, Error, PersistenceId, Result, SeqNr, SeqRange, StoredEvent};
use futures_util::stream;

use super::bounds::{bounds, marks};
use super::pages::Pages;
use super::whole::Whole;
use crate::client::add;
use crate::item::decode;
use crate::settings::Holes;
use crate::store::Inner;

/// The stored events of `range`.
pub(crate) fn replay(
    inner: Arc<Inner>,
    id: PersistenceId,
    range: SeqRange,
) -> BoxStream<'static, Result<Batch>> {
    let replay = Replay { inner, id, state: State::New(range) };
    Box::pin(stream::try_unfold(replay, |mut replay| async move {
        let batch = replay.next_batch().await?;
        Ok(batch.map(|batch| (batch, replay)))
    }))
}

struct Replay {
    inner: Arc<Inner>,
    id: PersistenceId,
    state: State,
}

enum State {
    New(SeqRange),
    Reading(Box<Reading>),
    Done,
}

/// A replay on its way.
struct Reading {
    pages: Pages,
    whole: Whole,
    /// The number that must come next.
    expected: SeqNr,
    /// The last number that must come.
    to: SeqNr,
}

impl Replay {
    async fn next_batch(&mut self) -> Result<Option<Batch>> {
        let _running = self.inner.enter().await?;
        loop {
            match &mut self.state {
                State::Done => return Ok(None),
                State::New(range) => {
                    let range = *range;
                    self.state = begin(&self.inner, &self.id, range).await?;
                }
                State::Reading(reading) => {
                    let (events, more) = reading.step(&self.inner, &self.id).await?;
                    if !more {
                        self.state = State::Done;
                    }
                    if !events.is_empty() {
                        return Ok(Some(Batch { events }));
                    }
                }
            }
        }
    }
}

/// Cuts the range to what is stored now.
async fn begin(inner: &Arc<Inner>, id: &PersistenceId, range: SeqRange) -> Result<State> {
    let bounds = bounds(inner, id).await?;
    let from = range.from.max(bounds.deleted_to.next());
    let range = SeqRange::new(from, range.to.min(bounds.highest));
    if range.is_empty() {
        return Ok(State::Done);
    }
    Ok(State::Reading(Box::new(Reading {
        pages: Pages::new(inner.clone(), id.clone(), range),
        whole: Whole::new(inner.clone(), id.clone(), range, bounds.deleted_to),
        expected: range.from,
        to: range.to,
    })))
}

impl Reading {
    /// The events of one page, and whether there may be more.
    async fn step(
        &mut self,
        inner: &Inner,
        id: &PersistenceId,
    ) -> Result<(Vec<StoredEvent>, bool)> {
        let page = self.pages.next().await?;
        let more = page.is_some();
        match page {
            Some(page) => {
                for item in page.items {
                    self.whole.push(decode(id, page.group, item)?).await?;
                }
            }
            None => self.whole.finish().await?,
        }
        let events = std::mem::take(&mut self.whole.ready);
        for event in &events {
            if event.seq_nr > self.expected {
                self.hole(inner, id, event.seq_nr.previous()).await?;
            }
            self.expected = event.seq_nr.next();
        }
        // The greatest number is its own successor.
        if !more && self.expected <= self.to && events.last().is_none_or(|e| e.seq_nr != self.to) {
            self.hole(inner, id, self.to).await?;
        }
        Ok((events, more))
    }

    /// Decides about the numbers from the expected one to `to`, which have no event.
    async fn hole(&mut self, inner: &Inner, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let from = self.expected;
        if marks(inner, id).await?.deleted_to >= from {
            return Err(Error::unavailable(format!(
                "events of {id} from {from} on were deleted while they were being replayed: replay anew"
            )));
        }
        let part = self.whole.parts.iter().find(|part| part.from <= to && part.to >= from);
        if inner.settings.holes == Holes::Skip {
            let count = to.get().saturating_sub(from.get()).saturating_add(1);
            add(&inner.client.counters.holes_skipped, count);
            tracing::warn!(
                persistence_id = id.as_str(),
                from = from.get(),
                to = to.get(),
                "numbers without an event are skipped"
            );
            return Ok(());
        }
        let message = match part {
            Some(part) => format!(
                "events {from}-{to} of {id} cannot be replayed: {}-{} are a part of an append that never \
                 became whole, so they were never acknowledged; nothing else is lost; open the store with \
                 holes = skip to read over them",
                part.from, part.to
            ),
            None => format!(
                "{id} has no events {from}-{to}: they were lost, or Pekko rejected them; all others are there; \
                 if Pekko wrote this history, open the store with holes = skip to read over them"
            ),
        };
        Err(Error::corrupt(message))
    }
}
