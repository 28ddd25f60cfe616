//! The commands of one entity that wait: in the order of their arrival, and those that its behaviour
//! stashed until it says otherwise.

use std::collections::VecDeque;

use annals_core::{Error, PersistenceId};

use super::envelope::Envelope;
use crate::EventSourced;

/// What waits for one entity. Costs no allocation while nothing does.
pub(super) struct Mailbox<B: EventSourced> {
    waiting: VecDeque<Envelope<B>>,
    stash: VecDeque<Envelope<B>>,
}

impl<B: EventSourced> Mailbox<B> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), stash: VecDeque::new() }
    }

    /// Whether no command waits to be handled; some may be stashed.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether commands are stashed.
    pub(super) fn has_stash(&self) -> bool {
        !self.stash.is_empty()
    }

    /// Adds a command that came; fails it if `max` wait already.
    pub(super) fn push(&mut self, envelope: Envelope<B>, max: usize, id: &PersistenceId) {
        if self.waiting.len() >= max {
            self.forget_gone();
        }
        if self.waiting.len() >= max && !envelope.own {
            envelope.fail(Error::unavailable(format!(
                "mailbox full: {max} commands wait for {id}; nothing of this one was written"
            )));
            return;
        }
        self.waiting.push_back(envelope);
    }

    pub(super) fn pop(&mut self) -> Option<Envelope<B>> {
        self.waiting.pop_front()
    }

    /// Puts a command back that was taken last: it is the next one again.
    pub(super) fn put_back(&mut self, envelope: Envelope<B>) {
        envelope.put_back();
        self.waiting.push_front(envelope);
    }

    /// Stashes a command; fails it if `max` are stashed already.
    pub(super) fn stash(&mut self, envelope: Envelope<B>, max: usize, id: &PersistenceId) {
        if self.stash.len() >= max {
            self.stash.retain(|stashed| !stashed.is_gone());
        }
        if self.stash.len() >= max {
            envelope.fail(Error::unavailable(format!(
                "stash full: {max} commands of {id} are put off; nothing of this one was written"
            )));
            return;
        }
        envelope.put_back();
        self.stash.push_back(envelope);
    }

    /// Puts what is stashed at this moment before everything that waits.
    pub(super) fn unstash_all(&mut self) {
        if !self.stash.is_empty() {
            self.stash.append(&mut self.waiting);
            self.waiting = std::mem::take(&mut self.stash);
        }
    }

    /// Forgets commands whose callers are gone.
    pub(super) fn forget_gone(&mut self) {
        self.waiting.retain(|waiting| !waiting.is_gone());
    }

    /// Fails all, stashed ones too.
    pub(super) fn fail_all(&mut self, error: impl Fn() -> Error) {
        self.unstash_all();
        std::mem::take(&mut self.waiting).into_iter().for_each(|waiting| waiting.fail(error()));
    }

    /// Gives memory back while nothing waits.
    pub(super) fn shrink(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            self.waiting = VecDeque::new();
        }
    }
}
