//! The time of day that a store writes: that of the servers, as far as this machine's clock is off.
//!
//! Events are ordered, by tag, by the times of their writers. A clock that is minutes off would put events
//! where readers have been already, or where they come only minutes later. So every store measures how far
//! its clock is from its servers'. Which of two writes to one cell is the later one they decide themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use annals_core::{Clock, Timestamp};
use futures_util::future::join_all;
use parking_lot::Mutex;
use scylla::client::session::Session;
use scylla::policies::load_balancing::{
    LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::statement::unprepared::Statement;
use scylla::value::CqlTimeuuid;
use tokio::time::Instant;
use uuid::Uuid;

use crate::timeuuid::TimeUuid;

/// How often the clocks are compared.
const INTERVAL: Duration = Duration::from_secs(60);
/// And where no server said what time it is.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Less is what synchronised clocks differ by, and the answer's way.
const TOLERANCE_MILLIS: i64 = 1_000;
/// An answer that took longer says too little.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// So many servers are asked where one says that our clock is off.
const SERVERS_MAX: usize = 9;

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
    /// How far the servers' clocks are ahead of ours.
    ahead_millis: AtomicI64,
    /// When they are compared again.
    due: Mutex<Option<Instant>>,
}

impl Times {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead_millis: AtomicI64::new(0), due: Mutex::new(None) }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_millis(&self) -> i64 {
        let now = self.clock.now().as_millis();
        now.saturating_add(self.ahead_millis.load(Ordering::Relaxed))
    }

    /// Compares the clocks, unless that was done lately. What keeps a server from answering is told by
    /// the next request that matters.
    pub(crate) async fn compare(&self, session: &Session) {
        {
            let mut due = self.due.lock();
            let now = Instant::now();
            if due.is_some_and(|due| now < due) {
                return;
            }
            *due = Some(now + RETRY_INTERVAL);
        }
        let Some(mut ahead) = self.ask(session, None).await else { return };
        if ahead.abs() > TOLERANCE_MILLIS {
            // Or is it the server's that is?
            let state = session.get_cluster_state();
            let servers = state.get_nodes_info().iter().take(SERVERS_MAX);
            let answers = servers.map(|server| {
                let server = NodeIdentifier::HostId(server.host_id);
                self.ask(session, Some(SingleTargetLoadBalancingPolicy::new(server, None)))
            });
            let answers = join_all(answers).await.into_iter().flatten().collect();
            ahead = middle(answers).unwrap_or(ahead);
        }
        self.set(ahead);
        *self.due.lock() = Some(Instant::now() + INTERVAL);
    }

    /// How far the clock of a server, whichever or this one, is ahead.
    async fn ask(
        &self,
        session: &Session,
        server: Option<Arc<dyn LoadBalancingPolicy>>,
    ) -> Option<i64> {
        let mut statement = Statement::new("SELECT now() FROM system.local");
        statement.set_load_balancing_policy(server);
        let (asked, began) = (self.clock.now().as_millis(), Instant::now());
        let answer = session.query_unpaged(statement, ()).await.ok()?;
        let took = began.elapsed();
        let answer = answer.into_rows_result().ok()?.single_row::<(CqlTimeuuid,)>().ok()?;
        let server = TimeUuid::new(Uuid::from_bytes(*answer.0.as_bytes()))?;
        let way = i64::try_from(took.as_millis() / 2).ok()?;
        (took <= ANSWER_MAX).then(|| server.millis() - asked.saturating_add(way))
    }

    fn set(&self, ahead_millis: i64) {
        let ahead = if ahead_millis.abs() > TOLERANCE_MILLIS { ahead_millis } else { 0 };
        let before = self.ahead_millis.swap(ahead, Ordering::Relaxed);
        if ahead.abs_diff(before) > TOLERANCE_MILLIS.unsigned_abs() {
            tracing::warn!(
                "Cassandra's clocks are {ahead_millis} ms ahead of this machine's: events get their time"
            );
        }
    }
}

/// What most of the servers agree on; of two that disagree, the one that is nearer to us.
fn middle(mut answers: Vec<i64>) -> Option<i64> {
    answers.sort_unstable();
    let upper = answers.get(answers.len() / 2).copied()?;
    let lower = answers.get((answers.len() - 1) / 2).copied()?;
    Some(if lower.abs() < upper.abs() { lower } else { upper })
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
    #[test]
    fn one_server_whose_clock_is_wrong_does_not_count() {
        assert_eq!(middle(vec![3, 300_000, -2]), Some(3));
        assert_eq!(middle(vec![300_000, 2]), Some(2));
        assert_eq!(middle(vec![-4, -300_000]), Some(-4));
        assert_eq!(middle(vec![300_000]), Some(300_000));
        assert_eq!(middle(vec![300_001, 299_999, 1, 300_000]), Some(299_999));
        assert_eq!(middle(Vec::new()), None);
    }
}
