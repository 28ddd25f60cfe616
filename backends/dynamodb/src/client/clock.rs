//! Tells when our clock and the server's differ: requests are signed with the time, and refused when it
//! is far off; timestamps of events and of tombstones come from our clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

/// From which difference on there is a warning. AWS refuses requests at five minutes.
const WARN_FROM: Duration = Duration::from_secs(60);

/// How often the clocks are compared.
const COMPARE_EVERY: i64 = 10_000;

/// Compares the clocks by the date of some answers.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// When it was last looked at, in our milliseconds.
    looked: AtomicI64,
    skew_millis: AtomicI64,
}

impl ClockWatch {
    /// By how many milliseconds the server is ahead of us.
    pub(crate) fn skew_millis(&self) -> i64 {
        self.skew_millis.load(Ordering::Relaxed)
    }

    /// Looks at an answer's date.
    fn look(&self, date: &str, now: i64) {
        let Ok(date) = DateTime::from_str(date, DateTimeFormat::HttpDate) else { return };
        let Ok(theirs) = date.to_millis() else { return };
        let skew = theirs.saturating_sub(now);
        self.skew_millis.store(skew, Ordering::Relaxed);
        if u128::from(skew.unsigned_abs()) >= WARN_FROM.as_millis() {
            tracing::warn!(
                skew_millis = skew,
                "this machine's clock and DynamoDB's differ: requests are refused when they are five minutes apart"
            );
        }
    }
}

/// The interceptor that shows each answer to a watch.
#[derive(Debug, Clone)]
pub(crate) struct WatchClock(pub(crate) std::sync::Arc<ClockWatch>);

impl Intercept for WatchClock {
    fn name(&self) -> &'static str {
        "annals-clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let looked = self.0.looked.load(Ordering::Relaxed);
        if now.saturating_sub(looked).saturating_abs() < COMPARE_EVERY {
            return Ok(());
        }
        self.0.looked.store(now, Ordering::Relaxed);
        if let Some(date) = context.response().headers().get("date") {
            self.0.look(date, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_is_told_in_both_directions() {
        let watch = ClockWatch::default();
        // 2023-11-14T22:13:20Z is 1,700,000,000 seconds after 1970.
        watch.look("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000_000 - 90_000);
        assert_eq!(watch.skew_millis(), 90_000);
        watch.look("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000_000 + 5_000);
        assert_eq!(watch.skew_millis(), -5_000);
        watch.look("no date", 0);
        assert_eq!(watch.skew_millis(), -5_000);
    }
}
