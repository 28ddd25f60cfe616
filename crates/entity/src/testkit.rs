//! Runs a behaviour without a store: given events, when a command comes, then these events and this
//! answer. Nothing is asynchronous; a panic of the behaviour is the test's.
//!
//! ```
//! # use annals_entity::{Context, Effect, EventSourced, Reply};
//! # #[derive(Default)]
//! # struct Counter(u64);
//! # #[derive(Clone)]
//! # enum Command { Add { by: u64, reply: Reply<u64> } }
//! # #[derive(Debug, PartialEq)]
//! # struct Added(u64);
//! # impl EventSourced for Counter {
//! #     const ENTITY_TYPE: &'static str = "counter";
//! #     type Command = Command;
//! #     type Event = Added;
//! #     fn handle(&self, command: Command, _cx: &Context) -> Effect<Self> {
//! #         let Command::Add { by, reply } = command;
//! #         Effect::persist(Added(by)).then_reply(reply, |counter: &Self| counter.0)
//! #     }
//! #     fn apply(&mut self, event: &Added) { self.0 += event.0 }
//! # }
//! use annals_entity::testkit::given;
//!
//! given::<Counter>([Added(40)])
//!     .when(|reply| Command::Add { by: 2, reply })
//!     .then([Added(2)], 42);
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use annals_core::{Codec, Error, PersistenceId, Result, SeqNr, Timestamp};

use crate::{Answer, Causation, Context, Effect, EventSourced, Reply, reply_channel};

/// An entity named `test` whose history is `events`.
pub fn given<B: EventSourced>(events: impl IntoIterator<Item = B::Event>) -> Given<B> {
    let id = PersistenceId::of(B::ENTITY_TYPE, "test").expect("an entity type is a valid one");
    let state = B::empty(id.entity_id());
    let mut given = Given {
        id,
        state,
        seq_nr: SeqNr::ZERO,
        now: Timestamp::UNKNOWN,
        causation: None,
        codec: None,
    };
    for event in events {
        given.apply(&event);
    }
    given
}

/// An entity with a history.
pub struct Given<B: EventSourced> {
    id: PersistenceId,
    state: B,
    seq_nr: SeqNr,
    now: Timestamp,
    causation: Option<Causation>,
    codec: Option<Arc<dyn Codec<B::Event>>>,
}

impl<B: EventSourced> Given<B> {
    /// Handles commands at `now` instead of an unknown time.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Handles commands that came because of `causation`.
    #[must_use]
    pub fn because(mut self, causation: Causation) -> Self {
        self.causation = Some(causation);
        self
    }

    /// Takes each new event through `codec` and back, as the journal does, before it is applied.
    #[must_use]
    pub fn with_codec(mut self, codec: Arc<dyn Codec<B::Event>>) -> Self {
        self.codec = Some(codec);
        self
    }

    /// The state.
    pub fn state(&self) -> &B {
        &self.state
    }

    /// The entity after the command that `command` makes of a reply.
    ///
    /// # Panics
    /// If the behaviour does, or if the codec cannot take an event there and back.
    pub fn when<T>(mut self, command: impl FnOnce(Reply<T>) -> B::Command) -> Then<B, T> {
        let (reply, answer) = reply_channel();
        let context =
            Context::new(&self.id, self.seq_nr, self.now).because(self.causation.as_ref());
        let mut effect = self.state.handle(command(reply), &context);
        let taken = std::mem::replace(&mut effect.events, crate::effect::Few::None);
        let mut events = Vec::new();
        for event in taken {
            let event = self.there_and_back(event);
            self.apply(&event);
            events.push(event);
        }
        let decided = Decided {
            unhandled: effect.is_unhandled(),
            stash: effect.is_stash(),
            stop: effect.is_stop(),
        };
        Effect::run_steps(effect, &self.state);
        Then { given: self, events, answer, decided }
    }

    fn there_and_back(&self, event: B::Event) -> B::Event {
        let Some(codec) = &self.codec else { return event };
        let payload = codec.encode(&event).expect("the event has a form");
        codec.decode(&payload).expect("the event's form can be read")
    }

    fn apply(&mut self, event: &B::Event) {
        self.state.apply(event);
        self.seq_nr = self.seq_nr.next();
    }
}

impl<B: EventSourced> Debug for Given<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("id", &self.id).field("seq_nr", &self.seq_nr).finish()
    }
}

#[derive(Debug, Clone, Copy)]
struct Decided {
    unhandled: bool,
    stash: bool,
    stop: bool,
}

/// What a command led to.
pub struct Then<B: EventSourced, T> {
    given: Given<B>,
    events: Vec<B::Event>,
    answer: Answer<T>,
    decided: Decided,
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
        self.given
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
        self.given
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

    /// Whether the command was put off.
    pub fn is_stash(&self) -> bool {
        self.decided.stash
    }

    /// Whether the entity stops.
    pub fn is_stop(&self) -> bool {
        self.decided.stop
    }

    /// The entity after the command.
    pub fn given(self) -> Given<B> {
        self.given
    }
}

impl<B: EventSourced, T> Debug for Then<B, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Then").field("given", &self.given).field("decided", &self.decided).finish()
    }
}
