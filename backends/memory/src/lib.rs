//! The annals store in memory: every clause of the contract but J3 (nothing survives the process).
//! For tests, examples and programs that need no history beyond their own life.
//!
//! ```
//! use annals_memory::MemoryStore;
//!
//! let store = MemoryStore::new().store();
//! assert!(!store.capabilities().durable);
//! ```
//!
//! One lock guards one log. The place of an event in that log is its offset, so the order of commits
//! is total and readers across entities skip nothing.

mod options;
mod state;
mod store;

mod journal;
mod offset_store;
mod read_journal;
mod snapshot;

pub use options::MemoryOptions;
pub use store::MemoryStore;
