//! The deadlines of asks: one timer for all that wait at the door of a shard, instead of one for each.
//!
//! Nearly all of them are answered long before their time, so that what must cost little is to come and
//! to go. A task sleeps until the earliest deadline that there was when it looked last, and then looks
//! again: under any load about once in a deadline's time. It is a task of its own, so that an ask ends in
//! time also while a shard's worker is held up.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Clock, Sleep};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;

use crate::reply::Asked;

/// Who waits, until when.
pub(crate) struct Alarm {
    clock: Arc<dyn Clock>,
    sleep: Arc<dyn Sleep>,
    asks: Mutex<Asks>,
    /// Told when a deadline comes before the planned look.
    sooner: Notify,
}

#[derive(Default)]
struct Asks {
    waiting: Slab<(Duration, Asked)>,
    /// When the task looks next.
    planned: Option<Duration>,
}

/// A place among those that wait; given back when dropped.
pub(crate) struct Watch<'a> {
    alarm: &'a Alarm,
    place: usize,
}

impl Alarm {
    pub(crate) fn new(clock: Arc<dyn Clock>, sleep: Arc<dyn Sleep>) -> Self {
        Self { clock, sleep, asks: Mutex::default(), sooner: Notify::new() }
    }

    /// Wakes who asked after `deadline`, unless the watch is dropped before.
    pub(crate) fn watch(&self, deadline: Duration, asked: Asked) -> Watch<'_> {
        let due = self.clock.monotonic().saturating_add(deadline);
        let mut asks = self.asks.lock();
        let place = asks.waiting.insert((due, asked));
        let is_sooner = asks.planned.is_none_or(|planned| due < planned);
        if is_sooner {
            asks.planned = Some(due);
        }
        drop(asks);
        if is_sooner {
            self.sooner.notify_one();
        }
        Watch { alarm: self, place }
    }

    /// Wakes each in its time. Never ends; whoever spawned it aborts it.
    pub(crate) async fn run(self: Arc<Self>) {
        let _last = LastRing(&self);
        loop {
            let planned = self.asks.lock().planned;
            let sleeping = pin!(async {
                match planned {
                    Some(at) => {
                        let duration = at.saturating_sub(self.clock.monotonic());
                        self.sleep.sleep(duration).await;
                        at
                    }
                    None => pending().await,
                }
            });
            match select(pin!(self.sooner.notified()), sleeping).await {
                Either::Left(_) => {}
                Either::Right((at, _)) => self.ring(at),
            }
        }
    }

    fn ring(&self, planned: Duration) {
        // A clock that lags behind the timer does not make it look again and again.
        let now = self.clock.monotonic().max(planned);
        let mut asks = self.asks.lock();
        let (mut due, mut next) = (Vec::new(), None::<Duration>);
        for (_, (at, asked)) in &asks.waiting {
            if *at <= now {
                due.push(asked.clone());
            } else {
                next = Some(next.map_or(*at, |next| next.min(*at)));
            }
        }
        asks.planned = next;
        drop(asks);
        due.iter().for_each(Asked::expire);
    }
}

/// When the runtime ends, nobody would be woken any more: all are, now.
struct LastRing<'a>(&'a Alarm);

impl Drop for LastRing<'_> {
    fn drop(&mut self) {
        self.0.ring(Duration::MAX);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // Dropped after the lock is let go: it may be the last handle to the answer.
        let _asked = self.alarm.asks.lock().waiting.try_remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Answer, reply_channel};
    use crate::testkit::ManualTime;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn waiting(alarm: &Arc<Alarm>, deadline: Duration) -> tokio::task::JoinHandle<bool> {
        let (reply, mut answer): (_, Answer<()>) = reply_channel();
        let alarm = alarm.clone();
        tokio::spawn(async move {
            let _reply = reply;
            let _watch = alarm.watch(deadline, answer.asked());
            answer.in_time().await.is_none()
        })
    }

    #[tokio::test]
    async fn each_is_woken_in_its_own_time_also_one_that_came_later_and_waits_less() {
        let time = ManualTime::new();
        let shared = Arc::new(time.clone());
        let alarm = Arc::new(Alarm::new(shared.clone(), shared));
        let ringing = tokio::spawn(alarm.clone().run());
        let long = waiting(&alarm, seconds(5));
        settle().await;
        let short = waiting(&alarm, seconds(1));
        settle().await;
        time.advance(seconds(1));
        assert!(short.await.unwrap(), "its time is over");
        settle().await;
        assert!(!long.is_finished());
        time.advance(seconds(4));
        assert!(long.await.unwrap());
        assert!(alarm.asks.lock().waiting.is_empty(), "who left gave the place back");
        ringing.abort();
    }

    #[tokio::test]
    async fn nobody_waits_on_when_the_runtime_of_the_alarm_ends() {
        let time = Arc::new(ManualTime::new());
        let alarm = Arc::new(Alarm::new(time.clone(), time));
        let ringing = tokio::spawn(alarm.clone().run());
        let ask = waiting(&alarm, seconds(5));
        settle().await;
        ringing.abort();
        assert!(ask.await.unwrap());
    }
}
