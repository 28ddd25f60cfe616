//! What a command led to, to be checked.

use std::fmt::Debug;

use annals_core::{Error, Result};

use super::Given;
use crate::{Answer, EventSourced};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decided {
    pub(super) unhandled: bool,
    pub(super) stash: bool,
    pub(super) stop: bool,
}

/// What a command led to.
pub struct Then<B: EventSourced, T> {
    pub(super) given: Given<B>,
    pub(super) events: Vec<B::Event>,
    pub(super) answer: Answer<T>,
    pub(super) decided: Decided,
}

impl<B: EventSourced, T> Then<B, T> {
    /// Checks the new events and the answer; gives the entity back for the next command.
    ///
    /// # Panics
    /// If they are others.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = B::Event>, answer: T) -> Given<B>
    where
        B::Event: Debug + PartialEq,
        T: Debug + PartialEq,
    {
        let given = self.answer();
        let expected: Vec<B::Event> = events.into_iter().collect();
        assert_eq!(self.events, expected, "the events that the command led to");
        match given {
            Some(Ok(given)) => assert_eq!(given, answer, "the command's answer"),
            Some(Err(error)) => panic!("the command failed: {error}"),
            None => panic!("the command was not answered"),
        }
        self.given()
    }

    /// Checks the new events alone.
    ///
    /// # Panics
    /// If they are others.
    #[track_caller]
    pub fn then_events(self, events: impl IntoIterator<Item = B::Event>) -> Given<B>
    where
        B::Event: Debug + PartialEq,
    {
        let expected: Vec<B::Event> = events.into_iter().collect();
        assert_eq!(self.events, expected, "the events that the command led to");
        self.given()
    }

    /// Checks that the command led to no event and no answer.
    ///
    /// # Panics
    /// If it did.
    #[track_caller]
    pub fn then_nothing(self) -> Given<B>
    where
        B::Event: Debug,
        T: Debug,
    {
        assert!(self.events.is_empty(), "no event was expected: {:?}", self.events);
        let answer = self.answer();
        assert!(!matches!(answer, Some(Ok(_))), "no answer was expected: {answer:?}");
        self.given()
    }

    /// The new events.
    pub fn events(&self) -> &[B::Event] {
        &self.events
    }

    /// The answer, once: `None` if there is none yet (the reply may be kept for later), an error if
    /// the reply was dropped.
    pub fn answer(&self) -> Option<Result<T, Error>> {
        self.answer.try_take()
    }

    /// Whether the command was declared unhandled.
    pub fn is_unhandled(&self) -> bool {
        self.decided.unhandled
    }

    /// Whether the command was put off: it comes again when the entity unstashes, or stops.
    pub fn is_stash(&self) -> bool {
        self.decided.stash
    }

    /// Whether the entity stops.
    pub fn is_stop(&self) -> bool {
        self.decided.stop
    }

    /// The entity after the command.
    pub fn given(self) -> Given<B> {
        self.given_and_answer().0
    }

    /// The entity after the command, and the answer that is yet to come: of one that was put off, or whose
    /// reply is kept.
    pub fn given_and_answer(mut self) -> (Given<B>, Answer<T>) {
        self.given.history.append(&mut self.events);
        (self.given, self.answer)
    }
}

impl<B: EventSourced, T> Debug for Then<B, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Then").field("given", &self.given).field("decided", &self.decided).finish()
    }
}
