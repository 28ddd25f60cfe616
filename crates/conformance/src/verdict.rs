//! What came of a case, and the checks that cases are written with.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_core::{Error, ErrorKind, SeqNr};

use crate::Missing;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store keeps the clause.
    Passed,
    /// It does not, or something else went wrong; why.
    Failed(String),
    /// It was not checked.
    Ignored(Missing),
}

/// Why a case ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    Ignored(Missing),
}

/// The result of a case or of a step of it.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(format!("unexpected error ({}): {error}", error.kind().name()))
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(reason)) => Self::Failed(reason),
            Err(Stop::Ignored(missing)) => Self::Ignored(missing),
        }
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Stop::Failed(format!($($message)+)));
        }
    };
}

/// Fails the case unless both are equal; the message says what is compared.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($message:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => {
                if *found != *wanted {
                    let what = format!($($message)+);
                    return Err($crate::verdict::Stop::Failed(format!(
                        "{what}: found {found:?}, wanted {wanted:?}"
                    )));
                }
            }
        }
    };
}

pub(crate) use {ensure, ensure_eq};

/// The content of a lock of a case; one that a failing task left behind is as good.
pub(crate) fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails unless `result` is an error of `kind`.
pub(crate) fn expect_kind<T: Debug>(
    result: annals_core::Result<T>,
    kind: ErrorKind,
    what: &str,
) -> Outcome {
    match result {
        Ok(value) => Err(Stop::Failed(format!("{what}: answered {value:?}, not {kind:?}"))),
        Err(error) => {
            ensure_eq!(error.kind(), kind, "{what} ({error})");
            Ok(())
        }
    }
}

/// Fails unless `result` is a conflict at `highest`. Lost ownership is as good an answer where a store
/// grants it.
pub(crate) fn expect_conflict<T: Debug>(
    result: annals_core::Result<T>,
    highest: u64,
    what: &str,
) -> Outcome {
    match result {
        Ok(value) => Err(Stop::Failed(format!("{what}: answered {value:?}, not a conflict"))),
        Err(error) if error.kind() == ErrorKind::Fenced => Ok(()),
        Err(error) => {
            let highest = SeqNr::new(highest).expect("numbers of the kit are small");
            ensure_eq!(error.kind(), ErrorKind::Conflict { highest }, "{what} ({error})");
            Ok(())
        }
    }
}
