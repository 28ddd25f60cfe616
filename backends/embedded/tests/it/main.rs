//! The embedded store from outside: the conformance kit, and what only a log can get wrong.

mod conformance;
mod support;
