//! The four kinds of handlers as the runner sees them.

use std::collections::VecDeque;

use annals_core::{
    Append, Causation, Envelope, Error, NewEvent, Offset, PersistenceId, Result, SeqNr, WriterId,
};
use async_trait::async_trait;

use super::handler::{GroupedHandler, Handler, HandlerError, Producer, Transactional};
use super::keeper::Keeper;

/// Handles events, and makes how far it came durable.
#[async_trait]
pub(crate) trait Work: Send {
    /// Gets ready for the first event.
    async fn start(&mut self, keeper: &mut Keeper) -> Result<()>;

    /// The offset under `key`.
    async fn load(&mut self, keeper: &mut Keeper, key: &str) -> Result<Option<Offset>>;

    /// Handles events, the last of which ends at `offset` of `key`.
    async fn handle(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError>;

    /// Makes what was handled durable, with the offset of `key`.
    async fn save(&mut self, keeper: &mut Keeper, key: &str, offset: &Offset) -> Result<()>;

    /// Whether what was handled is durable already.
    fn commits(&self) -> bool {
        false
    }

    /// Whether it handles many events together.
    fn groups(&self) -> bool {
        false
    }
}

/// At least once: the offset follows what was handled.
pub(crate) struct Following<H> {
    handler: H,
    groups: bool,
}

impl<H: GroupedHandler> Following<H> {
    pub(crate) fn in_groups(handler: H) -> Self {
        Self { handler, groups: true }
    }
}

impl<H: Handler> Following<OneByOne<H>> {
    pub(crate) fn one_by_one(handler: H) -> Self {
        Self { handler: OneByOne(handler), groups: false }
    }
}

#[async_trait]
impl<H: GroupedHandler> Work for Following<H> {
    async fn start(&mut self, _: &mut Keeper) -> Result<()> {
        Ok(())
    }

    async fn load(&mut self, keeper: &mut Keeper, key: &str) -> Result<Option<Offset>> {
        keeper.load(key).await
    }

    async fn handle(
        &mut self,
        _: &str,
        events: &[Envelope],
        _: &Offset,
    ) -> Result<(), HandlerError> {
        self.handler.handle(events).await
    }

    async fn save(&mut self, keeper: &mut Keeper, key: &str, offset: &Offset) -> Result<()> {
        keeper.save(key, offset).await
    }

    fn groups(&self) -> bool {
        self.groups
    }
}

/// A handler of single events as one of groups.
pub(crate) struct OneByOne<H>(H);

#[async_trait]
impl<H: Handler> GroupedHandler for OneByOne<H> {
    async fn handle(&mut self, events: &[Envelope]) -> Result<(), HandlerError> {
        for event in events {
            self.0.handle(event).await?;
        }
        Ok(())
    }
}

/// Exactly once, in a transaction of the handler's own.
pub(crate) struct Transaction<H>(pub(crate) H);

#[async_trait]
impl<H: Transactional> Work for Transaction<H> {
    async fn start(&mut self, _: &mut Keeper) -> Result<()> {
        Ok(())
    }

    async fn load(&mut self, _: &mut Keeper, key: &str) -> Result<Option<Offset>> {
        self.0.offset(key).await.map_err(|error| {
            Error::unavailable(format!("the handler cannot tell the offset of {key}"))
                .with_source(error)
        })
    }

    async fn handle(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        self.0.commit(key, events, offset).await
    }

    async fn save(&mut self, _: &mut Keeper, key: &str, offset: &Offset) -> Result<()> {
        self.0.commit(key, &[], offset).await.map_err(|error| {
            Error::unavailable(format!("the handler cannot store the offset of {key}"))
                .with_source(error)
        })
    }

    fn commits(&self) -> bool {
        true
    }

    fn groups(&self) -> bool {
        true
    }
}

/// Exactly once, with results in the same store.
pub(crate) struct Producing<H> {
    handler: H,
    results: PersistenceId,
    writer: WriterId,
    after: SeqNr,
    /// The results that are not stored yet, event by event.
    pending: VecDeque<(Offset, Vec<NewEvent>)>,
}

impl<H: Producer> Producing<H> {
    pub(crate) fn new(handler: H, results: PersistenceId, writer: WriterId) -> Self {
        Self { handler, results, writer, after: SeqNr::ZERO, pending: VecDeque::new() }
    }

    /// The results of as many events as fit into one append, and the offset behind them.
    fn next_events(&mut self, keeper: &Keeper) -> Option<(Vec<NewEvent>, Offset)> {
        let limits = keeper.store.capabilities();
        let (mut events, mut end, mut bytes) = (Vec::new(), None, 0_usize);
        while let Some((_, next)) = self.pending.front() {
            let next_bytes: usize = next.iter().map(NewEvent::size_bytes).sum();
            let fits = events.len() + next.len() <= limits.events_per_append_max
                && bytes.saturating_add(next_bytes) <= limits.append_bytes_max;
            // What does not fit by itself is refused by the store, which says why.
            if !fits && !events.is_empty() {
                break;
            }
            bytes = bytes.saturating_add(next_bytes);
            let Some((offset, next)) = self.pending.pop_front() else { break };
            events.extend(next);
            end = Some(offset);
        }
        end.map(|end| (events, end))
    }
}

#[async_trait]
impl<H: Producer> Work for Producing<H> {
    async fn start(&mut self, keeper: &mut Keeper) -> Result<()> {
        // After the offset was loaded: who commits in between moves its revision on, and is noticed.
        let bounds = keeper.store.journal.begin(&self.results, &self.writer).await?;
        self.after = bounds.highest;
        self.pending.clear();
        self.handler.start(bounds).await.map_err(|error| {
            Error::unavailable(format!("the producer of {} cannot start", self.results))
                .with_source(error)
        })
    }

    async fn load(&mut self, keeper: &mut Keeper, key: &str) -> Result<Option<Offset>> {
        keeper.load(key).await
    }

    async fn handle(
        &mut self,
        _: &str,
        events: &[Envelope],
        _: &Offset,
    ) -> Result<(), HandlerError> {
        for event in events {
            let mut results = self.handler.handle(event).await?;
            hand_on(event, &mut results);
            if !results.is_empty() {
                self.pending.push_back((event.offset.clone(), results));
            }
        }
        Ok(())
    }

    async fn save(&mut self, keeper: &mut Keeper, key: &str, offset: &Offset) -> Result<()> {
        let mut saved = None;
        while let Some((events, end)) = self.next_events(keeper) {
            // Behind the last results there may be events without any.
            let end = if self.pending.is_empty() { offset.clone() } else { end };
            let append_id = keeper.components.ids.append_id();
            let (results, writer) = (self.results.clone(), self.writer.clone());
            let append = Append::new(append_id, results, self.after, writer, events)?;
            self.after = keeper.append_saving(append, key, &end).await?.last;
            saved = Some(end);
        }
        if saved.as_ref() == Some(offset) { Ok(()) } else { keeper.save(key, offset).await }
    }
}

/// Results of an event whose cause is known say so, unless they have metadata of their own: so that one
/// can follow from a command to its event, to what came of it.
fn hand_on(event: &Envelope, results: &mut [NewEvent]) {
    if results.is_empty() || Causation::of(event).is_none() {
        return;
    }
    let cause = Causation::by(event).to_metadata();
    for result in results.iter_mut().filter(|result| result.metadata.is_none()) {
        result.metadata.clone_from(&cause);
    }
}
