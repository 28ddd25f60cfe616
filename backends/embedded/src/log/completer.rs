//! What follows a durable write: it is made visible, and then answered. While the writer waits for the
//! disk with the next batch, a thread of its own does this for the one before.
//!
//! ```text
//! writer     plan 1 ─ write 1 ─ plan 2 ─ write 2 ─ plan 3 ─ …
//! completer                   ╰ visible 1, answers 1 ╯      ╰ visible 2 …
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use annals_core::SeqNr;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::queue::Answer;
use super::tail::TailBatch;
use crate::catalog::Change;
use crate::end_file::{EndFile, LogEnd};
use crate::engine::Engine;
use crate::position::Position;
use crate::stats::Counters;
use crate::storage::AlignedBuf;

/// How many batches may wait to be made visible.
const WAITING_MAX: usize = 2;
/// A batch of at most this many frames is completed by the writer itself, if none waits: for so few
/// answers a second thread takes longer to wake up than the work takes.
const INLINE_MAX: usize = 8;

/// A frame of a batch.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its bytes, to be given back.
    pub(crate) frame: Vec<u8>,
    /// What it changes.
    pub(crate) change: Change,
    /// The entry of its id.
    pub(crate) entry: usize,
    /// Where it begins in the segment.
    pub(crate) byte: u32,
    /// Who waits.
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What was decided on the requests of one turn of the writer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is written.
    pub(crate) written: Vec<Written>,
    /// Refused for what stands, or is being written.
    pub(crate) conflicts: Vec<(oneshot::Sender<Answer>, SeqNr)>,
    /// To be made anew.
    pub(crate) reloads: Vec<oneshot::Sender<Answer>>,
}

/// A batch that is durable.
#[derive(Debug)]
pub(crate) struct Durable {
    /// What was decided.
    pub(crate) batch: Batch,
    /// Its frames.
    pub(crate) buffer: AlignedBuf,
    /// How long they are, without the padding.
    pub(crate) length: usize,
    /// Where the first one begins.
    pub(crate) start: Position,
    /// What is durable now.
    pub(crate) end: LogEnd,
}

/// Hands durable batches to the thread.
#[derive(Debug)]
pub(crate) struct Completer {
    engine: Arc<Engine>,
    end_file: EndFile,
    sender: SyncSender<Durable>,
    sent: u64,
    done: Arc<Done>,
}

/// What the thread has done, and the buffers that it is finished with.
#[derive(Debug, Default)]
struct Done {
    state: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    completed: u64,
    buffers: Vec<AlignedBuf>,
    /// Whether the thread ended, in order or by a panic.
    ended: bool,
}

/// Tells the writer that the thread ended, also when it panicked.
struct Ending(Arc<Done>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.state.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The thread's end of it.
#[derive(Debug)]
pub(crate) struct CompleterThread {
    engine: Arc<Engine>,
    end_file: EndFile,
    receiver: Receiver<Durable>,
    done: Arc<Done>,
}

impl Completer {
    /// The two ends.
    pub(crate) fn new(engine: Arc<Engine>, end_file: EndFile) -> (Self, CompleterThread) {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let done = Arc::new(Done::default());
        let thread = CompleterThread {
            engine: engine.clone(),
            end_file: end_file.clone(),
            receiver,
            done: done.clone(),
        };
        (Self { engine, end_file, sender, sent: 0, done }, thread)
    }

    /// Completes `durable`, after all that were handed over before it. `false` if the thread is gone.
    pub(crate) fn complete(&mut self, durable: Durable) -> bool {
        if durable.batch.written.len() <= INLINE_MAX
            && self.done.state.lock().completed == self.sent
        {
            let buffer = complete(&self.engine, &self.end_file, durable);
            self.done.state.lock().buffers.push(buffer);
            return true;
        }
        self.sent += 1;
        self.sender.send(durable).is_ok()
    }

    /// A buffer for the next batch.
    pub(crate) fn buffer(&self) -> AlignedBuf {
        let recycled = self.done.state.lock().buffers.pop();
        recycled.unwrap_or_else(|| AlignedBuf::with_capacity(1 << 16))
    }

    /// Waits until everything that was handed over is completed.
    pub(crate) fn wait(&self) {
        let mut state = self.done.state.lock();
        while state.completed < self.sent && !state.ended {
            self.done.changed.wait(&mut state);
        }
    }
}

impl CompleterThread {
    /// Completes batches until the writer ends. The body of the thread.
    pub(crate) fn run(self) {
        let _ending = Ending(self.done.clone());
        for durable in self.receiver {
            let mut buffer = complete(&self.engine, &self.end_file, durable);
            buffer.clear();
            let mut state = self.done.state.lock();
            state.completed += 1;
            state.buffers.push(buffer);
            self.done.changed.notify_one();
        }
    }
}

/// Makes a durable batch visible to this process and to others, and then answers.
fn complete(engine: &Engine, end_file: &EndFile, durable: Durable) -> AlignedBuf {
    let Durable { batch, buffer, length, start, end } = durable;
    if !batch.written.is_empty() {
        if let Err(error) = end_file.write(&end) {
            // Other processes see it late; nothing else depends on it.
            tracing::warn!(%error, "the file that tells readers where the log ends was not written");
        }
        let mut bytes = engine.tail.recycled();
        bytes.extend_from_slice(buffer.as_slice().get(..length).unwrap_or_default());
        // Before the end moves, so that whoever sees the new end finds the batch.
        engine.tail.push(TailBatch::new(start, end.position, bytes.freeze()));
        publish(engine, &batch.written, &end);
    }
    for Written { frame, change, answer, .. } in batch.written {
        let _ = answer.send(Answer::Stored { frame, change });
    }
    for (answer, highest) in batch.conflicts {
        let _ = answer.send(Answer::Conflict { highest });
    }
    for answer in batch.reloads {
        let _ = answer.send(Answer::Reload);
    }
    buffer
}

fn publish(engine: &Engine, written: &[Written], end: &LogEnd) {
    let mut state = engine.state.write();
    for Written { change, entry, byte, .. } in written {
        state.apply(change, *entry, *byte);
    }
    state.active.end = end.position.byte;
    state.active.last_checksum = end.last_checksum;
    state.end = end.position;
    drop(state);
    if written.iter().any(|written| matches!(written.change, Change::Delete { .. })) {
        // What was decoded for live readers may hold events that are deleted now.
        engine.tail.clear();
    }
    Counters::add(&engine.counters.batches, 1);
    Counters::add(&engine.counters.frames, written.len());
    engine.announce();
}
