//! The embedded store from outside: the conformance kit, and what only a log can get wrong.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "tests may panic, wait and start tasks"
)]

mod backup;
mod child;
mod compaction;
mod compaction_crash;
mod compaction_readers;
mod conformance;
mod damage;
mod decoder;
mod faults;
mod files;
mod format_document;
mod fuzz;
mod golden;
mod kill;
mod kill_compacting;
mod live;
mod model;
mod power_loss;
mod read_only;
mod seed;
mod sim;
mod support;
mod workload;
