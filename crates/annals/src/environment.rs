//! The environment of a real program: the system's clock, tokio's timer, random ids.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use annals_core::{AppendId, Clock, Ids, Sleep, Timestamp, WriterId};
use uuid::Builder;

/// [`Clock`], [`Sleep`] and [`Ids`] of a real program. `sleep` needs a tokio runtime with its timer
/// enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct System;

impl System {
    /// The real environment.
    pub fn new() -> Self {
        Self
    }
}

impl Clock for System {
    /// The system's time of day; a clock set before 1970 or past the range counts as its nearest end.
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// By the clock that tokio's timer goes by, so that a test which pauses time pauses both.
    fn monotonic(&self) -> Duration {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        tokio::time::Instant::now().into_std().saturating_duration_since(*FIRST)
    }
}

impl Sleep for System {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Ids for System {
    /// Drawn from a generator that the operating system seeds, without a system call each time.
    fn append_id(&self) -> AppendId {
        AppendId::new(rand::random())
    }

    /// A random UUID (version 4), as Pekko's writers are named.
    fn writer_id(&self) -> WriterId {
        WriterId::new(Builder::from_random_bytes(rand::random()).into_uuid().to_string())
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fresh_and_a_writer_is_a_random_uuid() {
        let system = System::new();
        assert_ne!(system.append_id(), system.append_id());
        let writer = system.writer_id();
        assert_ne!(writer, system.writer_id());
        let uuid = uuid::Uuid::parse_str(writer.as_str()).unwrap();
        assert_eq!(uuid.get_version_num(), 4);
    }

    #[test]
    fn the_clock_is_past_2024() {
        assert!(System::new().now() > Timestamp::from_millis(1_704_067_200_000));
    }

    #[test]
    fn durations_are_measured_by_a_clock_that_never_goes_back() {
        let system = System::new();
        let before = system.monotonic();
        std::thread::sleep(Duration::from_millis(2));
        assert!(system.monotonic() >= before + Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_takes_its_time() {
        let start = tokio::time::Instant::now();
        System::new().sleep(Duration::from_secs(3)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }
}
