//! Runs a behaviour without a store: given events, when a command comes, then these events and this
//! answer. Nothing is asynchronous; a panic of the behaviour is the test's. Timers and delayed commands
//! come when the test lets the time pass ([`Given::after`]).
//!
//! For whole regions there are a store that fails as it is told ([`Faults`]), and an environment whose
//! time passes by hand ([`ManualTime`]) and whose ids are counted ([`CountedIds`]).
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

mod faults;
mod time;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_core::{Codec, Error, PersistenceId, Result, SeqNr, Timestamp};
use parking_lot::Mutex;

pub use faults::{Fault, Faults, Operation};
pub use time::{CountedIds, ManualTime};

use crate::effect::{Few, Left, Timer, TimerStep, Work};
use crate::myself::Mail;
use crate::{Answer, Causation, Context, EventFormat, EventSourced, Reply, plain, reply_channel};

/// An entity named `test` whose history is `events`.
pub fn given<B: EventSourced>(events: impl IntoIterator<Item = B::Event>) -> Given<B> {
    let id = PersistenceId::of(B::ENTITY_TYPE, "test").expect("an entity type is a valid one");
    let state = B::empty(id.entity_id());
    let outbox = Arc::new(Outbox(Mutex::default()));
    let mail: Weak<Outbox<B>> = Arc::downgrade(&outbox);
    let mut given = Given {
        id,
        state,
        history: Vec::new(),
        now: Timestamp::UNKNOWN,
        passed: Duration::ZERO,
        causation: None,
        format: None,
        state_codec: None,
        later: Vec::new(),
        work: Vec::new(),
        outbox,
        mail,
    };
    for event in events {
        given.state.apply(&event);
        given.history.push(event);
    }
    given
}

/// What an entity tells itself by its own handle.
struct Outbox<B: EventSourced>(Mutex<Vec<B::Command>>);

impl<B: EventSourced> Mail<B> for Outbox<B> {
    fn send(&self, _id: &PersistenceId, command: B::Command) -> Result<()> {
        self.0.lock().push(command);
        Ok(())
    }
}

/// A command that comes when so much time has passed.
struct Later<B: EventSourced> {
    at: Duration,
    key: Option<Arc<str>>,
    period: Option<Duration>,
    command: B::Command,
}

/// Work that an entity began: it gives a command.
pub type Begun<C> = Pin<Box<dyn Future<Output = C> + Send>>;

/// An entity with a history.
pub struct Given<B: EventSourced> {
    id: PersistenceId,
    state: B,
    history: Vec<B::Event>,
    now: Timestamp,
    passed: Duration,
    causation: Option<Causation>,
    format: Option<Arc<dyn EventFormat<B::Event>>>,
    state_codec: Option<Arc<dyn Codec<B>>>,
    later: Vec<Later<B>>,
    work: Vec<Begun<B::Command>>,
    outbox: Arc<Outbox<B>>,
    mail: Weak<dyn Mail<B>>,
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
    pub fn with_codec(self, codec: Arc<dyn Codec<B::Event>>) -> Self {
        self.with_format(plain(codec))
    }

    /// As [`Given::with_codec`], with an adapter in between. A new event must come back as one.
    #[must_use]
    pub fn with_format(mut self, format: Arc<dyn EventFormat<B::Event>>) -> Self {
        self.format = Some(format);
        self
    }

    /// Takes the state through `codec` and back after each command, as a snapshot and a recovery do:
    /// what the codec loses is missing from then on.
    #[must_use]
    pub fn with_state_codec(mut self, codec: Arc<dyn Codec<B>>) -> Self {
        self.state_codec = Some(codec);
        self
    }

    /// The state.
    pub fn state(&self) -> &B {
        &self.state
    }

    /// The number of the last event.
    pub fn seq_nr(&self) -> SeqNr {
        SeqNr::ZERO.plus(u64::try_from(self.history.len()).unwrap_or(u64::MAX))
    }

    /// Recovers the entity from its history (through the codec, if there is one).
    ///
    /// # Panics
    /// If that gives another state.
    #[track_caller]
    pub fn recovers(self) -> Self
    where
        B: Debug + PartialEq,
    {
        let mut recovered = B::empty(self.id.entity_id());
        for event in &self.history {
            match self.there_and_back(event) {
                Some(read) => recovered.apply(&read),
                None => recovered.apply(event),
            }
        }
        assert_eq!(recovered, self.state, "the recovered state");
        self
    }

    /// The entity after the command that `command` makes of a reply.
    ///
    /// # Panics
    /// If the behaviour does, or if a codec cannot take an event or the state there and back.
    pub fn when<T>(mut self, command: impl FnOnce(Reply<T>) -> B::Command) -> Then<B, T> {
        let (reply, answer) = reply_channel();
        let mut events = Vec::new();
        let decided = self.carry_out(command(reply), &mut events);
        Then { given: self, events, answer, decided }
    }

