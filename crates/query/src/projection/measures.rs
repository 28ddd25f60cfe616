//! What projections count, for the `metrics` crate; nothing without the feature `metrics`. The names are
//! documented in the crate's front page, and part of its interface.

use std::fmt;

use annals_core::{Clock, Timestamp};

/// The measures of one projection: all carry its name, as the key of its offset says it.
#[cfg(feature = "metrics")]
pub(crate) struct Measures {
    projection: metrics::SharedString,
    clock: std::sync::Arc<dyn Clock>,
    handled: metrics::Counter,
    skipped: metrics::Counter,
    retries: metrics::Counter,
    parked: metrics::Gauge,
    behind: metrics::Gauge,
    handle_ok: metrics::Histogram,
    handle_failed: metrics::Histogram,
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(#[cfg(feature = "metrics")] std::time::Duration);

#[cfg(feature = "metrics")]
impl Measures {
    /// Looked up once, since they change with every event.
    pub(crate) fn new(key: &str, clock: &std::sync::Arc<dyn Clock>) -> Self {
        let projection = metrics::SharedString::from(key.to_owned());
        let of = || ("projection", projection.clone());
        let seconds = |outcome: &'static str| {
            let labels = [of(), ("outcome", outcome.into())];
            metrics::histogram!("annals_projection_handle_seconds", &labels)
        };
        let events = |outcome: &'static str| {
            let labels = [of(), ("outcome", outcome.into())];
            metrics::counter!("annals_projection_events_total", &labels)
        };
        Self {
            handled: events("handled"),
            skipped: events("skipped"),
            retries: metrics::counter!("annals_projection_retries_total", &[of()]),
            parked: metrics::gauge!("annals_projection_parked", &[of()]),
            behind: metrics::gauge!("annals_projection_behind_seconds", &[of()]),
            handle_ok: seconds("ok"),
            handle_failed: seconds("failed"),
            clock: clock.clone(),
            projection,
        }
    }

    pub(crate) fn start(&self) -> Stopwatch {
        Stopwatch(self.clock.monotonic())
    }

    fn seconds(&self, watch: Stopwatch) -> f64 {
        self.clock.monotonic().saturating_sub(watch.0).as_secs_f64()
    }

    /// Events were handled, the last of which happened at `timestamp`.
    pub(crate) fn handled(&self, events: u64, timestamp: Option<Timestamp>) {
        self.handled.increment(events);
        if let Some(timestamp) = timestamp {
            let millis = self.clock.now().as_millis().saturating_sub(timestamp.as_millis());
            let millis = u64::try_from(millis).unwrap_or(0);
            self.behind.set(std::time::Duration::from_millis(millis).as_secs_f64());
        }
    }

    /// More events were skipped; and so many are parked, before and now.
    pub(crate) fn given_up(&self, skipped: u64, (before, parked): (usize, usize)) {
        if skipped > 0 {
            self.skipped.increment(skipped);
        }
        if before != parked {
            self.parked.set(f64::from(u32::try_from(parked).unwrap_or(u32::MAX)));
        }
    }

    /// The handler was called, and failed or not.
    pub(crate) fn called(&self, watch: Stopwatch, failed: bool) {
        let seconds = if failed { &self.handle_failed } else { &self.handle_ok };
        seconds.record(self.seconds(watch));
    }

    /// A handler that failed is called again.
    pub(crate) fn retried(&self) {
        self.retries.increment(1);
    }

    /// An offset was saved, with what came with it, or was not.
    pub(crate) fn saved(&self, watch: Stopwatch, outcome: &'static str) {
        let labels = [("projection", self.projection.clone()), ("outcome", outcome.into())];
        let seconds = metrics::histogram!("annals_projection_save_seconds", &labels);
        seconds.record(self.seconds(watch));
    }
}

#[cfg(not(feature = "metrics"))]
pub(crate) struct Measures;

#[cfg(not(feature = "metrics"))]
impl Measures {
    pub(crate) fn new(_key: &str, _clock: &std::sync::Arc<dyn Clock>) -> Self {
        Self
    }

    pub(crate) fn start(&self) -> Stopwatch {
        Stopwatch()
    }

    pub(crate) fn handled(&self, _events: u64, _timestamp: Option<Timestamp>) {}

    pub(crate) fn given_up(&self, _skipped: u64, _parked: (usize, usize)) {}

    pub(crate) fn called(&self, _watch: Stopwatch, _failed: bool) {}

    pub(crate) fn retried(&self) {}

    pub(crate) fn saved(&self, _watch: Stopwatch, _outcome: &'static str) {}
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Measures")
    }
}
