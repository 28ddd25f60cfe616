//! Gives back the room of what is deleted: full segments are written anew without it, in the
//! background, one at a time. `docs/adr` says why in this way.
//!
//! ```text
//! sealer ── what died where ──► estimate ──► plan ──► rewrite
//!                                             │         ├─ N.seg.tmp: written, synced, read back
//!                                   deletes in sealed   ├─ N.idx without what is gone, in place
//!                                   segments decide     └─ N.seg.tmp becomes N.seg
//! ```

mod estimate;
mod plan;
mod rewrite;

use std::collections::VecDeque;
use std::time::Duration;

use annals_core::{Error, Result};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

pub(crate) use estimate::{Estimate, dead_bytes};

use crate::engine::Engine;
use crate::position::SegmentNr;
use crate::stats::Counters;
use crate::store::EmbeddedStore;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Full segments that were looked at.
    pub segments_examined: u64,
    /// Segments that were written anew.
    pub segments_rewritten: u64,
    /// By how much their files are shorter than before.
    pub bytes_given_back: u64,
}

/// A compaction that somebody asked for.
#[derive(Debug)]
struct Request {
    percent_min: u8,
    answer: oneshot::Sender<Result<Compacted>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Something was sealed.
    work: bool,
    requests: VecDeque<Request>,
    /// How many want that no segment is replaced.
    held: usize,
    /// Whether a segment is being replaced.
    replacing: bool,
    stop: bool,
}

/// Wakes, holds and stops the thread.
#[derive(Debug, Default)]
pub(crate) struct Compactor {
    shared: Mutex<Shared>,
    changed: Condvar,
}

/// While it lives, no segment is replaced.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Compactor);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().held -= 1;
        self.0.changed.notify_all();
    }
}

impl Compactor {
    /// Says that a segment was sealed.
    pub(crate) fn wake(&self) {
        self.shared.lock().work = true;
        self.changed.notify_all();
    }

    /// Ends [`Compactor::run`] soon, also in the middle of a segment.
    pub(crate) fn stop(&self) {
        self.shared.lock().stop = true;
        self.changed.notify_all();
    }

