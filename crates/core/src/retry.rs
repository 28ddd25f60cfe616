//! The one place that paces retries: exponential back-off with full jitter, pure.

use std::sync::Arc;
use std::time::Duration;

use crate::Ids;

/// How often and how fast to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest first delay. Default 10 ms.
    pub first: Duration,
    /// The longest delay of all. Default 2 s.
    pub max: Duration,
    /// How many retries follow the first attempt. Default 8.
    pub retries_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(10), max: Duration::from_secs(2), retries_max: 8 }
    }
}

impl RetryPolicy {
    /// Never retries.
    pub const NEVER: Self = Self { first: Duration::ZERO, max: Duration::ZERO, retries_max: 0 };

    /// The same policy with at most `retries_max` retries.
    #[must_use]
    pub fn with_retries_max(mut self, retries_max: u32) -> Self {
        self.retries_max = retries_max;
        self
    }

    /// The retries of one operation; `ids` gives the jitter.
    pub fn start(self, ids: Arc<dyn Ids>) -> Retry {
        Retry { policy: self, done: 0, ids }
    }
}

/// The retries of one operation.
#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    done: u32,
    ids: Arc<dyn Ids>,
}

impl Retry {
    /// How long to wait before the next retry, drawn evenly from zero to the back-off; `None` when
    /// there are no more.
    pub fn next_delay(&mut self) -> Option<Duration> {
        if self.done >= self.policy.retries_max {
            return None;
        }
        let factor = 2_u32.saturating_pow(self.done);
        self.done += 1;
        let longest = self.policy.first.saturating_mul(factor).min(self.policy.max);
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let drawn = match nanos.checked_add(1) {
            Some(count) => self.ids.random() % count,
            None => self.ids.random(),
        };
        Some(Duration::from_nanos(drawn))
    }
}
