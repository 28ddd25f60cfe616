//! The contract of annals: what a journal, a snapshot store, a read journal and an offset store
//! promise, and the types that they share. No I/O, no store's name, no runtime.
//!
//! The promises are numbered clauses (J1-J11, S1-S5, Q1-Q8, P1-P3), written on the traits; the
//! crate `annals-conformance` holds a case for each clause that every store must pass.
//!
//! | trait | what it keeps |
//! | --- | --- |
//! | [`Journal`] | the events of each entity, numbered 1, 2, 3 … |
//! | [`SnapshotStore`] | states of entities at some number, to shorten recovery |
//! | [`ReadJournal`] | the same events, read across entities, resumable at an [`Offset`] |
//! | [`OffsetStore`] | how far each projection has come |
//!
//! A [`Store`] is the four of them over one place.

mod error;
mod number;
mod persistence_id;

mod append;
mod causation;
mod event;
mod payload;
mod tag;
mod writer;

mod capabilities;
mod journal;
mod journal_ext;
mod offset_store;
mod read_journal;
mod snapshot;
mod store;

mod environment;
mod retry;
mod serializer;

pub use append::{Append, AppendMode, Appended};
pub use capabilities::Capabilities;
pub use causation::Causation;
pub use environment::{Clock, Ids, Sleep};
pub use error::{Error, ErrorKind, Result};
pub use event::{NewEvent, StoredEvent};
pub use journal::{Batch, Bounds, BoxStream, Journal};
pub use journal_ext::JournalExt;
pub use number::{SeqNr, SeqRange, Timestamp};
pub use offset_store::{OffsetRevision, OffsetSave, OffsetStore, StoredOffset};
pub use payload::{Payload, SerializerId};
pub use persistence_id::{PersistenceId, Slice, SliceRange};
pub use read_journal::{Envelope, IdEntry, IdPage, Offset, Page, ReadJournal, Scope, Wakeup};
pub use retry::{Retry, RetryPolicy};
pub use serializer::{Codec, Registry, Serializer};
pub use snapshot::{
    DeletedPrefix, Snapshot, SnapshotCriteria, SnapshotInfo, SnapshotStore, SnapshotStoreExt,
};
pub use store::Store;
pub use tag::{Tag, Tags};
pub use writer::{AppendId, WriterId};
