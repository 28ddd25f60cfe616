//! The commands of one entity that wait: in the order of their arrival, and those that its behaviour
//! stashed until it says otherwise; and the timers whose commands are to come.

use std::collections::VecDeque;

use annals_core::{Error, PersistenceId};

use super::Output;
use super::envelope::Envelope;
use super::timers::{TimerId, Timers};
use crate::EventSourced;
use crate::effect::TimerStep;

/// What waits for one entity. Costs no allocation while nothing does.
pub(super) struct Mailbox<B: EventSourced> {
    waiting: VecDeque<Envelope<B>>,
    stash: VecDeque<Envelope<B>>,
    pub(super) timers: Timers<B>,
}

impl<B: EventSourced> Mailbox<B> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), stash: VecDeque::new(), timers: Timers::new() }
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

    /// Starts or cancels a timer; a command of the one before does not wait any longer.
    pub(super) fn change_timer(&mut self, step: TimerStep<B>, out: &mut Vec<Output<B>>) {
        let key = step.key.clone();
        let is_other = |envelope: &Envelope<B>| envelope.timer.as_ref() != Some(&key);
        self.waiting.retain(is_other);
        self.stash.retain(is_other);
        self.timers.change(step, out);
    }

    /// The command of a timer whose time has passed, unless its last one waits yet.
    pub(super) fn timer_passed(
        &mut self,
        id: TimerId,
        out: &mut Vec<Output<B>>,
    ) -> Option<Envelope<B>> {
        let (key, envelope) = self.timers.passed(id, out)?;
        let mut waiting = self.waiting.iter().chain(&self.stash);
        let waits = waiting.any(|waiting| waiting.timer.as_ref() == Some(&key));
        (!waits).then_some(envelope)
    }

    /// Cancels all timers; their commands do not wait any longer.
    pub(super) fn clear_timers(&mut self, out: &mut Vec<Output<B>>) {
        self.timers.clear(out);
        self.waiting.retain(|envelope| envelope.timer.is_none());
        self.stash.retain(|envelope| envelope.timer.is_none());
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
