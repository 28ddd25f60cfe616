//! Event-sourced entities whose journal never loses or overwrites an acknowledged event.
//!
//! An entity is a durable actor: every change of its state is an event in a journal, and its state is
//! what its events add up to. A store keeps journals, and is opened by a URL:
//!
//! ```
//! use annals::environment::System;
//! use annals::{Append, Clock, Ids, JournalExt, NewEvent, Payload, PersistenceId, SeqNr, SeqRange};
//! use annals::SerializerId;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> annals::Result<()> {
//! let store = annals::open("memory:").await?;
//! let system = System::new();
//!
//! let alice = PersistenceId::of("account", "alice")?;
//! let opened = NewEvent::new(Payload::new(SerializerId::STRING, "", "opened"), system.now());
//! let append =
//!     Append::new(system.append_id(), alice.clone(), SeqNr::ZERO, system.writer_id(), vec![opened])?;
//! let receipt = store.journal.append(append).await?;
//! assert_eq!(receipt.last, SeqNr::FIRST);
//!
//! let events = store.journal.read_all(&alice, SeqRange::ALL).await?;
//! assert_eq!(events.len(), 1);
//! # store.close().await
//! # }
//! ```
//!
//! # Stores
//!
//! | URL | store | feature |
//! | --- | --- | --- |
//! | `memory:` | in memory, for tests | |
//! | `embedded:PATH` | a log in a directory of this machine | `embedded` (default) |
//! | `dynamodb:…`, `cassandra:…` | not there yet: `Unsupported` | |
//!
//! [`open`] gives a [`Store`]: the four contracts of `annals-core` (journal, snapshots, read journal,
//! offsets), whichever place keeps them. What a store promises is written, clause by clause, on these
//! traits; what it can do and how much it takes are its [`Capabilities`].
//!
//! # A write has three outcomes
//!
//! Stored (`Ok`), not stored, and unknown. The [`ErrorKind`] says what to do next: reload after
//! `Conflict`, repeat the very same append after `OutcomeUnknown`, retry after `Unavailable`.

pub mod environment;
mod store;
mod url;

pub use annals_core::*;
pub use annals_entity as entity;
pub use annals_memory as memory;
#[cfg(feature = "pekko")]
pub use annals_pekko as pekko;
pub use annals_query as query;

pub use store::{Store, open, open_read_only};
