//! What a person is told beside the result: notes, progress, the error and its exit code.

use std::error::Error as _;
use std::io::{self, Write};
use std::time::Duration;

use annals::{Error, ErrorKind};
use indicatif::{ProgressBar, ProgressStyle};

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed.
    Error(Error),
    /// The command line says too little or too much.
    Usage(&'static str),
    /// Its result could not be written.
    Output(io::Error),
}

/// What a command gives.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code for wrong usage, as `clap` has it.
const USAGE: u8 = 2;

/// Writes to stderr.
pub(crate) struct Report {
    stderr: Box<dyn Write + Send>,
    progress: bool,
}

impl Report {
    pub(crate) fn new(stderr: Box<dyn Write + Send>, progress: bool) -> Self {
        Self { stderr, progress }
    }

    /// A line for the person who watches.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        // A stderr that cannot be written to is no reason to end the work.
        let _ = writeln!(self.stderr, "{}", text.as_ref());
    }

    /// A bar of `total` steps, or a counter when that is not known; hidden unless stderr is a terminal.
    pub(crate) fn progress(&self, what: &'static str, total: Option<u64>) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let (bar, style) = match total {
            Some(total) => (ProgressBar::new(total), "{prefix} {wide_bar} {pos}/{len} {eta}"),
            None => (ProgressBar::no_length(), "{prefix} {spinner} {pos} ({per_sec})"),
        };
        let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
        let bar = bar.with_style(style).with_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Says how it ended, and gives the exit code.
    pub(crate) fn end(mut self, done: Outcome) -> u8 {
        let error = match done {
            Ok(()) => return 0,
            // Whoever reads has enough: `annals events all | head` is no failure.
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
            Err(Failure::Output(error)) => {
                Error::unavailable("stdout could not be written").with_source(error)
            }
            Err(Failure::Usage(text)) => {
                self.note(format!("error: {text}"));
                return USAGE;
            }
            Err(Failure::Error(error)) => error,
        };
        self.note(format!("error: {}: {}", error.kind().name(), describe(&error)));
        exit_code(error.kind())
    }
}

/// The error and its causes in one line.
pub(crate) fn describe(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid | ErrorKind::Unsupported => 3,
        ErrorKind::Conflict { .. } | ErrorKind::Fenced => 4,
        ErrorKind::Unavailable | ErrorKind::Closed => 5,
        ErrorKind::OutcomeUnknown => 6,
        ErrorKind::Corrupt => 7,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use annals::SeqNr;

    use super::*;

    #[test]
    fn each_kind_has_its_exit_code() {
        let codes = [
            (ErrorKind::Internal, 1),
            (ErrorKind::Invalid, 3),
            (ErrorKind::Unsupported, 3),
            (ErrorKind::Conflict { highest: SeqNr::ZERO }, 4),
            (ErrorKind::Fenced, 4),
            (ErrorKind::Unavailable, 5),
            (ErrorKind::Closed, 5),
            (ErrorKind::OutcomeUnknown, 6),
            (ErrorKind::Corrupt, 7),
        ];
        for (kind, code) in codes {
            let report = Report::new(Box::new(io::sink()), false);
            assert_eq!(report.end(Err(Error::new(kind, "x").into())), code, "{kind:?}");
        }
    }

    #[test]
    fn a_closed_stdout_is_no_failure_and_a_full_one_is() {
        let end = |kind| {
            let report = Report::new(Box::new(io::sink()), false);
            report.end(Err(Failure::Output(io::Error::from(kind))))
        };
        assert_eq!(end(io::ErrorKind::BrokenPipe), 0);
        assert_eq!(end(io::ErrorKind::StorageFull), 5);
    }

    #[test]
    fn causes_are_told_once() {
        let cause = Error::corrupt("the frame is cut");
        let error = Error::corrupt("account|a cannot be read: the frame is cut").with_source(cause);
        assert_eq!(describe(&error), "account|a cannot be read: the frame is cut");
    }
}
