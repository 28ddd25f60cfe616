//! The runtime over a store in memory, behind a wrapper that injects every kind of fault.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

mod account;
mod faulty;
mod world;

mod adapters;
mod batches;
mod kit;
mod limits;
mod recovery;
mod signals;
mod snapshots;
mod stopping;
mod threads;
mod timers;
mod waiting;
mod writing;
