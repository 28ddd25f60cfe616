//! When readers look again: at once after a commit of this store, and otherwise by polling, the more
//! rarely the longer nothing was found.

use std::time::Duration;

use annals_core::Wakeup;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// Tells waiting readers to look again.
#[derive(Debug)]
pub(crate) struct Pulse {
    commits: watch::Sender<u64>,
    /// When a reader last found something that it had to wait for.
    found: Mutex<Option<Instant>>,
    first: Duration,
    max: Duration,
}

impl Pulse {
    /// Polls after `first` at the soonest, and after `max` at the latest.
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { commits: watch::Sender::new(0), found: Mutex::new(None), first, max: max.max(first) }
    }

    /// Something was committed here, or the store was closed.
    pub(crate) fn announce(&self) {
        self.commits.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A reader found events.
    pub(crate) fn found(&self) {
        *self.found.lock() = Some(Instant::now());
    }

    /// Completes after a commit of this store, or when it is time to look for those of others.
    pub(crate) fn changed(&self) -> Wakeup {
        let mut commits = self.commits.subscribe();
        let delay = self.delay();
        Box::pin(async move {
            tokio::select! {
                // An error means that the store is gone, which a reader must learn of as well.
                _ = commits.changed() => {}
                () = tokio::time::sleep(delay) => {}
            }
        })
    }

    /// A quarter of the time that nothing was found for: so the delays grow by a quarter each, however
    /// many readers wait.
    fn delay(&self) -> Duration {
        let quiet = self.found.lock().map_or(self.first, |found| found.elapsed());
        (quiet / 4).clamp(self.first, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(3);

    async fn waited(pulse: &Pulse) -> Duration {
        let start = Instant::now();
        pulse.changed().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn polling_slows_down_and_speeds_up_again() {
        let pulse = Pulse::new(FIRST, MAX);
        pulse.found();
        let mut delays = Vec::new();
        for _ in 0..40 {
            delays.push(waited(&pulse).await);
        }
        assert_eq!(delays.first(), Some(&FIRST));
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]), "{delays:?}");
        assert_eq!(delays.last(), Some(&MAX));
        pulse.found();
        assert_eq!(waited(&pulse).await, FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_wakes_at_once_also_before_the_first_poll() {
        let pulse = Pulse::new(MAX, MAX);
        let start = Instant::now();
        let before = pulse.changed();
        pulse.announce();
        before.await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(waited(&pulse).await, MAX);
    }
}