    /// Waits for the segment that is being replaced, and then lets none be.
    pub(crate) fn hold(&self) -> Held<'_> {
        let mut shared = self.shared.lock();
        shared.held += 1;
        while shared.replacing {
            self.changed.wait(&mut shared);
        }
        Held(self)
    }

    /// Compacts what is worth it, until it is stopped. The body of the thread.
    pub(crate) fn run(&self, engine: &Engine) {
        let mut estimate = Estimate::default();
        while let Some(request) = self.next() {
            let answer = match &request {
                Some(request) => self.compact_all(engine, request.percent_min, &mut estimate),
                None => self.compact_dead(engine, &mut estimate),
            };
            if let Err(error) = &answer
                && !self.is_stopped()
            {
                // What was not replaced stays as it was, and is tried again when the next one is sealed.
                tracing::warn!(%error, "a segment could not be compacted");
            }
            if let Some(Request { answer: to, .. }) = request {
                let _ = to.send(answer);
            }
        }
    }

    /// Waits for something to do: a request, or, if `None`, what was sealed. Nothing when it is stopped.
    fn next(&self) -> Option<Option<Request>> {
        let mut shared = self.shared.lock();
        loop {
            if shared.stop {
                shared.requests.clear();
                return None;
            }
            if let Some(request) = shared.requests.pop_front() {
                return Some(Some(request));
            }
            if std::mem::take(&mut shared.work) {
                return Some(None);
            }
            self.changed.wait(&mut shared);
        }
    }

    fn is_stopped(&self) -> bool {
        self.shared.lock().stop
    }

    /// Compacts every segment of which enough died.
    fn compact_dead(&self, engine: &Engine, estimate: &mut Estimate) -> Result<Compacted> {
        let mut done = Compacted::default();
        let settings = engine.settings.compaction;
        if !settings.automatic {
            return Ok(done);
        }
        estimate.refresh(engine)?;
        while let Some(segment) = estimate.most_dead(settings.percent_min) {
            self.compact(engine, segment, settings.percent_min, estimate, &mut done)?;
        }
        Ok(done)
    }

    /// Compacts every segment whose file gets shorter by `percent_min`.
    fn compact_all(
        &self,
        engine: &Engine,
        percent_min: u8,
        estimate: &mut Estimate,
    ) -> Result<Compacted> {
        let mut done = Compacted::default();
        estimate.refresh(engine)?;
        let last = engine.state.read().sealed.last_end();
        let mut segment = SegmentNr::FIRST;
        while last.is_some_and(|(end, _)| segment <= end.segment) {
            self.compact(engine, segment, percent_min, estimate, &mut done)?;
            segment = segment.next();
        }
        Ok(done)
    }

    fn compact(
        &self,
        engine: &Engine,
        segment: SegmentNr,
        percent_min: u8,
        estimate: &mut Estimate,
        done: &mut Compacted,
    ) -> Result<()> {
        // Whatever comes of it, it is not tried again before more died.
        estimate.tried(segment);
        done.segments_examined += 1;
        let sealed = engine.state.read().sealed.clone();
        let plan = plan::Plan::make(engine, self, &sealed, segment)?;
        let freed = plan.bytes_given_back();
        if freed == 0
            || freed.saturating_mul(100) < plan.bytes_before().saturating_mul(percent_min.into())
        {
            return Ok(());
        }
        rewrite::rewrite(engine, self, plan)?;
        estimate.compacted(segment);
        done.segments_rewritten += 1;
        done.bytes_given_back += freed;
        Counters::add(&engine.counters.segments_compacted, 1);
        engine.counters.bytes_given_back.fetch_add(freed, std::sync::atomic::Ordering::Relaxed);
        tracing::info!(segment = segment.get(), bytes_given_back = freed, "compacted a segment");
        Ok(())
    }

    /// Begins to replace a segment, when nobody holds that up.
    fn begin_replacing(&self, engine: &Engine) -> Result<Replacing<'_>> {
        let mut shared = self.shared.lock();
        while shared.held > 0 && !shared.stop {
            self.changed.wait(&mut shared);
        }
        self.check(engine, &shared)?;
        shared.replacing = true;
        Ok(Replacing(self))
    }

    /// Lets appends go first after `bytes` were read or written: if any came since the last time, waits
    /// as long as keeps the rate.
    fn pace(&self, engine: &Engine, bytes: u64, seen: &mut u64) -> Result<()> {
        let batches = engine.counters.batches.load(std::sync::atomic::Ordering::Relaxed);
        let busy = std::mem::replace(seen, batches) != batches;
        let rate = u64::from(engine.settings.compaction.bytes_per_second_max.max(1));
        let rest = Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        let mut shared = self.shared.lock();
        if busy && !shared.stop {
            // Woken early by anything else, it only goes on a little sooner.
            self.changed.wait_for(&mut shared, rest);
        }
        self.check(engine, &shared)
    }

    fn check(&self, engine: &Engine, shared: &Shared) -> Result<()> {
        match engine.poisoned() {
            Some(reason) => Err(Error::closed(reason)),
            None if shared.stop => Err(engine.closed_error()),
            None => Ok(()),
        }
    }
}

/// While it lives, a segment is being replaced.
#[derive(Debug)]
struct Replacing<'a>(&'a Compactor);

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().replacing = false;
        self.0.changed.notify_all();
    }
}

impl EmbeddedStore {
    /// Gives back the room of deleted events and snapshots: writes each full segment anew whose file gets
    /// shorter by `percent_min` of a hundred at least. It goes on in the background of appends and reads,
    /// which it never holds up, and happens by itself too, as [`crate::Compaction`] says.
    ///
    /// Only what was deleted before the newest full segment ended is looked at.
    ///
    /// # Errors
    /// `Unsupported` in a store that is open read-only; `Unavailable`, `Corrupt`: the segment that it is
    /// about stays as it was, those before are compacted; `Closed`.
    pub async fn compact(&self, percent_min: u8) -> Result<Compacted> {
        self.check_writable()?;
        let (answer, answered) = oneshot::channel();
        let compactor = &self.engine.compactor;
        compactor.shared.lock().requests.push_back(Request { percent_min, answer });
        compactor.changed.notify_all();
        answered.await.map_err(|_| self.engine.closed_error())?
    }
}
