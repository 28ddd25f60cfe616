//! The embedded store from outside: the conformance kit, and what only a log can get wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod conformance;
mod read_only;
mod support;
