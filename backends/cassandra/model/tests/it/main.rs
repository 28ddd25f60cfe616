//! The model, explored: it holds as described, and each mistake breaks it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod mutants;
mod sound;
mod third_party;
