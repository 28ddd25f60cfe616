//! One answer to one caller. A [`Reply`] travels in the command; the caller waits for its [`Answer`];
//! the runtime keeps a [`Caller`] beside the command, to fail it whatever its answer's type.
//!
//! ```text
//! Waiting --take--> Taken --send or fail--> Answered
//!    |  ^--put back--'  '--caller gives up--> Gone     (the outcome is unknown to the caller)
//!    '--caller gives up--> Gone                        (the command is skipped: nothing was done)
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use annals_core::{Error, Result};
use parking_lot::Mutex;

/// Where a command's answer goes. The first answer counts; dropping every clone without one gives
/// the caller an `Internal` error that says *unanswered*.
pub struct Reply<T>(Arc<Slot<T>>);

impl<T> Reply<T> {
    /// Answers the caller, at once. In a command handler use [`Effect`](crate::Effect)'s methods
    /// instead, which answer only after the events are stored.
    pub fn send(&self, value: T) {
        self.0.answer(Ok(value));
    }

    /// Fails the caller, at once.
    pub fn fail(&self, error: Error) {
        self.0.answer(Err(error));
    }
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        self.0.own();
        Self(self.0.clone())
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.0.disown();
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// A reply and the answer that it will give: for tests of a command handler.
pub fn reply_channel<T>() -> (Reply<T>, Answer<T>) {
    let cell = Cell { stage: Stage::Waiting, answer: None, waker: None, expired: false };
    let slot = Arc::new(Slot { cell: Mutex::new(cell), owners: AtomicUsize::new(1) });
    (Reply(slot.clone()), Answer(slot))
}

/// The answer to come. Dropping it withdraws the command, unless the entity has taken it already.
pub struct Answer<T>(Arc<Slot<T>>);

impl<T> Answer<T> {
    /// The answer, if it is there.
    pub fn try_take(&self) -> Option<Result<T>> {
        self.0.cell.lock().answer.take()
    }

    /// Stops waiting: the answer, if it came at the last moment; otherwise whether the entity had
    /// taken the command.
    pub(crate) fn give_up(self) -> Result<Result<T>, GivenUp> {
        let mut cell = self.0.cell.lock();
        if let Some(answer) = cell.answer.take() {
            return Ok(answer);
        }
        let taken = matches!(cell.stage, Stage::Taken);
        cell.stage = Stage::Gone;
        Err(GivenUp { taken })
    }
}

impl<T: Send + 'static> Answer<T> {
    /// The runtime's end.
    pub(crate) fn caller(&self) -> Caller {
        self.0.own();
        Caller(self.0.clone())
    }

    /// The end by which the caller is told that its time is over.
    pub(crate) fn asked(&self) -> Asked {
        Asked(self.0.clone())
    }

    /// The answer, or none if the caller's time is over before.
    pub(crate) async fn in_time(&mut self) -> Option<Result<T>> {
        poll_fn(|cx| {
            let mut cell = self.0.cell.lock();
            if cell.expired && cell.answer.is_none() {
                return Poll::Ready(None);
            }
            cell.poll_answer(cx).map(Some)
        })
        .await
    }
}

