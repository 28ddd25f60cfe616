//! The benchmarks: a store of ours against its physical limit and against the engines that a user
//! would otherwise pick, in one run on one machine, so that what counts is a ratio.
//!
//! ```text
//!             driver: N tasks, each appends and waits for its receipt
//!                │                   │                     │
//!            the store        group commit thread   group commit thread
//!                             into a raw file       into fjall, redb, SQLite
//!                             (the limit)           (the peers)
//! ```
//!
//! The runs of a figure are interleaved, so that a slow minute of the machine meets all of them; a
//! figure is the median of the ratios of its rounds, and its spread their lowest and highest.

mod plan;

#[cfg(feature = "dynamodb")]
mod answer;
mod commit;
mod driver;
mod number;
mod payload;
mod process;

mod raw;
mod subject;
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
mod turns;

#[cfg(feature = "peers")]
mod peers;

mod child;
mod figures;
mod load;
mod report;

pub use child::{Child, heap_of_replay, run as run_child};
pub use figures::{Bench, EntityFigure, Figure, heap_of_idle};
#[cfg(feature = "cassandra")]
pub use figures::{CassandraFigure, heap_of_cassandra_replay};
#[cfg(feature = "dynamodb")]
pub use figures::{DynamoDbFigure, heap_of_dynamodb_replay};
pub use plan::Plan;
pub use report::Report;

/// What a benchmark answers: an error is for the person at the terminal.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
