//! The attempts of one append: what each answer means, and what giving up means. Pure.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{Append, Appended, Error, ErrorKind, Ids, Result, Retry, RetryPolicy};

/// What follows from the answer to an attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// The append has ended.
    Done(Result<Appended>),
    /// The very same append is repeated after this time.
    Repeat(Duration),
}

/// The attempts of one append.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    ids: Arc<dyn Ids>,
    unavailable: Option<Retry>,
    unknown: Option<Retry>,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy, ids: Arc<dyn Ids>) -> Self {
        Self { policy, ids, unavailable: None, unknown: None }
    }

    /// What follows from `answer`. Once an attempt's outcome was unknown only a receipt or a conflict
    /// decides (J5): what any other error says of its own attempt says nothing of the earlier one.
    pub(crate) fn answered(&mut self, append: &Append, answer: Result<Appended>) -> Next {
        let error = match answer {
            Err(error) => error,
            receipt => return Next::Done(receipt),
        };
        match error.kind() {
            ErrorKind::OutcomeUnknown => self.repeat_unknown(),
            ErrorKind::Unavailable if self.unknown.is_some() => self.repeat_unknown(),
            ErrorKind::Unavailable => {
                let start = || self.policy.start(self.ids.clone());
                match self.unavailable.get_or_insert_with(start).next_delay() {
                    Some(delay) => Next::Repeat(delay),
                    None => Next::Done(Err(error)),
                }
            }
            ErrorKind::Conflict { .. } => Next::Done(Err(error)),
            _ if self.unknown.is_some() => Next::Done(Err(unknown(append).with_source(error))),
            _ => Next::Done(Err(error)),
        }
    }

    /// How the append ends when its deadline passes. An attempt `in_flight` may be stored yet.
    pub(crate) fn deadline_passed(self, append: &Append, in_flight: bool) -> Error {
        if in_flight || self.unknown.is_some() {
            return unknown(append);
        }
        Error::unavailable(format!(
            "events {}-{} of {} were not written: the store was unavailable until the deadline",
            append.range().from,
            append.range().to,
            append.id(),
        ))
    }

    fn repeat_unknown(&mut self) -> Next {
        let policy = self.policy.with_retries_max(u32::MAX);
        let start = || policy.start(self.ids.clone());
        let delay = self.unknown.get_or_insert_with(start).next_delay();
        Next::Repeat(delay.unwrap_or(policy.max))
    }
}

fn unknown(append: &Append) -> Error {
    Error::outcome_unknown(format!(
        "whether events {}-{} of {} were stored is not known: read the entity before repeating",
        append.range().from,
        append.range().to,
        append.id(),
    ))
}
