//! The newest batches, kept in memory: live readers take them from here, and all readers of one
//! scope share one decoding.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{Envelope, Result, Scope};
use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::position::Position;

/// The most bytes of batches that are kept.
const BYTES_MAX: usize = 8 << 20;
/// The most batches that are kept.
const BATCHES_MAX: usize = 4096;
/// The most scopes whose decoding one batch keeps.
const SCOPES_MAX: usize = 64;

type Decoded = Arc<Mutex<Option<Arc<[Envelope]>>>>;

/// One batch.
#[derive(Debug)]
pub(crate) struct TailBatch {
    /// Where its first frame begins.
    pub(crate) start: Position,
    /// Where its last frame ends.
    pub(crate) end: Position,
    /// Its frames.
    pub(crate) bytes: Bytes,
    decoded: Mutex<HashMap<Scope, Decoded>>,
}

impl TailBatch {
    /// A batch of frames.
    pub(crate) fn new(start: Position, end: Position, bytes: Bytes) -> Self {
        Self { start, end, bytes, decoded: Mutex::default() }
    }

    /// The events of the batch that are in `scope`: decoded by whoever comes first, shared by all.
    pub(crate) fn events(
        &self,
        scope: &Scope,
        decode: impl FnOnce(&Self) -> Result<Vec<Envelope>>,
    ) -> Result<Arc<[Envelope]>> {
        let cell = {
            let mut decoded = self.decoded.lock();
            match decoded.get(scope) {
                Some(cell) => cell.clone(),
                None if decoded.len() >= SCOPES_MAX => Decoded::default(),
                None => decoded.entry(scope.clone()).or_default().clone(),
            }
        };
        let mut events = cell.lock();
        if let Some(events) = &*events {
            return Ok(events.clone());
        }
        let made: Arc<[Envelope]> = decode(self)?.into();
        *events = Some(made.clone());
        Ok(made)
    }
}

/// The newest batches.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: Mutex<(VecDeque<Arc<TailBatch>>, usize)>,
    /// The memory of a batch that nobody reads any more.
    free: Mutex<Option<BytesMut>>,
}

impl Tail {
    /// Adds the newest batch, and forgets the oldest ones that are too many.
    pub(crate) fn push(&self, batch: TailBatch) {
        let mut guard = self.batches.lock();
        let (batches, bytes) = &mut *guard;
        *bytes += batch.bytes.len();
        batches.push_back(Arc::new(batch));
        while *bytes > BYTES_MAX || batches.len() > BATCHES_MAX {
            let Some(oldest) = batches.pop_front() else { break };
            *bytes -= oldest.bytes.len();
            let unread = Arc::into_inner(oldest).and_then(|batch| batch.bytes.try_into_mut().ok());
            if let Some(mut memory) = unread {
                memory.clear();
                *self.free.lock() = Some(memory);
            }
        }
    }

    /// An empty buffer for the next batch: the memory of an old one if there is one.
    pub(crate) fn recycled(&self) -> BytesMut {
        self.free.lock().take().unwrap_or_default()
    }

    /// Forgets everything; readers go to the files.
    pub(crate) fn clear(&self) {
        *self.batches.lock() = (VecDeque::new(), 0);
    }

    /// The batches that hold what lies at or after `from`, up to `batches_max`; `None` if some of it
    /// is not kept any more. `end` is where the log ends.
    pub(crate) fn from(
        &self,
        from: Position,
        end: Position,
        batches_max: usize,
    ) -> Option<Vec<Arc<TailBatch>>> {
        if from >= end {
            return Some(Vec::new());
        }
        let guard = self.batches.lock();
        let (batches, _) = &*guard;
        let first = batches.partition_point(|batch| batch.end <= from);
        if first == batches.len() {
            return None;
        }
        if first == 0 && batches.front().is_none_or(|batch| batch.start > from) {
            return None;
        }
        Some(batches.range(first..).take(batches_max).cloned().collect())
    }
}
