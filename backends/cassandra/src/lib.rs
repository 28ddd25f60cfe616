//! The annals store on Apache Cassandra, in the very tables of Pekko's (and Akka's) plugin
//! `pekko-persistence-cassandra`: either side reads what the other wrote.
//!
//! ```no_run
//! # async fn open() -> annals_core::Result<()> {
//! use annals_cassandra::{CassandraSettings, CassandraStore};
//!
//! let settings = CassandraSettings::new().with_keyspaces("bank", "bank_snapshots");
//! let store = CassandraStore::builder(["10.0.0.1:9042"]).settings(settings).open().await?;
//! # drop(store.store()); Ok(())
//! # }
//! ```

mod times;
mod timeuuid;

mod partition;
mod replay_filter;
mod settings;

mod connection;
mod deleted;
mod error;
mod profiles;
mod statements;
mod tls;
mod value;
mod writes;

mod row;

mod end;
mod entities;
mod gather;
mod head;
mod inserts;
mod pages;
mod reader;

mod claims;
mod conditional;
mod plain;

mod builder;
mod journal;
mod leftovers;
mod listing;
mod offset;
mod offset_store;
mod read_journal;
mod replay;
mod schema;
mod snapshot;
mod store;
mod tags;
mod tool;

pub use builder::CassandraBuilder;
pub use leftovers::ProcessCleanup;
pub use listing::{IdRebuild, IdRebuildPage};
pub use partition::{BucketSize, PartitionSize};
pub use replay_filter::{ReplayFilterMode, ReplayFilterSettings};
pub use schema::SchemaReport;
pub use settings::{
    AfterJvm, BackTrackSettings, CassandraSettings, Compression, ConsistencyLevel,
    CreationSettings, Credentials, DriverProfile, DriverSettings, EventsByTagSettings, Fencing,
    Flavour, JournalSettings, QuerySettings, SnapshotSettings, Speculative, TagWriters, Taken,
    TlsSettings,
};
pub use store::CassandraStore;
pub use tags::{RebuiltTags, TagRebuild};
pub use tool::Execution;
