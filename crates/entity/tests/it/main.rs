//! The runtime over a store in memory, behind a wrapper that injects every kind of fault.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

mod account;
mod faulty;
mod world;

mod adapters;
mod batches;
mod causes;
mod keeping;
mod kit;
mod limits;
#[cfg(feature = "metrics")]
mod measures;
mod recovery;
mod signals;
mod snapshots;
mod spans;
mod stopping;
mod threads;
mod timers;
mod waiting;
mod writing;
