//! The facade as its users see it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod open;
