//! The program `annals`: look into a store of any kind, and run it.
//!
//! ```text
//!  arguments ── args ──► cli/<noun> ──► Store (opened by `session`, read-only where that is enough)
//!  stdin ─── input ────────┘   └──────► output: JSON lines or a table on stdout
//!                                       report: notes, progress, the error on stderr ──► exit code
//! ```
//!
//! One file per noun in `cli`. JSON forms of events, snapshots and payloads are in `record`, in one
//! place for what is printed, exported and read back.
//!
//! | exit code | |
//! | --- | --- |
//! | 0 | done (also a dry run, and a stdout that was closed by its reader) |
//! | 1 | internal |
//! | 2 | wrong usage |
//! | 3 | invalid, unsupported |
//! | 4 | conflict, fenced |
//! | 5 | unavailable, closed |
//! | 6 | outcome unknown |
//! | 7 | corrupt |

mod args;
mod cli;
mod input;
mod output;
mod record;
mod report;
mod run;
mod session;
mod time;
mod transfer;

pub use run::{Io, Stores, main, run};
