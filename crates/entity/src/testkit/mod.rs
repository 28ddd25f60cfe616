//! Runs a behaviour without a store: given events, when a command comes, then these events and this
//! answer. Nothing is asynchronous; a panic of the behaviour is the test's. Commands that are stashed come
//! again when the entity unstashes them; timers and delayed commands come when the test lets the time pass
//! ([`Given::after`]); signals and appends that fail come when the test says so ([`Given::signal`],
//! [`Given::when_not_stored`]).
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
mod then;
mod time;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_core::{Codec, Error, ErrorKind, PersistenceId, Result, SeqNr, Timestamp};
use parking_lot::Mutex;

pub use faults::{Fault, Faults, Operation};
pub use then::Then;
pub use time::{CountedIds, ManualTime};

use then::Decided;

use crate::effect::{Few, Flags, Left, Timer, TimerStep, Work};
use crate::myself::Mail;
use crate::{Causation, Context, EventFormat, EventSourced, Reply, Signal, plain, reply_channel};

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
        stash: VecDeque::new(),
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
    stash: VecDeque<B::Command>,
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

    /// The entity after a command whose append fails with `kind`: nothing of it is applied, the caller gets
    /// the error, and the behaviour the signal ([`Signal::PersistFailed`]). A command that persists nothing
    /// needs no append, and fails in no way.
    ///
    /// # Panics
    /// As [`Given::when`].
    pub fn when_not_stored<T: Send + 'static>(
        mut self,
        kind: ErrorKind,
        command: impl FnOnce(Reply<T>) -> B::Command,
    ) -> Then<B, T> {
        let (reply, answer) = reply_channel();
        let caller = answer.caller();
        let command = command(reply);
        let effect = self.state.handle(command.clone(), &self.context(0));
        let mut events = Vec::new();
        if effect.events().is_empty() {
            let decided = self.carry_out(command, &mut events);
            return Then { given: self, events, answer, decided };
        }
        let error = || Error::new(kind, format!("{}: the test lets the append fail", self.id));
        caller.fail(error());
        B::on_signal(Signal::PersistFailed { error: &error() }, &self.context(0));
        Then { given: self, events, answer, decided: Decided::default() }
    }

    /// The entity after the behaviour was told `signal`, and handled what it told itself thereupon.
    ///
    /// # Panics
    /// As [`Given::when`].
    pub fn signal(self, signal: Signal<'_, B>) -> Then<B, ()> {
        B::on_signal(signal, &self.context(0));
        self.after(Duration::ZERO)
    }

    /// How many commands are put off.
    pub fn stashed(&self) -> usize {
        self.stash.len()
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

    /// What a handler knows when `unrecorded` events were decided since the history was written.
    fn context(&self, unrecorded: usize) -> Context<'_> {
        let seq_nr = self.seq_nr().plus(u64::try_from(unrecorded).unwrap_or(u64::MAX));
        Context::new(&self.id, seq_nr, self.now)
            .because(self.causation.as_ref())
            .with_mail(&self.mail)
    }

    /// Handles a command, and then those that it brings back; what it decided itself is given.
    fn carry_out(&mut self, command: B::Command, events: &mut Vec<B::Event>) -> Decided {
        let (decided, mut next) = self.handle_one(command, events);
        while let Some(command) = next.pop_front() {
            let (_, unstashed) = self.handle_one(command, events);
            // What is brought back comes first.
            unstashed.into_iter().rev().for_each(|command| next.push_front(command));
        }
        decided
    }

    /// Handles one command; gives the commands that it brought back, too.
    fn handle_one(
        &mut self,
        command: B::Command,
        events: &mut Vec<B::Event>,
    ) -> (Decided, VecDeque<B::Command>) {
        let mut effect = self.state.handle(command.clone(), &self.context(events.len()));
        let Flags { unhandled, stash, unstash, stop, .. } = effect.flags;
        let decided = Decided { unhandled, stash, stop };
        if stash {
            self.stash.push_back(command);
            return (decided, VecDeque::new());
        }
        for event in std::mem::replace(&mut effect.events, Few::None) {
            let event = self.there_and_back(&event).unwrap_or(event);
            self.state.apply(&event);
            events.push(event);
        }
        let mut left = Vec::new();
        for step in effect.steps {
            step.run(&self.state, &mut |what| left.push(what));
        }
        left.into_iter().for_each(|what| self.keep(what));
        if stop {
            self.later.retain(|later| later.key.is_none());
            B::on_signal(Signal::Stopped, &self.context(events.len()));
        }
        if let Some(codec) = &self.state_codec {
            let payload = codec.encode(&self.state).expect("the state has a form");
            self.state = codec.decode(&payload).expect("the state's form can be read");
        }
        // What an entity put off when it stops is for its next incarnation.
        let brought_back =
            if unstash || stop { std::mem::take(&mut self.stash) } else { VecDeque::new() };
        (decided, brought_back)
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
