//! The annals store on DynamoDB, in exactly the tables of Apache Pekko's plugin
//! `pekko-persistence-dynamodb` (and Akka's, version 1.x): a JVM service and a Rust service can hand
//! one journal back and forth.
//!
//! ```no_run
//! # async fn open() -> annals_core::Result<()> {
//! let store = annals_dynamodb::DynamoDb::builder()
//!     .endpoint("http://127.0.0.1:8000")
//!     .static_credentials("any", "any")
//!     .open()
//!     .await?
//!     .store();
//! # Ok(())
//! # }
//! ```
//!
//! # What is written
//!
//! | append | request |
//! | --- | --- |
//! | one event | one `PutItem`, on condition that its key is free |
//! | 2 to 100 items, or one event with a high mark | one `TransactWriteItems` with the same condition |
//! | more | an intent, chunks of events, and a transaction that commits them with the first event |
//!
//! The condition is what a second writer fails on (J4). A reply that got lost is resolved by the same
//! condition: the repeated request fails on the item that the first one stored, and that item carries
//! the append's id.
//!
//! What Pekko does not store (append id, time, tags, metadata) stands in attributes that begin with
//! `annals_`, which Pekko ignores.
//!
//! # Limits
//!
//! An append past the end is not detected (`detects_ahead`): callers pass only numbers that they learned
//! from the store. Reading by tag and by slices, and all events in one order, are *unsupported*: Pekko's
//! tables have no place for it. Projection offsets are kept in a table of our own.

mod names;
mod settings;

mod client;
mod http;
mod id_key;
mod keys;
mod near_limit;
mod position;

mod item;
mod snapshot_item;

mod append;
mod delete;
mod intents;
mod purge;
mod read;

mod builder;
mod journal;
mod listing;
mod offset_store;
mod pulse;
mod read_journal;
mod schema;
mod snapshot;
mod store;
mod table;

pub use builder::DynamoDbBuilder;
pub use client::Stats;
pub use names::{Meaning, Section, is_secret};
pub use schema::{SchemaOptions, Statement, TableInfo};
pub use settings::{ApiLimits, ClientSettings, Credentials, Holes, IdListing, Proxy, Settings};
pub use store::DynamoDb;
pub use table::{Billing, Difference, IdIndex};
