//! The store on AWS's own DynamoDB Local.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod conformance;
mod deleted;
mod golden;
mod killed;
mod large;
mod lost;
mod pekko_items;
mod refused;
mod rivals;
mod support;
mod wire;
