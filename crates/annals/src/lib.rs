//! Event-sourced entities whose journal never loses or overwrites an acknowledged event.
//!
//! An entity is a durable actor: every change of its state is an event in a journal, and its state is
//! what its events add up to. A store keeps journals, and is opened by a URL:
//!
//! ```
//! use annals::{Context, Effect, EventSourced, Reply};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default)]
//! struct Account { cents: u64 }
//!
//! #[derive(Clone)]
//! enum Command {
//!     Deposit { cents: u64, reply: Reply<u64> },
//!     Balance { reply: Reply<u64> },
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! enum Event { Deposited { cents: u64 } }
//!
//! impl EventSourced for Account {
//!     const ENTITY_TYPE: &'static str = "account";
//!     type Command = Command;
//!     type Event = Event;
//!
//!     fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
//!         match command {
//!             Command::Deposit { cents, reply } => Effect::persist(Event::Deposited { cents })
//!                 .then_reply(reply, |account: &Self| account.cents),
//!             Command::Balance { reply } => Effect::reply(reply, self.cents),
//!         }
//!     }
//!
//!     fn apply(&mut self, event: &Event) {
//!         let Event::Deposited { cents } = event;
//!         self.cents += cents;
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> annals::Result<()> {
//! let store = annals::open("memory:").await?;        // or "embedded:./data"
//! let accounts = store.entities::<Account>().start();
//! let alice = accounts.entity("alice");
//! alice.ask(|reply| Command::Deposit { cents: 100, reply }).await?;
//! accounts.stop().await?;
//!
//! let accounts = store.entities::<Account>().start(); // recovers what was stored
//! let balance = accounts.entity("alice").ask(|reply| Command::Balance { reply }).await?;
//! assert_eq!(balance, 100);
//! # accounts.stop().await?;
//! # store.close().await
//! # }
//! ```
//!
//! An answer comes after its events are stored: [`EntityRef::ask`] that gives `Ok` means that they
//! survive. The example `flights` of this crate is a whole program.
//!
//! Snapshots shorten recovery: `.snapshot_codec(annals::json("account.State"))` with
//! `.snapshot_every(1_000, annals::keep(2))`. [`Store::query`] reads events across entities, and
//! [`Store::projection`] feeds them to a handler, at least or exactly once.
//!
//! # Stores
//!
//! | URL | store | feature |
//! | --- | --- | --- |
//! | `memory:` | in memory, for tests | |
//! | `embedded:PATH` | a log in a directory of this machine | `embedded` (default) |
//! | `embedded:PATH?segment-bytes=N&direct=false` | the same with settings of [`embedded::Settings`] | |
//! | `dynamodb://HOST:PORT`, `dynamodb:` | the tables of Pekko's plugin on a DynamoDB server, or on AWS | `dynamodb` |
//! | `cassandra://HOST:PORT[,HOST:PORT …]?journal.keyspace=K&snapshot.keyspace=S` | Apache Cassandra, in the tables of Pekko's plugin; settings under their names in its `reference.conf` | `cassandra` |
//!
//! [`open`] gives a [`Store`]: the four contracts of `annals-core` (journal, snapshots, read journal,
//! offsets), whichever place keeps them. What a store promises is written, clause by clause, on these
//! traits; what it can do and how much it takes are its [`Capabilities`].
//!
//! # A write has three outcomes
//!
//! Stored (`Ok`), not stored, and unknown. The [`ErrorKind`] says what to do next: reload after
//! `Conflict`, repeat the very same append after `OutcomeUnknown`, retry after `Unavailable`.

#[cfg(feature = "cassandra")]
mod cassandra_settings;
mod codec;
#[cfg(feature = "dynamodb")]
mod dynamodb_settings;
pub mod environment;
#[cfg(feature = "cassandra")]
mod server;
mod store;
mod url;

#[cfg(doctest)]
mod guide;

pub use annals_core::*;
pub use annals_entity::{
    Causation, Components, Context, Effect, Entities, EntitiesBuilder, EntityRef, EventSourced,
    Keep, Myself, Recover, Reply, Settings, Signal, Timer, keep,
};
pub use annals_query::{Projection, Query, QueryOptions, Source};

#[cfg(feature = "cassandra")]
pub use annals_cassandra as cassandra;
#[cfg(feature = "dynamodb")]
pub use annals_dynamodb as dynamodb;
#[cfg(feature = "embedded")]
pub use annals_embedded as embedded;
pub use annals_entity as entity;
pub use annals_memory as memory;
#[cfg(feature = "pekko")]
pub use annals_pekko as pekko;
pub use annals_query as query;

pub use codec::{event_codec, json};
#[cfg(feature = "cassandra")]
pub use server::Schema;
pub use store::{Store, open, open_config, open_config_read_only, open_read_only};
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
pub use store::{check_config, check_url};
