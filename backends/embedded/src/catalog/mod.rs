//! Where everything in the log is. Truth is the log; the catalog can always be made anew from it.
//!
//! ```text
//! active ──roll──► sealing (in memory) ──index written──► sealed (index files)
//! ```

mod change;
mod mem_index;
mod sealed;
mod state;

pub(crate) use change::Change;
pub(crate) use mem_index::{Entry, EntryRef, Head, MemIndex, Snapshots};
pub(crate) use sealed::Sealed;
pub(crate) use state::{Planned, State};
