//! Warns before a hard limit is reached: from four fifths of it on, and not more than once a minute for
//! each limit.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::store::now;

const SILENCE_MILLIS: i64 = 60_000;

/// The limits that are warned of.
#[derive(Debug)]
pub(crate) struct NearLimits {
    pub(crate) event_bytes: NearLimit,
    pub(crate) append_events: NearLimit,
    pub(crate) append_bytes: NearLimit,
}

impl Default for NearLimits {
    fn default() -> Self {
        Self {
            event_bytes: NearLimit::new("the bytes of an event"),
            append_events: NearLimit::new("the events of an append"),
            append_bytes: NearLimit::new("the bytes of an append"),
        }
    }
}

/// A limit, and when it was last warned of.
#[derive(Debug)]
pub(crate) struct NearLimit {
    what: &'static str,
    warned: AtomicI64,
}

impl NearLimit {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, warned: AtomicI64::new(i64::MIN) }
    }

    /// Warns if `value`, of what `whose` names, is near `max`; tells whether it did.
    pub(crate) fn check(&self, value: usize, max: usize, whose: impl std::fmt::Display) -> bool {
        if value < max - max / 5 {
            return false;
        }
        let now = now().as_millis();
        let warned = self.warned.load(Ordering::Relaxed);
        if now.saturating_sub(warned) < SILENCE_MILLIS {
            return false;
        }
        self.warned.store(now, Ordering::Relaxed);
        let what = self.what;
        tracing::warn!(value, max, %whose, "{what}: close to the limit, beyond which it is refused");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_of_a_limit_are_warned_of_once_in_a_while() {
        let near = NearLimit::new("an event's size");
        assert!(!near.check(799, 1_000, "a"));
        assert!(near.check(800, 1_000, "a"));
        assert!(!near.check(1_000, 1_000, "a"), "it was warned of just now");
    }
}
