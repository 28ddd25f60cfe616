//! What a command leads to: events to persist, and what happens once they are stored.

use std::fmt;

use annals_core::Payload;

use crate::{EventSourced, Reply};

/// What a command leads to. Exactly one primary effect (persist, none, reply, unhandled, stop), then
/// any number of steps that run in order once the events are stored, at most once.
#[must_use = "an effect does nothing unless a handler returns it"]
pub struct Effect<B: EventSourced> {
    pub(crate) events: Few<B::Event>,
    pub(crate) metadata: Option<Payload>,
    pub(crate) steps: Few<Step<B>>,
    /// Whether a step is to see the state itself: nothing may be batched behind it.
    pub(crate) runs: bool,
    pub(crate) unhandled: bool,
    pub(crate) stop: bool,
}

impl<B: EventSourced> Effect<B> {
    fn new(events: Few<B::Event>) -> Self {
        let steps = Few::None;
        Self { events, metadata: None, steps, runs: false, unhandled: false, stop: false }
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
        Self { unhandled: true, ..Self::none() }
    }

    /// Persists nothing and stops the entity. Commands that wait are handled by a new incarnation.
    pub fn stop() -> Self {
        Self::none().then_stop()
    }

    /// Keeps `metadata` beside each event of this effect.
    pub fn with_metadata(mut self, metadata: Payload) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Runs `run` once the events are stored, with the state after them. A command with this step
    /// ends the append that it is part of, so that `run` sees exactly that state.
    pub fn then_run(mut self, run: impl FnOnce(&B) + Send + 'static) -> Self {
        self.runs = true;
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

    /// Stops the entity after all steps. Commands that wait are handled by a new incarnation.
    pub fn then_stop(mut self) -> Self {
        self.stop = true;
        self
    }

    /// The events to persist: for tests of a command handler.
    pub fn events(&self) -> &[B::Event] {
        self.events.as_slice()
    }

    /// Whether the command was declared unhandled: for tests of a command handler.
    pub fn is_unhandled(&self) -> bool {
        self.unhandled
    }

    /// Whether the entity stops: for tests of a command handler.
    pub fn is_stop(&self) -> bool {
        self.stop
    }

    /// Runs the steps as after a successful append, with the state after the events: for tests of a
    /// command handler.
    pub fn run_steps(self, state: &B) {
        for step in self.steps {
            step.run(state);
        }
    }
}

impl<B: EventSourced> fmt::Debug for Effect<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect")
            .field("events", &self.events.as_slice().len())
            .field("steps", &self.steps.as_slice().len())
            .field("unhandled", &self.unhandled)
            .field("stop", &self.stop)
            .finish()
    }
}

/// What runs once the events are stored.
pub(crate) enum Step<B> {
    Answer(Box<dyn Answering<B>>),
    Run(Box<dyn FnOnce(&B) + Send>),
}

impl<B> Step<B> {
    /// Evaluates an answer with the state after the command's events.
    pub(crate) fn evaluate(&mut self, state: &B) {
        if let Self::Answer(answer) = self {
            answer.evaluate(state);
        }
    }

    pub(crate) fn run(self, state: &B) {
        match self {
            Self::Answer(mut answer) => {
                answer.evaluate(state);
                answer.send();
            }
            Self::Run(run) => run(state),
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
