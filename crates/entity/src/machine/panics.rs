//! Panics of an application's code, caught where they would end a worker that others share.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use annals_core::Error;

/// A caught panic.
pub(crate) struct Panic(String);

impl Panic {
    /// The error for whoever waits; `what` names what panicked and the entity.
    pub(crate) fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::internal(format!("{what}: the application's code panicked: {}", self.0))
    }
}

/// Calls `code`. The caller discards every state that `code` could change if it panics: that is why
/// asserting unwind safety is right.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| Panic(text(payload.as_ref())))
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => "no message".to_owned(),
    }
}
