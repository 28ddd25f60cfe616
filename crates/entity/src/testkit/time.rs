//! An environment for tests of regions: time that passes by hand, ids that are counted.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use annals_core::{AppendId, Clock, Ids, Sleep, Timestamp, WriterId};
use parking_lot::Mutex;

use crate::Components;

/// Time that passes when the test says so: a clock that begins at 0, and sleepers that it wakes.
#[derive(Debug, Clone, Default)]
pub struct ManualTime(Arc<Mutex<Hand>>);

#[derive(Debug, Default)]
struct Hand {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
}

impl ManualTime {
    /// Time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass, and wakes who slept so long. They run when the test lets them: after each
    /// step of this clock a test yields (`tokio::task::yield_now`) or awaits an answer.
    pub fn advance(&self, duration: Duration) {
        let mut hand = self.0.lock();
        hand.now = hand.now.saturating_add(duration);
        let now = hand.now;
        let (due, left) = std::mem::take(&mut hand.sleepers).into_iter().partition(|s| s.0 <= now);
        hand.sleepers = left;
        drop(hand);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How much time has passed.
    pub fn passed(&self) -> Duration {
        self.0.lock().now
    }

    /// The components of a region in this time.
    pub fn components(&self) -> Components {
        let time = Arc::new(self.clone());
        Components { clock: time.clone(), ids: Arc::new(CountedIds::default()), sleep: time }
    }
}

impl Clock for ManualTime {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.passed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(millis)
    }

    fn monotonic(&self) -> Duration {
        self.passed()
    }
}

impl Sleep for ManualTime {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        let hand = self.0.clone();
        let until = self.passed().saturating_add(duration);
        Box::pin(poll_fn(move |cx| {
            let mut hand = hand.lock();
            if hand.now >= until {
                return Poll::Ready(());
            }
            // Polled once more by the same task, it does not stand here twice.
            hand.sleepers.retain(|(at, waker)| *at != until || !waker.will_wake(cx.waker()));
            hand.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

/// Ids that are counted: the same in each run.
#[derive(Debug, Default)]
pub struct CountedIds(AtomicU64);

impl CountedIds {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Ids for CountedIds {
    fn append_id(&self) -> AppendId {
        AppendId::new(u128::from(self.next()))
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(format!("writer-{}", self.next()))
    }

    fn random(&self) -> u64 {
        // Spread over the whole range (the golden ratio), as jitter wants it.
        self.next().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
