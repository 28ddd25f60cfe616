//! Drives a real Pekko application (`pekko-app/`), whose entities live on the real plugins, so that tests
//! can let it and annals read and continue each other's journals.
//!
//! ```text
//! test ──► App (one JVM per process) ──► PekkoSystem (an actor system with its configuration)
//!              ▲ JSON lines on stdin and stdout
//! ```
//!
//! Needs a JDK 17, and Maven to build the application when its sources have changed.

mod app;
mod build;
mod system;

mod bench;
mod cassandra;
mod dynamodb;

pub use app::{App, Error, Result};
pub use bench::{Appends, Figures};
pub use cassandra::Keyspaces;
pub use dynamodb::Tables;
pub use system::{Envelope, Mode, PekkoSystem, Recovered, Recovery, Replayed, Snapshot};
