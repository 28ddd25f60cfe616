//! The one public error. Its kind says what the caller does next; its message says what failed, on
//! which entity, and what was not lost.

use std::error::Error as StdError;
use std::fmt;

use crate::SeqNr;

/// A result of the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller does next. A write has three outcomes: stored (`Ok`), not stored (every kind but
/// one), and unknown ([`ErrorKind::OutcomeUnknown`]); none is ever folded into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing was written, since the entity's history is not where the caller thought: reload and
    /// decide again. `highest` is the highest sequence number that is, or ever was, stored.
    Conflict {
        /// The highest number stored, deleted events included.
        highest: SeqNr,
    },
    /// Ownership of the entity was lost and nothing was written: stop.
    Fenced,
    /// The request can never succeed as it is; nothing was written and no number used up.
    Invalid,
    /// The store cannot do this, as its capabilities say; nothing was written.
    Unsupported,
    /// Nothing was written; the same request may succeed later.
    Unavailable,
    /// Perhaps written: repeat the very same append, or reload.
    OutcomeUnknown,
    /// Stored data is not what was written: damaged, cut or foreign. Never skipped in silence.
    Corrupt,
    /// The store was closed, or closed itself after a failed sync: open it anew.
    Closed,
    /// A defect of annals itself; nothing is known about the outcome.
    Internal,
}

impl ErrorKind {
    /// The kind's name, as the program `annals` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Fenced => "fenced",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome unknown",
            Self::Corrupt => "corrupt",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

/// The error of every operation of the contract.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is lower-case, without a full stop, and names the entity.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, its message preceded by what was being done: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed, without the causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether this is a [`ErrorKind::Conflict`].
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind, ErrorKind::Conflict { .. })
    }

    /// A conflict, with the highest number stored.
    pub fn conflict(highest: SeqNr, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict { highest }, message)
    }

    /// See [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// See [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// See [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// See [`ErrorKind::OutcomeUnknown`].
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OutcomeUnknown, message)
    }

    /// See [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// See [`ErrorKind::Closed`].
    pub fn closed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed, message)
    }

    /// See [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
