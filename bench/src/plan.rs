//! How much a run does: enough to trust the figures, or just enough to see that it works.

use std::time::Duration;

/// Sizes, durations and rounds of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Only to see that everything runs: its figures mean nothing.
    pub quick: bool,
    /// Bytes of an event's payload.
    pub payload_bytes: usize,
    /// How often each figure is measured.
    pub rounds: usize,
    /// How often the long comparison with the peers is.
    pub sustained_rounds: usize,
    /// Left out at the beginning of a run.
    pub warm_up: Duration,
    /// A run of appends.
    pub measure: Duration,
    /// A run of the comparison with the peers.
    pub sustained: Duration,
    /// A run of live readers.
    pub live: Duration,
    /// The entities of the comparison with the peers, and of the large store.
    pub entities: u64,
    /// The events of the replayed history.
    pub history_events: u64,
    /// The events of the small store that is reopened.
    pub small_events: u64,
    /// The events of the large one.
    pub large_events: u64,
}

impl Plan {
    /// The run whose figures are quoted: about eight minutes.
    pub fn full() -> Self {
        Self {
            quick: false,
            payload_bytes: 256,
            rounds: 5,
            sustained_rounds: 2,
            warm_up: Duration::from_millis(500),
            measure: Duration::from_secs(3),
            sustained: Duration::from_secs(25),
            live: Duration::from_secs(4),
            entities: 10_240,
            history_events: 1_000_000,
            small_events: 1_000_000,
            large_events: 10_000_000,
        }
    }

    /// A few seconds.
    pub fn quick() -> Self {
        Self {
            quick: true,
            rounds: 1,
            sustained_rounds: 1,
            warm_up: Duration::from_millis(50),
            measure: Duration::from_millis(200),
            sustained: Duration::from_millis(300),
            live: Duration::from_millis(300),
            entities: 1_024,
            history_events: 20_000,
            small_events: 5_000,
            large_events: 50_000,
            ..Self::full()
        }
    }
}
