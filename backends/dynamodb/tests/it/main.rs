//! The store on AWS's own DynamoDB Local.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod conformance;
mod deleted;
mod golden;
mod ids;
mod killed;
mod large;
mod lost;
mod pekko_items;
mod proxied;
mod raw;
mod reading;
mod refused;
mod rivals;
mod slept;
mod snapshots;
mod support;
mod throttled;
mod wire;
