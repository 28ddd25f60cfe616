//! What the driver's errors mean to a caller: nothing written, perhaps written, or nothing that a
//! repetition would mend.

use annals_core::{Error, ErrorKind};
use scylla::errors::{
    DbError, ExecutionError, MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

/// What a failed read means.
pub(crate) fn of_read(what: impl std::fmt::Display, error: ExecutionError) -> Error {
    let kind = match outcome(&error) {
        Outcome::Refused => ErrorKind::Invalid,
        Outcome::NotDone | Outcome::Unknown => ErrorKind::Unavailable,
    };
    said(kind, what, error)
}

/// What a failed write means. The driver must not have repeated it by itself: then the first attempt
/// may have got through, whatever was said of the last.
pub(crate) fn of_write(what: impl std::fmt::Display, error: ExecutionError) -> Error {
    let kind = match outcome(&error) {
        Outcome::Refused => ErrorKind::Invalid,
        Outcome::NotDone => ErrorKind::Unavailable,
        Outcome::Unknown => ErrorKind::OutcomeUnknown,
    };
    said(kind, what, error)
}

/// What a failed preparation means; it writes nothing.
pub(crate) fn of_prepare(cql: &str, error: PrepareError) -> Error {
    let refused = match &error {
        PrepareError::AllAttemptsFailed { first_attempt } => {
            matches!(of_attempt(first_attempt), Outcome::Refused)
        }
        _ => false,
    };
    let kind = if refused { ErrorKind::Invalid } else { ErrorKind::Unavailable };
    let hint = if refused { "; `schema check` names what the tables lack" } else { "" };
    let message = format!("Cassandra did not prepare `{cql}`: {error}{hint}");
    Error::new(kind, message).with_source(error)
}

/// What a failed connection means.
pub(crate) fn of_connect(nodes: &str, error: NewSessionError) -> Error {
    let text = error.to_string();
    let refused = text.contains("Authentication") || text.contains("authentication");
    let kind = match &error {
        NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList => {
            ErrorKind::Invalid
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(_)) if refused => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("no connection to Cassandra at {nodes}: {text}")).with_source(error)
}

/// A row that does not hold what it must.
pub(crate) fn of_rows(
    what: impl std::fmt::Display,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::corrupt(format!("{what}: {error}")).with_source(error)
}

enum Outcome {
    /// Nothing was done, and the same request can never succeed.
    Refused,
    /// Nothing was done.
    NotDone,
    /// It may have been done.
    Unknown,
}

fn outcome(error: &ExecutionError) -> Outcome {
    match error {
        ExecutionError::BadQuery(_) => Outcome::Refused,
        ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_) => Outcome::NotDone,
        ExecutionError::LastAttemptError(attempt) => of_attempt(attempt),
        _ => Outcome::Unknown,
    }
}

fn of_attempt(error: &RequestAttemptError) -> Outcome {
    match error {
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_) => Outcome::Refused,
        RequestAttemptError::UnableToAllocStreamId => Outcome::NotDone,
        RequestAttemptError::DbError(error, _) => match error {
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError => Outcome::Refused,
            // An overloaded coordinator may have sent the write to some replicas before it said so.
            DbError::Unavailable { .. } | DbError::IsBootstrapping | DbError::Unprepared { .. } => {
                Outcome::NotDone
            }
            _ => Outcome::Unknown,
        },
        _ => Outcome::Unknown,
    }
}

fn said(kind: ErrorKind, what: impl std::fmt::Display, error: ExecutionError) -> Error {
    Error::new(kind, format!("{what}: {error}")).with_source(error)
}

/// Others were faster again and again.
pub(crate) fn contended(what: String) -> Error {
    Error::unavailable(format!(
        "{what}: others changed it at the same time, again and again; try again"
    ))
}
