//! The facade and the examples as their users see them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod entities;
mod flights;
mod http;
mod open;
mod program;
mod spans;
