//! How many requests may be in flight: fewer when DynamoDB throttles, more again when it does not.
//!
//! Each throttled answer halves the limit, at most once in a while, since the requests in flight are
//! throttled together; each round of answered requests raises it by one (additive increase,
//! multiplicative decrease, as TCP does).

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long the limit stays after it was halved.
const HALVED_AT_MOST_EVERY: Duration = Duration::from_millis(200);

/// Lets requests through.
#[derive(Debug)]
pub(super) struct Limiter {
    permits: Semaphore,
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Permits that are still to be taken away, once their holders give them back.
    debt: usize,
    /// Answers since the limit was raised.
    answers: usize,
    halved: Option<Instant>,
}

impl Limiter {
    pub(super) fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { limit: max, debt: 0, answers: 0, halved: None };
        Self { permits: Semaphore::new(max), max, state: Mutex::new(state) }
    }

    /// Waits until a request may go out.
    pub(super) async fn enter(&self) -> Pass<'_> {
        let permit = self.permits.acquire().await.ok();
        Pass { limiter: self, permit }
    }

    /// A request was answered, and not throttled.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        if state.limit >= self.max {
            return;
        }
        state.answers += 1;
        if state.answers < state.limit {
            return;
        }
        state.answers = 0;
        state.limit += 1;
        if state.debt > 0 {
            state.debt -= 1;
        } else {
            self.permits.add_permits(1);
        }
    }

    /// A request was throttled at `now`.
    pub(super) fn throttled(&self, now: Instant) {
        let mut state = self.state.lock();
        let recent = |halved: Instant| now.duration_since(halved) < HALVED_AT_MOST_EVERY;
        if state.halved.is_some_and(recent) {
            return;
        }
        state.halved = Some(now);
        state.answers = 0;
        let fewer = state.limit - (state.limit / 2).max(1);
        state.limit -= fewer;
        let taken = self.permits.forget_permits(fewer);
        state.debt += fewer - taken;
    }

    /// How many requests may be in flight now.
    pub(super) fn limit(&self) -> usize {
        self.state.lock().limit
    }
}

/// Held while a request is in flight.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    limiter: &'a Limiter,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state.lock();
        if state.debt > 0
            && let Some(permit) = self.permit.take()
        {
            state.debt -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(since: Instant, times: u32) -> Instant {
        since + HALVED_AT_MOST_EVERY * times
    }

    #[test]
    fn throttling_halves_the_limit_once_in_a_while_and_never_ends_it() {
        let limiter = Limiter::new(16);
        let start = Instant::now();
        limiter.throttled(start);
        limiter.throttled(start);
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (8, 8));
        for times in 1..10 {
            limiter.throttled(later(start, times));
        }
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (1, 1));
    }

    #[test]
    fn answers_raise_the_limit_by_one_a_round_up_to_its_maximum() {
        let limiter = Limiter::new(8);
        limiter.throttled(Instant::now());
        assert_eq!(limiter.limit(), 4);
        for _ in 0..4 {
            limiter.answered();
        }
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (5, 5));
        for _ in 0..100 {
            limiter.answered();
        }
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (8, 8));
    }

    #[tokio::test]
    async fn requests_in_flight_give_their_permits_up_when_they_end() {
        let limiter = Limiter::new(4);
        let mut passes = Vec::new();
        for _ in 0..4 {
            passes.push(limiter.enter().await);
        }
        limiter.throttled(Instant::now());
        assert_eq!(limiter.permits.available_permits(), 0);
        passes.truncate(2);
        assert_eq!(limiter.permits.available_permits(), 0, "two of four ended: two may still run");
        drop(passes);
        assert_eq!(limiter.permits.available_permits(), 2);
    }
}
