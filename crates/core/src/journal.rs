//! The journal: what every store promises about the events of an entity.

use std::fmt::Debug;
use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;

use crate::{
    Append, Appended, Capabilities, PersistenceId, Result, SeqNr, SeqRange, StoredEvent, WriterId,
};

/// A stream that owns what it needs.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// How far an entity's history reaches. The stored events are `deleted_to + 1 ..= highest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds {
    /// The highest number deleted; 0 if none.
    pub deleted_to: SeqNr,
    /// The highest number ever stored; 0 if none. Never decreases.
    pub highest: SeqNr,
}

impl Bounds {
    /// The numbers that a replay of everything delivers.
    pub fn stored(self) -> SeqRange {
        SeqRange::new(self.deleted_to.next(), self.highest)
    }
}

/// Some events of one entity, ascending and contiguous.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The events; never empty in a stream.
    pub events: Vec<StoredEvent>,
}

/// The events of entities. Clauses, on every store:
///
/// * **J1 atomic**: all events of an append are stored or none, whatever crashes when; an append that
///   is not whole is visible to nobody. A reader's bounds cut what is delivered, never what counts as
///   stored.
/// * **J2 contiguous**: they get `after + 1 …`.
/// * **J3 durable**: `Ok` means that it survives the loss of power, or of a minority of replicas.
/// * **J4 exclusive**: if anything at or past `after + 1` is or ever was stored, the answer is
///   `Conflict` with the highest number (`Fenced` where ownership was lost) and nothing stored changes.
///   `after` above the highest is `Conflict` too, where `detects_ahead`.
/// * **J5 decidable**: the same append (same `append_id`) repeated gives its receipt, or `Conflict`;
///   never a duplicate. Equal bytes under different ids are two appends.
/// * **J6 visible**: after `Ok`, replay and bounds see it at once, from any process.
/// * **J7 refused early**: too large, empty or malformed is `Invalid` before anything is written, and
///   uses up no number.
/// * **J8 ordered replay**: ascending and contiguous from `deleted_to + 1` to the highest number; a
///   hole is `Corrupt`.
/// * **J9 bounded**: replay holds a bounded number of bytes, however long the history.
/// * **J10 deletes**: numbers are never reused; `to` beyond the highest is capped; a delete that was
///   interrupted is reported and can be repeated.
/// * **J11 ingest**: an id that never held an event may be begun at k, with `deleted_to = k - 1`
///   ([`AppendMode::Ingest`](crate::AppendMode::Ingest)); events keep their writer, timestamp and tags.
#[async_trait]
pub trait Journal: Debug + Send + Sync + 'static {
    /// Limits and abilities.
    fn capabilities(&self) -> Capabilities;

    /// Called before the replay of a recovery that will append: a store that grants ownership of an
    /// entity to a writer does it here. Gives the bounds.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds>;

    /// Stores the events of `append`, all or none (J1-J7); an offset that it carries with them (P2).
    /// Where that offset was moved by another, the answer is `Conflict` as well, and its `highest` is the
    /// append's `after`.
    ///
    /// # Errors
    /// Any kind; only `OutcomeUnknown` (and `Internal`) may have stored something.
    async fn append(&self, append: Append) -> Result<Appended>;

    /// Called when the writer is done with the entity; gives back what `begin` granted.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()>;

    /// The stored events of `range` in bounded batches (J8, J9); nothing for an unknown id. It covers
    /// what is stored when the stream is first polled.
    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>>;

    /// How far the history reaches; both 0 for an unknown id.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds>;

    /// Deletes the events up to `to`, which is capped at the highest number (J10). Deleting what is
    /// deleted already does nothing.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (repeat it), `Corrupt`, `Closed`.
    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()>;

    /// Ends the store in order: waits for what is in flight, then refuses everything as `Closed`.
    ///
    /// # Errors
    /// `Unavailable` if the orderly end could not be recorded; nothing acknowledged is lost by that.
    async fn close(&self) -> Result<()>;
}
