//! The tests over real servers: one node for the suite, nodes of their own for faults.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod claims;
mod clocks;
mod conformance;
mod faults;
mod flavours;
mod history;
mod late;
mod leftovers;
mod lost;
mod pekko;
mod races;
mod rebuild;
#[cfg(feature = "tls")]
mod secured;
mod support;
mod tags;
mod together;
mod wire;