    /// The entity after `duration`, in which timers and delayed commands come when they are due, and
    /// at once what the entity told itself. Its events are those of all of them.
    ///
    /// # Panics
    /// As [`Given::when`].
    pub fn after(mut self, duration: Duration) -> Then<B, ()> {
        let (_, answer) = reply_channel();
        let (mut events, mut decided) = (Vec::new(), Decided::default());
        let end = self.passed.saturating_add(duration);
        while let Some(command) = self.next_until(end) {
            decided = self.carry_out(command, &mut events);
        }
        self.pass_until(end);
        Then { given: self, events, answer, decided }
    }

    /// The work that the entity began, for the test to await; what it gives is a command to go on with.
    pub fn take_work(&mut self) -> Vec<Begun<B::Command>> {
        std::mem::take(&mut self.work)
    }

    /// The keys of the timers that run, and when their commands come next, from now.
    pub fn timers(&self) -> Vec<(&str, Duration)> {
        let timer = |later: &'_ Later<B>| later.at.saturating_sub(self.passed);
        let keyed =
            self.later.iter().filter_map(|later| Some((later.key.as_deref()?, timer(later))));
        keyed.collect()
    }

    fn next_until(&mut self, end: Duration) -> Option<B::Command> {
        let mut outbox = self.outbox.0.lock();
        if !outbox.is_empty() {
            return Some(outbox.remove(0));
        }
        drop(outbox);
        let due = self.later.iter().enumerate().min_by_key(|(_, later)| later.at);
        let (index, at) = due.map(|(index, later)| (index, later.at))?;
        if at > end {
            return None;
        }
        let mut later = self.later.remove(index);
        self.pass_until(at);
        let command = later.command.clone();
        if let Some(period) = later.period {
            later.at = at.saturating_add(period.max(Duration::from_nanos(1)));
            self.later.push(later);
        }
        Some(command)
    }

    fn pass_until(&mut self, at: Duration) {
        let millis = at.as_millis().saturating_sub(self.passed.as_millis());
        let now = self.now.as_millis().saturating_add(i64::try_from(millis).unwrap_or(i64::MAX));
        self.now = Timestamp::from_millis(now);
        self.passed = at;
    }

    fn carry_out(&mut self, command: B::Command, events: &mut Vec<B::Event>) -> Decided {
        let seq_nr = self.seq_nr().plus(u64::try_from(events.len()).unwrap_or(u64::MAX));
        let context = Context::new(&self.id, seq_nr, self.now)
            .because(self.causation.as_ref())
            .with_mail(&self.mail);
        let mut effect = self.state.handle(command, &context);
        let taken = std::mem::replace(&mut effect.events, Few::None);
        for event in taken {
            let event = self.there_and_back(&event).unwrap_or(event);
            self.state.apply(&event);
            events.push(event);
        }
        let decided = Decided {
            unhandled: effect.is_unhandled(),
            stash: effect.is_stash(),
            stop: effect.is_stop(),
        };
        let mut left = Vec::new();
        for step in effect.steps {
            step.run(&self.state, &mut |what| left.push(what));
        }
        left.into_iter().for_each(|what| self.keep(what));
        if decided.stop {
            self.later.retain(|later| later.key.is_none());
        }
        if let Some(codec) = &self.state_codec {
            let payload = codec.encode(&self.state).expect("the state has a form");
            self.state = codec.decode(&payload).expect("the state's form can be read");
        }
        decided
    }

    fn keep(&mut self, left: Left<B>) {
        let passed = self.passed;
        let later = |after: Duration, key, period, command| Later {
            at: passed.saturating_add(after),
            key,
            period,
            command,
        };
        match left {
            Left::Work(Work::Future(work)) => self.work.push(work),
            Left::Work(Work::After(after, command)) => {
                self.later.push(later(after, None, None, command));
            }
            Left::Timer(TimerStep { key, start }) => {
                self.later.retain(|later| later.key.as_ref() != Some(&key));
                let Some((timer, command)) = start else { return };
                let period = match timer {
                    Timer::Once(_) => None,
                    Timer::Every(period) => Some(period),
                };
                self.later.push(later(timer.after(), Some(key), period, command));
            }
        }
    }

    /// The event as it is read back, if there is a format.
    fn there_and_back(&self, event: &B::Event) -> Option<B::Event> {
        let format = self.format.as_ref()?;
        let written = format.write(event).expect("the event has a form");
        let mut events = Vec::new();
        let read = format.read(&written.payload, &written.event_manifest, &mut events);
        read.expect("the event's form can be read");
        assert!(events.len() == 1, "a new event comes back as {} events", events.len());
        events.pop()
    }
}

impl<B: EventSourced> Debug for Given<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("id", &self.id).field("seq_nr", &self.seq_nr()).finish()
    }
}

#[derive(Debug, Clone, Copy, Default)]
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

    /// Whether the command was put off.
    pub fn is_stash(&self) -> bool {
        self.decided.stash
    }

    /// Whether the entity stops.
    pub fn is_stop(&self) -> bool {
        self.decided.stop
    }

    /// The entity after the command.
    pub fn given(mut self) -> Given<B> {
        self.given.history.append(&mut self.events);
        self.given
    }
}

impl<B: EventSourced, T> Debug for Then<B, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Then").field("given", &self.given).field("decided", &self.decided).finish()
    }
}
