//! What the runtime counts, for the `metrics` crate; nothing without the feature `metrics`. The names are
//! documented in the crate's front page, and part of its interface.

#[cfg(feature = "metrics")]
use std::time::Duration;

use annals_core::{Clock, Result};

/// How an operation ended: `ok`, or the error's kind.
pub(crate) fn outcome<T>(result: &Result<T>) -> &'static str {
    result.as_ref().map_or_else(|error| error.kind().name(), |_| "ok")
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(#[cfg(feature = "metrics")] Duration);

impl Stopwatch {
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = clock;
        Self(
            #[cfg(feature = "metrics")]
            clock.monotonic(),
        )
    }

    #[cfg(feature = "metrics")]
    fn seconds(self, clock: &dyn Clock) -> f64 {
        clock.monotonic().saturating_sub(self.0).as_secs_f64()
    }
}

/// The names of one region's measures: all carry its entity type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measures {
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "only metrics carry it"))]
    entity_type: &'static str,
}

impl Measures {
    pub(crate) fn new(entity_type: &'static str) -> Self {
        Self { entity_type }
    }
}

#[cfg(feature = "metrics")]
impl Measures {
    pub(crate) fn command(self, outcome: &'static str) {
        let labels = [("entity_type", self.entity_type), ("outcome", outcome)];
        metrics::counter!("annals_entity_commands_total", &labels).increment(1);
    }

    pub(crate) fn append(
        self,
        events: usize,
        watch: Stopwatch,
        clock: &dyn Clock,
        outcome: &'static str,
    ) {
        let labels = [("entity_type", self.entity_type), ("outcome", outcome)];
        metrics::histogram!("annals_entity_append_seconds", &labels).record(watch.seconds(clock));
        metrics::histogram!("annals_entity_append_events", "entity_type" => self.entity_type)
            .record(float(events));
    }

    pub(crate) fn append_repeated(self) {
        metrics::counter!("annals_entity_append_repeats_total", "entity_type" => self.entity_type)
            .increment(1);
    }

    pub(crate) fn recovery(
        self,
        events: u64,
        watch: Stopwatch,
        clock: &dyn Clock,
        outcome: &'static str,
    ) {
        let labels = [("entity_type", self.entity_type), ("outcome", outcome)];
        metrics::histogram!("annals_entity_recovery_seconds", &labels).record(watch.seconds(clock));
        if outcome == "ok" {
            let events = usize::try_from(events).unwrap_or(usize::MAX);
            metrics::histogram!("annals_entity_recovery_events", "entity_type" => self.entity_type)
                .record(float(events));
        }
    }

    pub(crate) fn snapshot(self, outcome: &'static str) {
        let labels = [("entity_type", self.entity_type), ("outcome", outcome)];
        metrics::counter!("annals_entity_snapshots_total", &labels).increment(1);
    }

    pub(crate) fn entered(self) {
        metrics::gauge!("annals_entity_active", "entity_type" => self.entity_type).increment(1.0);
    }

    pub(crate) fn left(self) {
        metrics::gauge!("annals_entity_active", "entity_type" => self.entity_type).decrement(1.0);
    }
}

/// A count as a histogram takes it; beyond 4 billion all are the same.
#[cfg(feature = "metrics")]
fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(not(feature = "metrics"))]
impl Measures {
    pub(crate) fn command(self, _outcome: &'static str) {}

    pub(crate) fn append(
        self,
        _events: usize,
        _watch: Stopwatch,
        _clock: &dyn Clock,
        _outcome: &'static str,
    ) {
    }

    pub(crate) fn append_repeated(self) {}

    pub(crate) fn recovery(
        self,
        _events: u64,
        _watch: Stopwatch,
        _clock: &dyn Clock,
        _outcome: &'static str,
    ) {
    }

    pub(crate) fn snapshot(self, _outcome: &'static str) {}

    pub(crate) fn entered(self) {}

    pub(crate) fn left(self) {}
}
