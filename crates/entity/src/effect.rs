//! What a command leads to: events to persist, and what happens once they are stored.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use annals_core::Payload;

use crate::{EventSourced, Reply};

/// What a command leads to. Exactly one primary effect (persist, none, reply, stash, unhandled, stop), then
/// any number of steps that run in order once the events are stored, at most once.
#[must_use = "an effect does nothing unless a handler returns it"]
pub struct Effect<B: EventSourced> {
    pub(crate) events: Few<B::Event>,
    pub(crate) metadata: Metadata,
    pub(crate) steps: Few<Step<B>>,
    pub(crate) flags: Flags,
}

/// What is kept beside events.
pub(crate) enum Metadata {
    None,
    Same(Payload),
    Each(Vec<Option<Payload>>),
}

impl Metadata {
    /// Of the effect's event at `index`.
    pub(crate) fn of(&self, index: usize) -> Option<&Payload> {
        match self {
            Self::None => None,
            Self::Same(metadata) => Some(metadata),
            Self::Each(each) => each.get(index)?.as_ref(),
        }
    }
}

/// What an effect asks for besides events and steps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    /// A step is to see the state itself: nothing may be batched behind it.
    pub(crate) runs: bool,
    pub(crate) unhandled: bool,
    pub(crate) stash: bool,
    pub(crate) unstash: bool,
    pub(crate) stop: bool,
}

impl<B: EventSourced> Effect<B> {
    fn new(events: Few<B::Event>) -> Self {
        Self { events, metadata: Metadata::None, steps: Few::None, flags: Flags::default() }
    }

    /// Persists one event.
    pub fn persist(event: B::Event) -> Self {
        Self::new(Few::One(event))
    }

    /// Persists events in one append: all or none. No event is the same as [`Effect::none`].
    pub fn persist_all(events: impl IntoIterator<Item = B::Event>) -> Self {
        Self::new(Few::Many(events.into_iter().collect()))
    }

    /// Persists nothing.
    pub fn none() -> Self {
        Self::new(Few::None)
    }

    /// Persists nothing and answers with `value`.
    pub fn reply<T: Send + 'static>(reply: Reply<T>, value: T) -> Self {
        let mut effect = Self::none();
        effect.steps.push(Step::Answer(Box::new(Ready { reply, value })));
        effect
    }

    /// The command makes no sense in this state: nothing is persisted, the caller gets `Invalid`.
    pub fn unhandled() -> Self {
        let mut effect = Self::none();
        effect.flags.unhandled = true;
        effect
    }

    /// Puts the command off: it is handled again after the next [`Effect::then_unstash_all`] (or by
    /// the next incarnation), ahead of commands that came later. The caller goes on waiting. At most
    /// [`Settings::stash_max`](crate::Settings::stash_max) commands are put off.
    pub fn stash() -> Self {
        let mut effect = Self::none();
        effect.flags.stash = true;
        effect
    }

    /// Persists nothing and stops the entity. Commands that wait are handled by a new incarnation.
    pub fn stop() -> Self {
        Self::none().then_stop()
    }

    /// Keeps `metadata` beside each event of this effect, instead of the command's
    /// [`Causation`](crate::Causation).
    pub fn with_metadata(mut self, metadata: Payload) -> Self {
        self.metadata = Metadata::Same(metadata);
        self
    }

    /// Keeps beside each event of this effect what `metadata` gives for it; where that is nothing, the
    /// command's [`Causation`](crate::Causation).
    pub fn with_metadata_of(mut self, metadata: impl Fn(&B::Event) -> Option<Payload>) -> Self {
        self.metadata = Metadata::Each(self.events.as_slice().iter().map(metadata).collect());
        self
    }

    /// Runs `run` once the events are stored, with the state after them. A command with this step
    /// ends the append that it is part of, so that `run` sees exactly that state.
    pub fn then_run(mut self, run: impl FnOnce(&B) + Send + 'static) -> Self {
        self.flags.runs = true;
        self.steps.push(Step::Run(Box::new(run)));
        self
    }

    /// Answers once the events are stored, with what `value` makes of the state after them. It must
    /// be a pure function of the state: it is evaluated before the append, when other commands go
    /// into the same one, and its result kept until the append is stored.
    pub fn then_reply<T: Send + 'static>(
        mut self,
        reply: Reply<T>,
        value: impl FnOnce(&B) -> T + Send + 'static,
    ) -> Self {
        let reply = Computed { reply, compute: Some(value), value: None };
        self.steps.push(Step::Answer(Box::new(reply)));
        self
    }

    /// Handles the commands that are stashed at this moment next, once the events are stored. A command
    /// that is stashed itself cannot ask for this.
    pub fn then_unstash_all(mut self) -> Self {
        self.flags.unstash = true;
        self
    }

    /// Begins `work` once the events are stored; what it gives comes back as a command, after those
    /// that wait. It is lost when the process ends, when it panics, or when the region stops first:
    /// what must not be lost is an event.
    pub fn then_work(mut self, work: impl Future<Output = B::Command> + Send + 'static) -> Self {
        self.steps.push(Step::Work(Work::Future(Box::pin(work))));
        self
    }

    /// Sends `command` to the entity itself, `delay` after the events are stored. It is lost as
    /// [`Effect::then_work`] is.
    pub fn then_after(mut self, delay: Duration, command: B::Command) -> Self {
        self.steps.push(Step::Work(Work::After(delay, command)));
        self
    }

    /// Starts the timer `key` once the events are stored: `command` comes when it says. A timer that
    /// runs under this key is replaced; its command does not come any more, even if it waits already.
    ///
    /// A timer lives as long as the entity is in memory, over failed appends and panics, too: an entity
    /// whose timer runs does not leave when it is idle. It ends when the entity stops, or the process.
    pub fn then_timer(self, key: impl Into<Arc<str>>, timer: Timer, command: B::Command) -> Self {
        self.with_timer_step(TimerStep { key: key.into(), start: Some((timer, command)) })
    }

    /// Cancels the timer `key`, if it runs, once the events are stored: its command does not come any
    /// more, even if it waits already.
    pub fn then_cancel_timer(self, key: impl Into<Arc<str>>) -> Self {
        self.with_timer_step(TimerStep { key: key.into(), start: None })
    }

    fn with_timer_step(mut self, step: TimerStep<B>) -> Self {
        // Nothing is handled between the decision and the step, least of all the timer's command.
        self.flags.runs = true;
        self.steps.push(Step::Timer(step));
        self
    }

    /// Stops the entity after all steps. Commands that wait are handled by a new incarnation.
    pub fn then_stop(mut self) -> Self {
        self.flags.stop = true;
        self
    }

    /// The events to persist: for tests of a command handler.
    pub fn events(&self) -> &[B::Event] {
        self.events.as_slice()
    }

    /// Whether the command was declared unhandled: for tests of a command handler.
    pub fn is_unhandled(&self) -> bool {
        self.flags.unhandled
    }

    /// Whether the command is put off: for tests of a command handler.
    pub fn is_stash(&self) -> bool {
        self.flags.stash
    }

    /// Whether the entity stops: for tests of a command handler.
    pub fn is_stop(&self) -> bool {
        self.flags.stop
    }

    /// Runs the steps as after a successful append, with the state after the events, but for work and
    /// delayed commands: for tests of a command handler.
    pub fn run_steps(self, state: &B) {
        for step in self.steps {
            step.run(state, &mut drop);
        }
    }
}