/// A caller that stopped waiting.
pub(crate) struct GivenUp {
    /// Whether the entity was carrying the command out.
    pub(crate) taken: bool,
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.cell.lock().poll_answer(cx)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut cell = self.0.cell.lock();
        if !matches!(cell.stage, Stage::Answered) {
            cell.stage = Stage::Gone;
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Tells a caller that its time is over, whatever the answer's type.
#[derive(Clone)]
pub(crate) struct Asked(Arc<dyn Ask>);

impl Asked {
    pub(crate) fn expire(&self) {
        self.0.expire();
    }
}

/// The runtime's end of an answer, whatever its type.
pub(crate) struct Caller(Arc<dyn Ask>);

impl Caller {
    /// Takes the command to carry it out; `false` if the caller is gone.
    pub(crate) fn take(&self) -> bool {
        self.0.take()
    }

    /// Nothing of the command was done, and it waits again.
    pub(crate) fn put_back(&self) {
        self.0.put_back();
    }

    /// Whether the caller stopped waiting.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    /// Fails the caller, unless it is answered already.
    pub(crate) fn fail(&self, error: Error) {
        self.0.fail(error);
    }

    /// Fails the caller, because nobody will carry the command on.
    pub(crate) fn fail_torn_down(&self) {
        self.0.fail_torn_down();
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.release();
    }
}

trait Ask: Send + Sync {
    fn take(&self) -> bool;
    fn put_back(&self);
    fn is_gone(&self) -> bool;
    fn fail(&self, error: Error);
    fn fail_torn_down(&self);
    fn release(&self);
    fn expire(&self);
}

struct Slot<T> {
    cell: Mutex<Cell<T>>,
    /// Replies and callers alive.
    owners: AtomicUsize,
}

struct Cell<T> {
    stage: Stage,
    answer: Option<Result<T>>,
    waker: Option<Waker>,
    /// The caller's time is over.
    expired: bool,
}

enum Stage {
    Waiting,
    Taken,
    Answered,
    Gone,
}

impl<T> Cell<T> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if let Some(answer) = self.answer.take() {
            return Poll::Ready(answer);
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Slot<T> {
    fn answer(&self, answer: Result<T>) {
        let mut cell = self.cell.lock();
        if matches!(cell.stage, Stage::Answered | Stage::Gone) {
            return;
        }
        cell.stage = Stage::Answered;
        cell.answer = Some(answer);
        let waker = cell.waker.take();
        drop(cell);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn own(&self) {
        self.owners.fetch_add(1, Ordering::Relaxed);
    }

    fn disown(&self) {
        // The last one sees what the others did, as with a counted pointer.
        if self.owners.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let unanswered = matches!(self.cell.lock().stage, Stage::Waiting | Stage::Taken);
        if unanswered {
            let message = "the command is unanswered: what its handler decided was carried out, but \
                           the handler, or the work that it began, dropped the reply";
            self.answer(Err(Error::internal(message)));
        }
    }
}

impl<T: Send> Ask for Slot<T> {
    fn take(&self) -> bool {
        let mut cell = self.cell.lock();
        match cell.stage {
            Stage::Gone => false,
            Stage::Answered => true,
            Stage::Waiting | Stage::Taken => {
                cell.stage = Stage::Taken;
                true
            }
        }
    }

    fn put_back(&self) {
        let mut cell = self.cell.lock();
        if matches!(cell.stage, Stage::Taken) {
            cell.stage = Stage::Waiting;
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self.cell.lock().stage, Stage::Gone)
    }

    fn fail(&self, error: Error) {
        self.answer(Err(error));
    }

    fn fail_torn_down(&self) {
        let taken = matches!(self.cell.lock().stage, Stage::Taken);
        self.answer(Err(if taken {
            Error::outcome_unknown(
                "the entity's worker was torn down while it was carrying the command out: whether \
                 its events were stored is not known",
            )
        } else {
            Error::closed("the entity's worker was torn down: nothing of the command was written")
        }));
    }

    fn release(&self) {
        self.disown();
    }

    fn expire(&self) {
        let mut cell = self.cell.lock();
        cell.expired = true;
        let waker = cell.waker.take();
        drop(cell);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_every_reply_fails_the_caller_as_unanswered() {
        let (reply, answer) = reply_channel::<u32>();
        let clone = reply.clone();
        drop(reply);
        assert!(answer.try_take().is_none());
        drop(clone);
        let error = answer.try_take().unwrap().unwrap_err();
        assert!(error.message().contains("unanswered"), "{error}");
    }

    #[test]
    fn the_first_answer_counts() {
        let (reply, answer) = reply_channel();
        let caller = answer.caller();
        reply.send(1);
        reply.send(2);
        caller.fail(Error::internal("late"));
        assert_eq!(answer.try_take().unwrap().unwrap(), 1);
    }

    #[test]
    fn a_command_is_not_taken_once_its_caller_is_gone() {
        let (_reply, answer) = reply_channel::<u32>();
        let caller = answer.caller();
        drop(answer);
        assert!(!caller.take() && caller.is_gone());
    }

    #[test]
    fn giving_up_tells_whether_the_command_was_taken() {
        let (_reply, answer) = reply_channel::<u32>();
        let caller = answer.caller();
        assert!(caller.take());
        assert!(answer.give_up().is_err_and(|given_up| given_up.taken));

        let (_reply, answer) = reply_channel::<u32>();
        let caller = answer.caller();
        assert!(caller.take());
        caller.put_back();
        assert!(answer.give_up().is_err_and(|given_up| !given_up.taken));
    }
}
