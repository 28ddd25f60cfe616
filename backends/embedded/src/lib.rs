//! The annals store on one machine: a segmented, group-committed log.

#[doc(hidden)]
pub mod fuzzing;
pub mod storage;

mod apply;
mod backup;
mod builder;
mod catalog;
mod compaction;
mod damage;
mod end_file;
mod engine;
mod follower;
mod format;
mod index;
mod journal;
mod log;
mod lookup;
mod offset_store;
mod position;
mod read;
mod read_journal;
mod recovery;
mod sealer;
mod settings;
mod snapshot;
mod stats;
mod store;
mod verify;

pub use backup::Backup;
pub use builder::EmbeddedBuilder;
pub use compaction::Compacted;
pub use settings::{Compaction, Settings};
pub use stats::Stats;
pub use store::EmbeddedStore;
pub use verify::Verified;
