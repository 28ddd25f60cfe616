//! The requests to DynamoDB, each with its retries: the one place that repeats a request.
//!
//! A write that is repeated after an attempt of unknown outcome carries the same condition, so that the
//! answer to the repetition tells what became of the first. Where it does not come to an answer, the
//! error is `OutcomeUnknown`, whatever the last attempt said of itself.

mod capacity;
mod cause;
mod change;
mod clock;
mod failure;
mod limiter;
mod requests;
mod stats;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{AppendId, Error, Ids, Result, RetryPolicy, WriterId};
use aws_sdk_dynamodb::types::CancellationReason;
use tokio::time::Instant;

use crate::item::Item;
use crate::settings::ClientSettings;

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
    /// Where the server is, for errors.
    place: String,
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
        settings: &ClientSettings,
    ) -> Self {
        Self {
            sdk,
            retry: settings.retry,
            jitter: Arc::new(Jitter),
            limiter: Limiter::new(settings.requests_max),
            clock,
            counters: Counters::default(),
            operation_timeout: settings.operation_timeout,
            place: match settings.endpoint_url() {
                Some(url) => url,
                None => format!("region {}", settings.region),
            },
        }
    }

    /// Reads from `table`, repeating what failed.
    pub(crate) fn read<T, F>(
        &self,
        what: impl fmt::Display,
        table: &str,
        attempt: impl Fn() -> F,
    ) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.repeat(what, table, "what is stored is untouched", attempt)
    }

    /// Does what bears being done twice, repeating what failed.
    pub(crate) fn work<T, F>(
        &self,
        what: impl fmt::Display,
        table: &str,
        attempt: impl Fn() -> F,
    ) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.repeat(what, table, "what is done of it stays, and it can be repeated", attempt)
    }

    /// `stands` tells how things stand where it failed.
    async fn repeat<T, F>(
        &self,
        what: impl fmt::Display,
        table: &str,
        stands: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let failed =
            |error: Error| error.context(format_args!("{}: {stands}", self.at(&what, table)));
        let mut retry = self.retry.start(self.jitter.clone());
        let since = Instant::now();
        loop {
            let error = match self.one(Box::pin(attempt())).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Throttled(error) | Failure::Busy(error) | Failure::Unknown(error)) => {
                    error
                }
                Err(Failure::Refused(error)) => return Err(failed(error)),
                Err(failure @ (Failure::Condition(_) | Failure::Cancelled(_))) => {
                    let message = format!("what has no condition cannot fail on one: {failure:?}");
                    return Err(Error::internal(message));
                }
            };
            match retry.next_delay().filter(|delay| self.has_time(since, *delay)) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(failed(error)),
            }
        }
    }

    /// Writes to `table`, repeating what was not performed or whose outcome is unknown.
    pub(crate) async fn write<T, F>(
        &self,
        what: impl fmt::Display,
        table: &str,
        attempt: impl Fn() -> F,
    ) -> Result<Write>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut retry = self.retry.start(self.jitter.clone());
        let since = Instant::now();
        let mut unknown = false;
        loop {
            let (error, repeat) = match self.one(Box::pin(attempt())).await {
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
                    let message = format!(
                        "{}: whether it was written is not known: repeat the very same write, or look what is \
                         stored",
                        self.at(what, table)
                    );
                    return Err(Error::outcome_unknown(message).with_source(error));
                }
                None => {
                    let at = self.at(what, table);
                    return Err(error.context(format_args!("{at}: nothing was written")));
                }
            }
        }
    }

    /// What is being done, and where.
    fn at<'a, W: fmt::Display + 'a>(&'a self, what: W, table: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| write!(f, "{what} (table {table}, {})", self.place))
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

    /// One attempt, when there is room for it. Boxed: a request of the SDK is some kilobytes, of which every
    /// future that holds it by value would have a copy to move about, and each operation has several.
    async fn one<T, F>(&self, attempt: Pin<Box<F>>) -> Result<T, Failure>
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
        Some(
            "ThrottlingError"
                | "ThrottlingException"
                | "ProvisionedThroughputExceeded"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
        )
    )
}

/// What a cancelled transaction's reasons come to.
#[derive(Debug)]
enum Cancelled {
    /// A condition did not hold.
    ByCondition,
    /// Something was in the way.
    Passing(Error),
    /// It can never be performed.
    ForGood(Error),
}

fn cancelled(reasons: &[CancellationReason]) -> Cancelled {
    let find = |wanted: &str| reasons.iter().find(|reason| reason.code.as_deref() == Some(wanted));
    if find("ConditionalCheckFailed").is_some() {
        return Cancelled::ByCondition;
    }
    // Each reason once: an append of a hundred events may be throttled a hundred times.
    let mut said: Vec<String> = Vec::new();
    for CancellationReason { code, message, .. } in reasons {
        let code = code.as_deref().unwrap_or("None");
        let text = format!("{code}: {}", message.as_deref().unwrap_or("without a message"));
        if code != "None" && !said.contains(&text) {
            said.push(text);
        }
    }
    let said = said.join("; ");
    if let Some(reason) = find("ValidationError") {
        let what = failure::of_validation(reason.message.as_deref().unwrap_or_default());
        return Cancelled::ForGood(Error::invalid(format!("{what} ({said})")));
    }
    if find("ItemCollectionSizeLimitExceeded").is_some() {
        let message =
            format!("the table takes no more of this key: see its local indexes ({said})");
        return Cancelled::ForGood(Error::invalid(message));
    }
    let what = match reasons.iter().any(is_throttled) {
        true => failure::THROTTLED,
        false => "another transaction is under way: repeat it",
    };
    Cancelled::Passing(Error::unavailable(format!("{what} ({said})")))
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
