//! What waits for the writer. Callers push, the writer takes everything that waits at once: that is
//! the group of the group commit.

use std::collections::VecDeque;

use annals_core::{Error, SeqNr};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::catalog::Change;
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
    /// Its share of the bytes that may wait.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is durable.
    Stored,
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
    writer_sleeps: bool,
    closed: bool,
}

/// The requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Queue {
    /// Adds a request; gives it back if the queue is closed.
    pub(crate) fn push(&self, request: Request) -> Result<(), Box<Request>> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Box::new(request));
        }
        waiting.requests.push_back(request);
        if std::mem::take(&mut waiting.writer_sleeps) {
            drop(waiting);
            self.wake.notify_one();
        }
        Ok(())
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
        if taken.is_empty() {
            std::mem::swap(taken, &mut waiting.requests);
        } else {
            taken.append(&mut waiting.requests);
        }
        true
    }

    /// Refuses what comes from now on; the writer ends when it has written what waits.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.wake.notify_all();
    }

    /// Whether the queue is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }
}
