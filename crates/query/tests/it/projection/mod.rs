//! Projections over real stores, with failures on purpose.

mod at_least_once;
mod exactly_once;
#[cfg(feature = "metrics")]
mod measures;
mod parking;
mod simulation;
mod steering;
mod takeover;
mod world;
