//! The events of a range as a stream of bounded batches, contiguous or an error.
//!
//! The first group of the range is read beside the marks, so that a short history costs two requests, at
//! the same time. What these two say of different moments may not fit together: a number that seems to be
//! missing is looked for again, with all that is known then, before it counts as a hole.

use std::sync::Arc;

use annals_core::{
    Batch, Bounds, BoxStream, Error, PersistenceId, Result, SeqNr, SeqRange, StoredEvent,
};
use futures_util::future::try_join;
use futures_util::stream;

use super::bounds::{Top, bounds, ends_in, highest, marks, marks_and};
use super::pages::{FirstPage, Pages, what};
use super::whole::Whole;
use crate::client::{Query, add};
use crate::item::decode;
use crate::keys::{Group, num};
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
        let _running = replay.inner.clone().enter().await?;
        let batch = replay.next_batch().await?;
        Ok(batch.map(|batch| (batch, replay)))
    }))
}

/// A replay, for who knows that the store stays open.
pub(crate) struct Replay {
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
    /// Whether a number that is missing is to be looked for again.
    doubted: bool,
    /// Whether events were given out.
    begun: bool,
}

/// What came of one page.
enum Step {
    /// Its events, and whether there may be more.
    Events(Vec<StoredEvent>, bool),
    /// A number is missing, for now.
    Again,
}

impl Replay {
    /// Begins the replay of up to `events_max` events of `range`, and tells which part of the range is
    /// there: all of it that was ever stored and is not deleted.
    pub(crate) async fn begin(
        inner: Arc<Inner>,
        id: PersistenceId,
        range: SeqRange,
        events_max: u64,
    ) -> Result<(SeqRange, Self)> {
        let Look { deleted_to, end, first } = look(&inner, &id, range, events_max).await?;
        let from = range.from.max(deleted_to.next());
        let there = SeqRange::new(from, end);
        let to = end.min(from.previous().plus(events_max));
        let range = SeqRange::new(from, to);
        let state = match range.is_empty() {
            true => State::Done,
            false => State::Reading(Box::new(Reading {
                pages: Pages::new(inner.clone(), id.clone(), range, first),
                whole: Whole::new(inner.clone(), id.clone(), range, deleted_to),
                expected: from,
                to,
                doubted: true,
                begun: false,
            })),
        };
        Ok((there, Self { inner, id, state }))
    }

    pub(crate) async fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            match &mut self.state {
                State::Done => return Ok(None),
                State::New(range) => {
                    let (inner, id) = (self.inner.clone(), self.id.clone());
                    *self = Self::begin(inner, id, *range, u64::MAX).await?.1;
                }
                State::Reading(reading) => match reading.step(&self.inner, &self.id).await? {
                    Step::Again => reading.again(&self.inner, &self.id).await?,
                    Step::Events(events, more) => {
                        reading.begun |= !events.is_empty();
                        if !more {
                            self.state = State::Done;
                        }
                        if !events.is_empty() {
                            return Ok(Some(Batch { events }));
                        }
                    }
                },
            }
        }
    }
}

/// What is known of a range before its events are delivered.
struct Look {
    deleted_to: SeqNr,
    /// The last number of the range that was ever stored; below the range if none was.
    end: SeqNr,
    /// The first page, where it was read on the way.
    first: Option<FirstPage>,
}

/// Looks how much of the range there is.
async fn look(inner: &Inner, id: &PersistenceId, range: SeqRange, events_max: u64) -> Result<Look> {
    let group = Group::of(range.from);
    let last = range.to.min(group.last());
    if range.is_empty() || range.from.plus(events_max) <= last {
        // Nothing is read, or most of what is read would be thrown away.
        let Bounds { deleted_to, highest } = bounds(inner, id, range.from).await?;
        return Ok(Look { deleted_to, end: range.to.min(highest), first: None });
    }
    let par = inner.keys.events(id, group);
    let query = Query::new(&inner.settings.journal_table, par, num(range.from), num(last));
    let page = inner.client.query(what(id), &query, None);
    let ((marks, more), page) = try_join(marks_and(inner, id, Some(group.next())), page).await?;
    let here = match page.next {
        Some(_) => None,
        None => {
            let top = Top { inner, id };
            top.among(group, page.items.iter().rev(), &mut None).await?
        }
    };
    let is_whole = page.next.is_none() && last == group.last();
    let end = match ends_in(group, marks, here, more).filter(|_| is_whole) {
        // How far the history goes beyond the range is nobody's question.
        _ if here == Some(range.to) => range.to,
        Some(end) => end,
        None => highest(inner, id, marks).await?,
    };
    let deleted_to = marks.deleted_to;
    let is_first = Group::of(range.from.max(deleted_to.next())) == group;
    let first = is_first.then_some(FirstPage { group, query, page });
    Ok(Look { deleted_to, end: range.to.min(end), first })
}

impl Reading {
    async fn step(&mut self, inner: &Inner, id: &PersistenceId) -> Result<Step> {
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
        if self.doubted && self.has_hole(&events, more) {
            return Ok(Step::Again);
        }
        for event in &events {
            if event.seq_nr > self.expected {
                self.hole(inner, id, event.seq_nr.previous()).await?;
            }
            self.expected = event.seq_nr.next();
        }
        if self.ends_early(self.expected, &events, more) {
            self.hole(inner, id, self.to).await?;
        }
        Ok(Step::Events(events, more))
    }

    /// Whether a number before, between or behind `events` is missing.
    fn has_hole(&self, events: &[StoredEvent], more: bool) -> bool {
        let mut expected = self.expected;
        let in_order = events.iter().all(|event| {
            let fits = event.seq_nr == expected;
            expected = expected.next();
            fits
        });
        !in_order || self.ends_early(expected, events, more)
    }

    /// Whether `events` end the replay before the last number, where `expected` would come next.
    fn ends_early(&self, expected: SeqNr, events: &[StoredEvent], more: bool) -> bool {
        // The greatest number is its own successor.
        let ended = || events.last().is_some_and(|event| event.seq_nr == self.to);
        !more && expected <= self.to && !ended()
    }

    /// Goes on from the number that is expected, with what is stored now.
    async fn again(&mut self, inner: &Arc<Inner>, id: &PersistenceId) -> Result<()> {
        let deleted_to = marks(inner, id).await?.deleted_to;
        if !self.begun {
            self.expected = self.expected.max(deleted_to.next());
        }
        let range = SeqRange::new(self.expected, self.to);
        self.pages = Pages::new(inner.clone(), id.clone(), range, None);
        self.whole = Whole::new(inner.clone(), id.clone(), range, deleted_to);
        self.doubted = false;
        Ok(())
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
