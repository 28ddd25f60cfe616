//! Why a request failed, as a source of our error: each cause once, without the layers that say nothing.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::RequestId;

/// What layers of the SDK say of themselves. What they hold says more.
const LAYERS: &[&str] = &[
    "dispatch failure",
    "response error",
    "construction failure",
    "request has timed out",
    "io error",
    "timeout",
    "other",
    "client error (Connect)",
    "client error (SendRequest)",
    "the credential provider was not enabled",
];

/// An error of the SDK, which shows the first of its causes that says something, and then the others.
#[derive(Debug)]
pub(super) struct Cause(Box<dyn StdError + Send + Sync>);

impl Cause {
    pub(super) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    fn told(&self) -> &(dyn StdError + 'static) {
        let mut told: &(dyn StdError + 'static) = self.0.as_ref();
        while LAYERS.contains(&told.to_string().as_str())
            && let Some(source) = told.source()
        {
            told = source;
        }
        told
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever it holds.
        let mut between = "";
        for line in self.told().to_string().lines().map(str::trim) {
            write!(f, "{between}{line}")?;
            between = if line.ends_with(':') { " " } else { "; " };
        }
        Ok(())
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.told().source()
    }
}

/// What DynamoDB answered instead of doing what was asked.
#[derive(Debug)]
pub(super) struct Answer {
    code: String,
    message: String,
    request_id: Option<String>,
}

impl Answer {
    pub(super) fn of(error: &impl ProvideErrorMetadata) -> Self {
        Self {
            code: error.code().unwrap_or_default().to_owned(),
            message: error.message().unwrap_or("without a message").to_owned(),
            request_id: error.meta().request_id().map(str::to_owned),
        }
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = if self.code.is_empty() { "an error without a name" } else { &self.code };
        write!(f, "{code}: {}", self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl StdError for Answer {}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<dyn StdError + Send + Sync>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Layer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            match &self.1 {
                Some(source) => Some(source.as_ref()),
                None => None,
            }
        }
    }

    #[test]
    fn layers_that_say_nothing_are_left_out_and_every_other_one_is_told_once() {
        let io = io::Error::from(io::ErrorKind::ConnectionRefused);
        let tcp = Layer("tcp connect error", Some(io.into()));
        let connect = Layer("client error (Connect)", Some(tcp.into()));
        let cause = Cause::new(Layer("dispatch failure", Some(connect.into())));
        assert_eq!(cause.to_string(), "tcp connect error");
        assert_eq!(cause.source().unwrap().to_string(), "connection refused");
        assert!(cause.source().unwrap().source().is_none());
    }

    #[test]
    fn a_layer_that_holds_nothing_is_told_and_lines_become_one() {
        assert_eq!(Cause::new(Layer("timeout", None)).to_string(), "timeout");
        let lines = Cause::new(Layer("none found. Attempted:\n  A: x\n  B: y", None));
        assert_eq!(lines.to_string(), "none found. Attempted: A: x; B: y");
    }
}
