//! What the client counted since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store counted since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests sent, repetitions among them.
    pub requests: u64,
    /// Answers that told to slow down, and parts of batches that were not processed.
    pub throttled: u64,
    /// Attempts whose outcome was not known at first.
    pub unknown: u64,
    /// Numbers without an event that replays skipped.
    pub holes_skipped: u64,
    /// Large appends of dead writers that were cleared away.
    pub cleared: u64,
    /// How many requests may be in flight at present.
    pub requests_max: u64,
    /// By how many milliseconds the server's clock was ahead of ours when it last said the time.
    pub clock_skew_millis: i64,
}

impl Stats {
    /// These with what `other` counted.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            throttled: self.throttled + other.throttled,
            unknown: self.unknown + other.unknown,
            holes_skipped: self.holes_skipped + other.holes_skipped,
            cleared: self.cleared + other.cleared,
            ..self
        }
    }
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) holes_skipped: AtomicU64,
    pub(crate) cleared: AtomicU64,
}

/// Adds to a counter, which nothing is ordered by.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn stats(&self, requests_max: usize, clock_skew_millis: i64) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: read(&self.requests),
            throttled: read(&self.throttled),
            unknown: read(&self.unknown),
            holes_skipped: read(&self.holes_skipped),
            cleared: read(&self.cleared),
            requests_max: u64::try_from(requests_max).unwrap_or(u64::MAX),
            clock_skew_millis,
        }
    }
}
