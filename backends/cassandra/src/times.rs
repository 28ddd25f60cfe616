//! The time of day that a store writes: that of the servers, as far as this machine's clock is off.
//!
//! Events are ordered, by tag, by the times of their writers. A clock that is minutes off would put events
//! where readers have been already, or where they come only minutes later. So every store measures how far
//! its clock is from its servers'. Which of two writes to one cell is the later one they decide themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use annals_core::{Clock, Timestamp};
use parking_lot::Mutex;
use scylla::client::session::Session;
use scylla::value::CqlTimeuuid;
use tokio::time::Instant;
use uuid::Uuid;

use crate::timeuuid::TimeUuid;

/// How often the clocks are compared.
const INTERVAL: Duration = Duration::from_secs(60);
/// Less is what synchronised clocks differ by, and the answer's way.
const TOLERANCE_MILLIS: i64 = 1_000;
/// An answer that took longer says too little.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// The clock of the machine.
#[derive(Debug)]
pub(crate) struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The time of day of one store.
#[derive(Debug)]
pub(crate) struct Times {
    clock: Arc<dyn Clock>,
    /// How far the servers' clock is ahead of ours.
    ahead_millis: AtomicI64,
    compared: Mutex<Option<Instant>>,
}

impl Times {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead_millis: AtomicI64::new(0), compared: Mutex::new(None) }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_millis(&self) -> i64 {
        let now = self.clock.now().as_millis();
        now.saturating_add(self.ahead_millis.load(Ordering::Relaxed))
    }

    /// Compares the clocks, unless that was done lately. What keeps the server from answering is told by
    /// the next request that matters.
    pub(crate) async fn compare(&self, session: &Session) {
        {
            let mut compared = self.compared.lock();
            if compared.is_some_and(|compared| compared.elapsed() < INTERVAL) {
                return;
            }
            *compared = Some(Instant::now());
        }
        let (asked, began) = (self.clock.now().as_millis(), Instant::now());
        let Ok(answer) = session.query_unpaged("SELECT now() FROM system.local", ()).await else {
            return;
        };
        let took = began.elapsed();
        let answer = answer.into_rows_result().ok();
        let answer = answer.and_then(|rows| rows.single_row::<(CqlTimeuuid,)>().ok());
        let server = answer.and_then(|(uuid,)| TimeUuid::new(Uuid::from_bytes(*uuid.as_bytes())));
        if let Some(server) = server.filter(|_| took <= ANSWER_MAX) {
            let way = i64::try_from(took.as_millis() / 2).unwrap_or_default();
            self.set(server.millis() - asked.saturating_add(way));
        }
    }

    fn set(&self, ahead_millis: i64) {
        let ahead = if ahead_millis.abs() > TOLERANCE_MILLIS { ahead_millis } else { 0 };
        let before = self.ahead_millis.swap(ahead, Ordering::Relaxed);
        if ahead.abs_diff(before) > TOLERANCE_MILLIS.unsigned_abs() {
            tracing::warn!(
                "Cassandra's clock is {ahead_millis} ms ahead of this machine's: events get its time"
            );
        }
    }
}

/// A clock that tests set.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Manual(AtomicI64);

#[cfg(test)]
impl Manual {
    pub(crate) fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for Manual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_minutes_off_is_put_right_and_one_that_is_nearly_right_is_believed() {
        let times = Times::new(Manual::at(10_000_000));
        for (ahead, now) in [(900, 10_000_000), (300_000, 10_300_000), (-300_000, 9_700_000)] {
            times.set(ahead);
            assert_eq!(times.now_millis(), now, "{ahead}");
        }
    }
}
