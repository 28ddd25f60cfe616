//! What the driver's errors mean to a caller: nothing written, perhaps written, or nothing that a
//! repetition would mend.

use annals_core::{Error, ErrorKind};
use scylla::errors::{
    ConnectionError, ConnectionPoolError, DbError, ExecutionError, MetadataError, NewSessionError,
    PrepareError, RequestAttemptError,
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

/// What a failed connection means; `encrypted` is whether it was meant to be.
pub(crate) fn of_connect(nodes: &str, encrypted: bool, error: NewSessionError) -> Error {
    let text = error.to_string();
    let refused = REFUSED_CONNECTIONS.iter().find(|(said, _)| text.contains(said));
    let (kind, advice) = match (&error, refused) {
        (NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList, _) => {
            (ErrorKind::Invalid, "")
        }
        (NewSessionError::MetadataError(_), Some((_, advice))) => (ErrorKind::Invalid, *advice),
        // It may be on its way up or down as well.
        (NewSessionError::MetadataError(error), None) if !encrypted && was_cut_off(error) => (
            ErrorKind::Unavailable,
            "; where servers take encrypted connections only, the setting `tls` asks for them",
        ),
        _ => (ErrorKind::Unavailable, ""),
    };
    let message = format!("no connection to Cassandra at {nodes}: {text}{advice}");
    Error::new(kind, message).with_source(error)
}

const OTHER_AUTHORITY: &str = "; `tls-ca-file` (truststore-path) must hold the certificate of the authority that gave \
                               the server its own";

/// What servers, rustls and the driver say when no repetition will mend it, and what to do.
const REFUSED_CONNECTIONS: &[(&str, &str)] = &[
    ("Authentication is required", "; the servers want a `username` and a `password`"),
    (
        "Authentication",
        "; check `username` and `password` (in a configuration advanced.auth-provider), and that the role may log in",
    ),
    ("UnknownIssuer", OTHER_AUTHORITY),
    ("BadSignature", OTHER_AUTHORITY),
    (
        "not valid for name",
        "; the server's certificate must name its address, or the host of a contact point that is given by name. \
         `tls-check-host = off` (hostname-validation) does without, where the authority is the cluster's own",
    ),
    ("invalid peer certificate", "; the servers need another certificate"),
    (
        "received corrupt message",
        "; the server answers without encryption at this port: check the port, or leave out `tls`",
    ),
    (
        "received fatal alert",
        "; servers that ask who their clients are want `tls-certificate-file` and `tls-key-file` (keystore-path), \
         of an authority that they trust",
    ),
    (
        "peer is incompatible",
        "; TLS 1.2 or 1.3 is spoken here: check `tls-ciphers` (cipher-suites)",
    ),
];

/// Whether the server took the connection and then closed it without a word.
fn was_cut_off(error: &MetadataError) -> bool {
    let MetadataError::ConnectionPoolError(ConnectionPoolError::Broken { last_connection_error }) =
        error
    else {
        return false;
    };
    matches!(
        last_connection_error,
        ConnectionError::BrokenConnection(_) | ConnectionError::ConnectionSetupRequestError(_)
    )
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
    let advice = match &error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Unauthorized,
            _,
        )) => "; nothing was changed, and it goes on once the role is granted that permission",
        _ => "",
    };
    Error::new(kind, format!("{what}: {error}{advice}")).with_source(error)
}

/// Others were faster again and again.
pub(crate) fn contended(what: String) -> Error {
    Error::unavailable(format!(
        "{what}: others changed it at the same time, again and again; try again"
    ))
}
