//! The requests to DynamoDB, each with its retries: the one place that repeats a request.
//!
//! A write that is repeated after an attempt of unknown outcome carries the same condition, so that the
//! answer to the repetition tells what became of the first. Where it does not come to an answer, the
//! error is `OutcomeUnknown`, whatever the last attempt said of itself.

mod capacity;
mod change;
mod clock;
mod failure;
mod limiter;
mod requests;
mod stats;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{AppendId, Error, Ids, Result, RetryPolicy, WriterId};
use aws_sdk_dynamodb::types::CancellationReason;
use tokio::time::Instant;

use crate::item::Item;
use crate::settings::Settings;

pub(crate) use change::{Change, incomplete};
pub(crate) use clock::{ClockWatch, WatchClock};
pub(crate) use failure::Failure;
pub(crate) use requests::{ItemPage, Query, batched_delete, batched_put, queried, scanned};
pub use stats::Stats;
pub(crate) use stats::{Counters, add};

use limiter::Limiter;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Client {
    sdk: aws_sdk_dynamodb::Client,
    retry: RetryPolicy,
    jitter: Arc<dyn Ids>,
    limiter: Limiter,
    clock: Arc<ClockWatch>,
    pub(crate) counters: Counters,
    operation_timeout: Duration,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Write {
    /// It was performed.
    Done,
    /// Its condition did not hold; the item that is there.
    Condition(Option<Item>),
    /// It is a transaction and was not performed, since conditions did not hold; what each of its items
    /// says of it, in order.
    Cancelled(Vec<CancellationReason>),
}

impl Client {
    pub(crate) fn new(
        sdk: aws_sdk_dynamodb::Client,
        clock: Arc<ClockWatch>,
        settings: &Settings,
    ) -> Self {
        Self {
            sdk,
            retry: settings.retry,
            jitter: Arc::new(Jitter),
            limiter: Limiter::new(settings.requests_max),
            clock,
            counters: Counters::default(),
            operation_timeout: settings.operation_timeout,
        }
    }

    /// Reads, repeating what failed.
    pub(crate) async fn read<T, F>(
        &self,
        what: impl fmt::Display,
        attempt: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut retry = self.retry.start(self.jitter.clone());
        let since = Instant::now();
        loop {
            let error = match self.one(attempt()).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Throttled(error) | Failure::Busy(error) | Failure::Unknown(error)) => {
                    error
                }
                Err(Failure::Refused(error)) => return Err(error.context(what)),
                Err(failure @ (Failure::Condition(_) | Failure::Cancelled(_))) => {
                    return Err(Error::internal(format!(
                        "{what}: a read has no condition: {failure:?}"
                    )));
                }
            };
            match retry.next_delay().filter(|delay| self.has_time(since, *delay)) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error.context(what)),
            }
        }
    }

    /// Writes, repeating what was not performed or whose outcome is unknown.
    pub(crate) async fn write<T, F>(
        &self,
        what: impl fmt::Display,
        attempt: impl Fn() -> F,
    ) -> Result<Write>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut retry = self.retry.start(self.jitter.clone());
        let since = Instant::now();
        let mut unknown = false;
        loop {
            let (error, repeat) = match self.one(attempt()).await {
                Ok(_) => return Ok(Write::Done),
                Err(Failure::Condition(item)) => return Ok(Write::Condition(item)),
                Err(Failure::Cancelled(reasons)) => match cancelled(&reasons) {
                    Cancelled::ByCondition => return Ok(Write::Cancelled(reasons)),
                    Cancelled::Passing(error) => (error, true),
                    Cancelled::ForGood(error) => (error, false),
                },
                Err(Failure::Throttled(error) | Failure::Busy(error)) => (error, true),
                Err(Failure::Unknown(error)) => {
                    unknown = true;
                    (error, true)
                }
                Err(Failure::Refused(error)) => (error, false),
            };
            let next = retry.next_delay().filter(|delay| repeat && self.has_time(since, *delay));
            match next {
                Some(delay) => tokio::time::sleep(delay).await,
                None if unknown => {
                    let message = format!("{what}: whether it was written is not known");
                    return Err(Error::outcome_unknown(message).with_source(error));
                }
                None => {
                    return Err(error.context(format_args!("{what}: nothing was written")));
                }
            }
        }
    }

    /// What was counted since the store was opened.
    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats(self.limiter.limit(), self.clock.skew_millis())
    }

    /// Something was not done since there are too many requests.
    fn throttled(&self) {
        add(&self.counters.throttled, 1);
        self.limiter.throttled(std::time::Instant::now());
    }

    /// Whether another attempt may begin after `delay`, for a request that began at `since`.
    fn has_time(&self, since: Instant, delay: Duration) -> bool {
        since.elapsed().saturating_add(delay) < self.operation_timeout
    }

    /// One attempt, when there is room for it.
    async fn one<T, F>(&self, attempt: F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let _pass = self.limiter.enter().await;
        add(&self.counters.requests, 1);
        let answer = attempt.await;
        match &answer {
            Err(Failure::Throttled(_)) => self.throttled(),
            Err(Failure::Cancelled(reasons)) if reasons.iter().any(is_throttled) => {
                self.throttled();
            }
            Err(Failure::Unknown(_)) => add(&self.counters.unknown, 1),
            _ => self.limiter.answered(),
        }
        answer
    }
}

/// Whether a transaction was cancelled since there are too many requests.
fn is_throttled(reason: &CancellationReason) -> bool {
    matches!(
        reason.code.as_deref(),
        Some("ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded")
    )
}

/// What a cancelled transaction's reasons come to.
enum Cancelled {
    /// A condition did not hold.
    ByCondition,
    /// Something was in the way.
    Passing(Error),
    /// It can never be performed.
    ForGood(Error),
}

fn cancelled(reasons: &[CancellationReason]) -> Cancelled {
    let code = |reason: &CancellationReason| reason.code.clone().unwrap_or_default();
    let codes: Vec<String> = reasons.iter().map(code).collect();
    let has = |wanted: &str| codes.iter().any(|code| code == wanted);
    if has("ConditionalCheckFailed") {
        return Cancelled::ByCondition;
    }
    let said: Vec<&str> = reasons.iter().filter_map(|reason| reason.message.as_deref()).collect();
    let message = format!("the transaction was cancelled ({})", said.join("; "));
    if has("ValidationError") || has("ItemCollectionSizeLimitExceeded") {
        return Cancelled::ForGood(Error::invalid(message));
    }
    Cancelled::Passing(Error::unavailable(message))
}

/// Random numbers for the back-off.
#[derive(Debug)]
struct Jitter;

impl Ids for Jitter {
    fn append_id(&self) -> AppendId {
        AppendId::new(rand::random())
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(format!("{:032x}", rand::random::<u128>()))
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}
