//! Real servers for tests: AWS's DynamoDB Local and Apache Cassandra as plain JVM processes on loopback.
//!
//! Ordinary tests share one server and ask for its address:
//!
//! ```no_run
//! let endpoint = annals_servers::dynamodb(); // http://127.0.0.1:PORT
//! let contact = annals_servers::cassandra(); // 127.0.0.1:PORT
//! ```
//!
//! That is the server of `cargo xtask test`, which sets `ANNALS_DYNAMODB` and `ANNALS_CASSANDRA`, or else one
//! that is started for this test process. Tests that hurt their server start one of their own:
//! [`DynamoDb`], [`Cassandra`], [`CassandraCluster`]. A [`Front`] stands before a server, or answers itself.
//!
//! ```text
//! test process ──pipe──► guard.sh ──► dynamodb.sh | cassandra.sh ──► JVM
//! ```
//!
//! A guard ends the server when the pipe closes, which the kernel does however the test process ends. All
//! calls block; asynchronous tests that go on working meanwhile use a blocking thread.
//!
//! Needs Linux, bash, a JDK 17 and Maven (`README.md`, beside the scripts, has the facts).

mod cassandra;
mod cluster;
mod cql;
mod dynamodb;
mod error;
mod front;
mod guard;
mod port;
mod shared;

pub use cassandra::{Cassandra, CassandraOptions};
pub use cluster::CassandraCluster;
pub use dynamodb::{DynamoDb, Storage};
pub use error::{Error, Result};
pub use front::{Behind, Front, Instead, relay};
pub use shared::{ANNALS_CASSANDRA, ANNALS_DYNAMODB, cassandra, dynamodb};
