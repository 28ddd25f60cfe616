//! Group commit, the same for the limit and for the peers: one thread takes all requests that wait,
//! makes them durable with one commit, and answers each.

use std::sync::Arc;
use std::thread::JoinHandle;

use annals_core::{PersistenceId, Tags};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::Result;
use crate::driver::{Entity, Target};
use crate::subject::Appends;

/// The most requests of one commit.
const BATCH_MAX: usize = 4_096;

/// An event to be written.
#[derive(Debug)]
pub(crate) struct Write {
    id: PersistenceId,
    seq_nr: u64,
    pub(crate) payload: Bytes,
}

impl Write {
    /// Puts the key of this event into `key`: id, zero byte, number (big-endian).
    pub(crate) fn key(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self.id.as_str().as_bytes());
        key.push(0);
        key.extend_from_slice(&self.seq_nr.to_be_bytes());
    }

    #[cfg(feature = "peers")]
    pub(crate) fn parts(&self) -> (&str, u64, &[u8]) {
        (self.id.as_str(), self.seq_nr, &self.payload)
    }
}

/// Where the thread writes to.
pub(crate) trait Sink: Send + 'static {
    /// Makes all of `batch` durable with one sync.
    fn commit(&mut self, batch: &[Write]) -> Result<()>;
}

/// The thread and its queue.
#[derive(Debug)]
pub(crate) struct GroupCommit<S> {
    appends: Appends,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<Result<S>>>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Tells the thread that something waits, or that it is to stop.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    writes: Vec<Write>,
    answers: Vec<oneshot::Sender<()>>,
    stop: bool,
}

impl<S: Sink> GroupCommit<S> {
    pub(crate) fn start(sink: S) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let thread = {
            let queue = queue.clone();
            let builder = std::thread::Builder::new().name("group-commit".to_owned());
            builder.spawn(move || queue.serve(sink))?
        };
        Ok(Self { appends: Appends::new(Tags::NONE), queue, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread when it has nothing to do, and gives back the sink.
    pub(crate) fn stop(&self) -> Result<S> {
        self.queue.waiting.lock().stop = true;
        self.queue.changed.notify_one();
        let thread = self.thread.lock().take().ok_or("the group commit was stopped already")?;
        thread.join().map_err(|_| "the group commit thread panicked")?
    }
}

impl<S: Sink> Target for GroupCommit<S> {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        let append = self.appends.make(entity, seq_nr, [payload])?;
        let event = append.events().first().ok_or("an append without an event")?;
        let payload = event.payload.bytes.clone();
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = self.queue.waiting.lock();
            if waiting.stop {
                return Err("the group commit thread ended".into());
            }
            waiting.writes.push(Write { id: append.id().clone(), seq_nr, payload });
            waiting.answers.push(answer);
            waiting.writes.len() == 1
        };
        if first {
            self.queue.changed.notify_one();
        }
        answered.await.map_err(|_| "the group commit thread ended".into())
    }
}

impl Queue {
    fn serve<S: Sink>(&self, mut sink: S) -> Result<S> {
        let mut writes = Vec::with_capacity(BATCH_MAX);
        let mut answers = Vec::with_capacity(BATCH_MAX);
        loop {
            {
                let mut waiting = self.waiting.lock();
                while waiting.writes.is_empty() {
                    if waiting.stop {
                        return Ok(sink);
                    }
                    self.changed.wait(&mut waiting);
                }
                std::mem::swap(&mut waiting.writes, &mut writes);
                std::mem::swap(&mut waiting.answers, &mut answers);
            }
            for batch in writes.chunks(BATCH_MAX) {
                if let Err(error) = sink.commit(batch) {
                    // Nobody may wait for an answer that never comes.
                    *self.waiting.lock() = Waiting { stop: true, ..Waiting::default() };
                    return Err(error);
                }
            }
            writes.clear();
            for answer in answers.drain(..) {
                // A receiver that is gone has no use for it.
                let _ = answer.send(());
            }
        }
    }
}
