//! The facade and the main example as their users see them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod entities;
mod flights;
mod open;
