//! A command on its way: with its caller, its place in the shard's bound, and what has been tried.

use std::sync::Arc;

use annals_core::Error;
use tracing::Span;

use crate::measures::Measures;
use crate::reply::Caller;
use crate::{Causation, EventSourced};

/// A command, and who waits for it. It ends by [`Envelope::finish`] or [`Envelope::fail`]; dropped
/// otherwise (its worker was torn down), it tells the caller what is known of the outcome.
pub(crate) struct Envelope<B: EventSourced> {
    pub(crate) command: B::Command,
    caller: Option<Caller>,
    /// How many appends with this command met a conflict.
    pub(crate) conflicts: u32,
    /// An append that it shared was refused: it goes alone now.
    pub(crate) alone: bool,
    /// The entity sent it to itself: it has its place, whatever else waits.
    pub(crate) own: bool,
    /// The key of the timer that sent it.
    pub(crate) timer: Option<Arc<str>>,
    /// Why it came.
    pub(crate) causation: Option<Arc<Causation>>,
    /// From the ask to the answer.
    pub(crate) span: Span,
    _ticket: Option<Ticket>,
}

impl<B: EventSourced> Envelope<B> {
    pub(crate) fn new(command: B::Command, caller: Option<Caller>, ticket: Option<Ticket>) -> Self {
        Self {
            command,
            caller,
            conflicts: 0,
            alone: false,
            own: false,
            timer: None,
            causation: None,
            span: Span::none(),
            _ticket: ticket,
        }
    }

    /// A command that an entity sends to itself.
    pub(crate) fn own(command: B::Command, causation: Option<Arc<Causation>>) -> Self {
        let mut envelope = Self::new(command, None, None).because(causation);
        envelope.own = true;
        envelope
    }

    /// The same, with why it came.
    pub(crate) fn because(mut self, causation: Option<Arc<Causation>>) -> Self {
        self.causation = causation;
        self
    }

    /// A command that a timer of the entity sends.
    pub(crate) fn of_timer(command: B::Command, key: Arc<str>) -> Self {
        let mut envelope = Self::own(command, None);
        envelope.timer = Some(key);
        envelope
    }

    /// Takes the command to carry it out; `false` if its caller is gone, so that it is skipped.
    pub(crate) fn take(&self) -> bool {
        self.caller.as_ref().is_none_or(Caller::take)
    }

    /// Nothing of the command was done, and it waits again.
    pub(crate) fn put_back(&self) {
        if let Some(caller) = &self.caller {
            caller.put_back();
        }
    }

    /// Whether the caller stopped waiting.
    pub(crate) fn is_gone(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::is_gone)
    }

    /// Ends the command: it was carried out, and whether the caller gets an answer is up to its
    /// handler.
    pub(crate) fn finish(mut self) {
        Measures::new(B::ENTITY_TYPE).command("ok");
        self.caller = None;
    }

    /// Ends the command with an error.
    pub(crate) fn fail(mut self, error: Error) {
        Measures::new(B::ENTITY_TYPE).command(error.kind().name());
        if let Some(caller) = self.caller.take() {
            caller.fail(error);
        }
    }
}

impl<B: EventSourced> Drop for Envelope<B> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.fail_torn_down();
        }
    }
}

/// A place among the commands that one shard accepts; given back when dropped. The places that are
/// taken are the clones of one handle, which count themselves.
pub(crate) struct Ticket(#[expect(dead_code, reason = "it is only counted")] Arc<()>);

impl Ticket {
    /// A place, if fewer than `max` are taken.
    pub(crate) fn take(places: &Arc<()>, max: usize) -> Option<Self> {
        let ticket = Self(places.clone());
        // The first handle is no place. A refused ticket is dropped here, which gives its place back.
        (Arc::strong_count(places) - 1 <= max).then_some(ticket)
    }
}
