//! One atomic write of events of one entity, and its receipt.

use std::sync::Arc;

use crate::{
    AppendId, Error, NewEvent, OffsetSave, PersistenceId, Result, SeqNr, SeqRange, WriterId,
};

/// Where an append may be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AppendMode {
    /// Directly after the highest number stored.
    #[default]
    Next,
    /// As [`AppendMode::Next`]; and an id that never held an event may also be begun at any
    /// `after + 1`, with `deleted_to = after` (clause J11). For import, copy and restore.
    Ingest,
}

/// One atomic write of one or more events of one entity (Pekko: `AtomicWrite`). The `append_id` and
/// the events' timestamps are drawn once, before the first attempt, so that *the same append* has an
/// identity: whoever repeats it after an unknown outcome gets its receipt, not a second copy. Cheap to
/// clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    append_id: AppendId,
    id: PersistenceId,
    after: SeqNr,
    writer: WriterId,
    /// Shared, so that keeping an append to repeat it does not copy its events.
    events: Arc<Vec<NewEvent>>,
    mode: AppendMode,
    /// Boxed, since few appends carry one.
    offset_save: Option<Box<OffsetSave>>,
}

impl Append {
    /// An append of `events` to `id`, whose writer knows `after` as the highest number.
    ///
    /// # Errors
    /// `Invalid` if there is no event, or if the numbers would pass [`SeqNr::MAX`].
    pub fn new(
        append_id: AppendId,
        id: PersistenceId,
        after: SeqNr,
        writer: WriterId,
        events: Vec<NewEvent>,
    ) -> Result<Self> {
        if events.is_empty() {
            return Err(Error::invalid(format!("an append to {id} holds no event")));
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        if after.get().checked_add(count).and_then(SeqNr::new).is_none() {
            let message = format!("an append to {id} after {after} passes the greatest number");
            return Err(Error::invalid(message));
        }
        let (events, mode) = (Arc::new(events), AppendMode::Next);
        Ok(Self { append_id, id, after, writer, events, mode, offset_save: None })
    }

    /// The same append, placed by `mode`.
    #[must_use]
    pub fn with_mode(mut self, mode: AppendMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same append, which also saves a projection's offset: both are stored or neither (P2). Where
    /// a store keeps no offsets it is `Unsupported`.
    #[must_use]
    pub fn with_offset_save(mut self, offset_save: OffsetSave) -> Self {
        self.offset_save = Some(Box::new(offset_save));
        self
    }

    /// The append's identity.
    pub fn append_id(&self) -> AppendId {
        self.append_id
    }

    /// The entity.
    pub fn id(&self) -> &PersistenceId {
        &self.id
    }

    /// The last number its writer knows.
    pub fn after(&self) -> SeqNr {
        self.after
    }

    /// The incarnation of the entity that writes.
    pub fn writer(&self) -> &WriterId {
        &self.writer
    }

    /// The events, at least one.
    pub fn events(&self) -> &[NewEvent] {
        &self.events
    }

    /// Where it may be placed.
    pub fn mode(&self) -> AppendMode {
        self.mode
    }

    /// The offset that is saved with it.
    pub fn offset_save(&self) -> Option<&OffsetSave> {
        self.offset_save.as_deref()
    }

    /// The numbers its events get.
    pub fn range(&self) -> SeqRange {
        let count = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        SeqRange::new(self.after.next(), self.after.plus(count))
    }

    /// The receipt of this append.
    pub fn receipt(&self) -> Appended {
        let range = self.range();
        Appended { first: range.from, last: range.to }
    }
}

/// The receipt of an append: the numbers its events got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Appended {
    /// The number of its first event.
    pub first: SeqNr,
    /// The number of its last event: the highest one now.
    pub last: SeqNr,
}
