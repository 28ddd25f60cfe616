//! What the contract's users take from outside: time, waiting, fresh ids. Given as components, so
//! that tests and simulations decide them.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{AppendId, Timestamp, WriterId};

/// The time of day.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, by which durations are measured and deadlines are kept: it goes
    /// as the [`Sleep`] beside it does. Default: of [`Clock::now`], in milliseconds; a real clock does
    /// better, and never goes back.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().as_millis()).unwrap_or_default())
    }
}

/// Waiting.
pub trait Sleep: Debug + Send + Sync + 'static {
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>>;
}

/// Fresh ids and random numbers.
pub trait Ids: Debug + Send + Sync + 'static {
    /// An append id never drawn before.
    fn append_id(&self) -> AppendId;

    /// A writer id never drawn before.
    fn writer_id(&self) -> WriterId;

    /// A random number, for jitter; not for secrets.
    fn random(&self) -> u64;
}
