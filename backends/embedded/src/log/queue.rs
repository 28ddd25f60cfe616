//! What waits for the writer. Callers push, the writer takes everything that waits at once: that is
//! the group of the group commit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::{Error, SeqNr};
use parking_lot::{Condvar, Mutex};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::catalog::{Change, EntryRef};
use crate::format::{FrameKind, SealedBody};

/// A frame to be written.
#[derive(Debug)]
pub(crate) struct Request {
    /// The frame, its header not yet filled in.
    pub(crate) frame: Vec<u8>,
    /// The checksum of its body.
    pub(crate) body: SealedBody,
    /// What it holds.
    pub(crate) kind: FrameKind,
    /// What it changes.
    pub(crate) change: Change,
    /// Who waits for the answer.
    pub(crate) answer: oneshot::Sender<Answer>,
    /// The entry of its id in the active segment, as its caller saw it.
    pub(crate) entry: Option<EntryRef>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is durable. What was handed over is given back, so that its memory is freed, and its ids are
    /// counted down, where they were taken.
    #[expect(dead_code, reason = "it is only dropped")]
    Stored { frame: Vec<u8>, change: Change },
    /// Nothing was written, since this is the highest number.
    Conflict { highest: SeqNr },
    /// Nothing was written: what the caller knew of the id is out of date.
    Reload,
    /// As the error says.
    Failed(Error),
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// The bytes of their frames.
    bytes: usize,
    writer_sleeps: bool,
    closed: bool,
}

/// The requests that wait.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    bytes_max: usize,
    /// Told when the writer took what waited.
    room: Notify,
    closed: AtomicBool,
}

/// Why a request was not taken; it is given back.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Too many bytes wait; [`Queue::room`] tells when to try again.
    Full(Box<Request>),
    /// The store is closed.
    Closed,
}

impl Queue {
    /// A queue in which at most `bytes_max` bytes wait, or one larger frame.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (waiting, wake, room) = (Mutex::default(), Condvar::new(), Notify::new());
        Self { waiting, wake, bytes_max, room, closed: AtomicBool::new(false) }
    }

    /// Adds a request.
    pub(crate) fn push(&self, request: Request) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let bytes = waiting.bytes + request.frame.len();
        if bytes > self.bytes_max && waiting.bytes > 0 {
            return Err(Refused::Full(Box::new(request)));
        }
        waiting.bytes = bytes;
        waiting.requests.push_back(request);
        if std::mem::take(&mut waiting.writer_sleeps) {
            drop(waiting);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Completes when there may be room again. Make it before [`Queue::push`] is tried once more.
    pub(crate) fn room(&self) -> Notified<'_> {
        self.room.notified()
    }

    /// Waits for requests and moves all of them behind those in `taken`. `false` when the queue is
    /// closed and nothing waits. Does not wait if `taken` holds some already.
    pub(crate) fn take(&self, taken: &mut VecDeque<Request>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() && taken.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.writer_sleeps = true;
            self.wake.wait(&mut waiting);
        }
        waiting.writer_sleeps = false;
        waiting.bytes = 0;
        if taken.is_empty() {
            std::mem::swap(taken, &mut waiting.requests);
        } else {
            taken.append(&mut waiting.requests);
        }
        drop(waiting);
        self.room.notify_waiters();
        true
    }

    /// Refuses what comes from now on; the writer ends when it has written what waits.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waiting.lock().closed = true;
        self.wake.notify_all();
        self.room.notify_waiters();
    }

    /// Whether the queue is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
