//! What is in flight for the entities of one shard: futures that the shard's task polls, which borrow
//! what that task owns.
//!
//! An append is a future of its own type, polled by hand: there is one for nearly every command, and so
//! it costs one allocation beside the store's, and no timer. Its deadline is watched by the shard, with
//! one timer for all appends in flight ([`Operation::due`]).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use annals_core::{Append, Appended, Error, PersistenceId, Result};
use tracing::Span;

use crate::EventSourced;
use crate::machine::{Attempts, Input, Next, panics};
use crate::measures::{Stopwatch, outcome};
use crate::operations::Shared;

/// An operation that ended.
pub(crate) enum Done<B: EventSourced> {
    /// What it means for its entity.
    Entity(PersistenceId, Input<B>),
    /// The earliest deadline of an append may have passed.
    Due(Duration),
    /// A tick of the clock of idleness is over.
    Tick,
    /// More entities may be due at this tick.
    Tock,
    /// Work that gave nothing.
    Nothing,
}

/// Anything that is in flight.
pub(crate) enum Operation<'a, B: EventSourced> {
    Write(Write<'a, B>),
    Other(Pin<Box<dyn Future<Output = Done<B>> + Send + 'a>>),
}

impl<'a, B: EventSourced> Operation<'a, B> {
    pub(crate) fn other(future: impl Future<Output = Done<B>> + Send + 'a) -> Self {
        Self::Other(Box::pin(future))
    }

    /// When it is given up, on the monotonic clock, if the shard watches that.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self {
            Self::Write(write) => Some(write.due),
            Self::Other(_) => None,
        }
    }
}

impl<B: EventSourced> Future for Operation<'_, B> {
    type Output = Done<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Write(write) => write.poll(cx),
            Self::Other(future) => future.as_mut().poll(cx),
        }
    }
}

/// An append under way, with its repetitions.
pub(crate) struct Write<'a, B: EventSourced> {
    shared: &'a Shared<B>,
    append: Append,
    span: Span,
    watch: Stopwatch,
    due: Duration,
    step: Step<'a>,
    /// What was tried before, once an attempt failed.
    attempts: Option<Box<Attempts>>,
}

enum Step<'a> {
    /// An attempt begins.
    Begin,
    /// The store has not answered yet.
    Attempt(Pin<Box<dyn Future<Output = Result<Appended>> + Send + 'a>>),
    /// The next attempt begins after this time.
    Pause(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl<'a, B: EventSourced> Write<'a, B> {
    /// Stores `append`, repeating the very same one as [`Attempts`] decides, until `due`.
    pub(crate) fn new(shared: &'a Shared<B>, append: Append, span: Span, due: Duration) -> Self {
        let watch = Stopwatch::start(shared.clock.as_ref());
        Self { shared, append, span, watch, due, step: Step::Begin, attempts: None }
    }

    /// Ends it, because its deadline passed.
    pub(crate) fn give_up(mut self) -> Done<B> {
        let in_flight = matches!(self.step, Step::Attempt(_));
        let error = self.take_attempts().deadline_passed(&self.append, in_flight);
        self.done(Err(error))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done<B>> {
        let answer = ready!(self.poll_answer(cx));
        Poll::Ready(self.done(answer))
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Appended>> {
        let span = self.span.clone();
        let _entered = span.enter();
        loop {
            let polled = match &mut self.step {
                Step::Begin => {
                    // Repeating it is rare, and a second handle to the same events costs little.
                    let (shared, append) = (self.shared, self.append.clone());
                    match panics::caught(|| shared.journal.append(append)) {
                        Ok(attempt) => {
                            self.step = Step::Attempt(attempt);
                            continue;
                        }
                        Err(panic) => Err(panic),
                    }
                }
                // A panic of the store must not end a worker that other entities share.
                Step::Attempt(attempt) => match panics::caught(|| attempt.as_mut().poll(cx)) {
                    Ok(polled) => Ok(ready!(polled)),
                    Err(panic) => Err(panic),
                },
                Step::Pause(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.step = Step::Begin;
                    continue;
                }
            };
            let answer = polled.unwrap_or_else(|_| Err(store_panicked(self.append.id())));
            if answer.is_ok() {
                return Poll::Ready(answer);
            }
            let mut attempts = self.take_attempts();
            let next = attempts.answered(&self.append, answer);
            self.attempts = Some(attempts);
            match next {
                Next::Done(result) => return Poll::Ready(result),
                Next::Repeat(delay) => {
                    tracing::debug!(?delay, "an append is repeated");
                    self.shared.measures.append_repeated();
                    self.step = Step::Pause(self.shared.sleep.sleep(delay));
                }
            }
        }
    }

    fn take_attempts(&mut self) -> Box<Attempts> {
        self.attempts.take().unwrap_or_else(|| {
            let config = &self.shared.config;
            Box::new(Attempts::new(config.settings.write_retry, config.ids.clone()))
        })
    }

    fn done(&self, written: Result<Appended>) -> Done<B> {
        let (outcome, events) = (outcome(&written), self.append.events().len());
        self.span.record("outcome", outcome);
        self.shared.measures.append(events, self.watch, self.shared.clock.as_ref(), outcome);
        if let Ok(receipt) = &written {
            self.shared.publish(&self.append, *receipt);
        }
        Done::Entity(self.append.id().clone(), Input::Written(written))
    }
}

/// A panic of one call must not end a worker that other entities share; the machine discards whatever
/// the call was for.
pub(crate) fn store_panicked(id: &PersistenceId) -> Error {
    Error::internal(format!("{id}: the store panicked: nothing is known of what it did"))
}