impl<B: EventSourced> fmt::Debug for Effect<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect")
            .field("events", &self.events.as_slice().len())
            .field("steps", &self.steps.as_slice().len())
            .field("flags", &self.flags)
            .finish()
    }
}

/// What runs once the events are stored.
pub(crate) enum Step<B: EventSourced> {
    Answer(Box<dyn Answering<B>>),
    Run(Box<dyn FnOnce(&B) + Send>),
    Work(Work<B>),
    Timer(TimerStep<B>),
}

/// What a step leaves to the runtime.
pub(crate) enum Left<B: EventSourced> {
    Work(Work<B>),
    Timer(TimerStep<B>),
}

/// When the command of a timer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Once, after this time.
    Once(Duration),
    /// Again and again, each time after this time. While its last command waits, no further one comes.
    Every(Duration),
}

impl Timer {
    pub(crate) fn after(self) -> Duration {
        let (Self::Once(after) | Self::Every(after)) = self;
        after
    }
}

/// A timer to start, or to cancel.
pub(crate) struct TimerStep<B: EventSourced> {
    pub(crate) key: Arc<str>,
    pub(crate) start: Option<(Timer, B::Command)>,
}

/// What comes back to the entity as a command.
pub(crate) enum Work<B: EventSourced> {
    Future(Pin<Box<dyn Future<Output = B::Command> + Send>>),
    After(Duration, B::Command),
}

impl<B: EventSourced> Step<B> {
    /// Evaluates an answer with the state after the command's events.
    pub(crate) fn evaluate(&mut self, state: &B) {
        if let Self::Answer(answer) = self {
            answer.evaluate(state);
        }
    }

    /// Does the step; what only the runtime can do goes to `left`.
    pub(crate) fn run(self, state: &B, left: &mut impl FnMut(Left<B>)) {
        match self {
            Self::Answer(mut answer) => {
                answer.evaluate(state);
                answer.send();
            }
            Self::Run(run) => run(state),
            Self::Work(work) => left(Left::Work(work)),
            Self::Timer(step) => left(Left::Timer(step)),
        }
    }
}

pub(crate) trait Answering<B>: Send {
    /// Evaluates the answer, the first time.
    fn evaluate(&mut self, state: &B);

    /// Sends what was evaluated.
    fn send(self: Box<Self>);
}

struct Ready<T> {
    reply: Reply<T>,
    value: T,
}

impl<B, T: Send> Answering<B> for Ready<T> {
    fn evaluate(&mut self, _state: &B) {}

    fn send(self: Box<Self>) {
        let Self { reply, value } = *self;
        reply.send(value);
    }
}

struct Computed<T, F> {
    reply: Reply<T>,
    compute: Option<F>,
    value: Option<T>,
}

impl<B, T: Send, F: FnOnce(&B) -> T + Send> Answering<B> for Computed<T, F> {
    fn evaluate(&mut self, state: &B) {
        if let Some(compute) = self.compute.take() {
            self.value = Some(compute(state));
        }
    }

    fn send(self: Box<Self>) {
        if let Some(value) = self.value {
            self.reply.send(value);
        }
    }
}

/// Mostly none or one: those cost no allocation.
pub(crate) enum Few<T> {
    None,
    One(T),
    Many(Vec<T>),
}

impl<T> Few<T> {
    pub(crate) fn push(&mut self, value: T) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(value),
            Self::One(first) => Self::Many(vec![first, value]),
            Self::Many(mut values) => {
                values.push(value);
                Self::Many(values)
            }
        };
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(value) => std::slice::from_mut(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One(value) => (Some(value), Vec::new()),
            Self::Many(values) => (None, values),
        };
        one.into_iter().chain(many)
    }
}
