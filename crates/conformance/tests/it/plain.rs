//! The journal of a plain store. Each flaw is one branch beside the right way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use annals_core::{
    Append, AppendMode, Appended, Batch, Bounds, BoxStream, Capabilities, Error, Journal,
    PersistenceId, Result, SeqNr, SeqRange, StoredEvent, WriterId,
};
use async_trait::async_trait;
use futures_util::stream;
use tokio::sync::watch;

use crate::data::{Data, nr};
use crate::flaw::Flaw;

/// Events of a batch, and of what a flawed store takes for everything.
pub(crate) const PAGE_EVENTS: usize = 100;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    name: "plain",
    durable: true,
    exclusive: true,
    detects_ahead: true,
    tags: true,
    slices: true,
    all_events: true,
    ids_in_order: true,
    offsets: true,
    id_bytes_max: 512,
    events_per_append_max: 20,
    event_bytes_max: 4096,
    append_bytes_max: 4096,
    snapshot_bytes_max: 4096,
    tags_per_event_max: 8,
    text_bytes_max: 512,
    replay_bytes_max: 8192,
};

#[derive(Debug, Clone)]
pub(crate) struct Plain {
    data: Arc<Mutex<Data>>,
    pub(crate) flaw: Option<Flaw>,
    capabilities: Capabilities,
    closed: Arc<AtomicBool>,
    pub(crate) commits: watch::Sender<u64>,
}

impl Plain {
    pub(crate) fn new(
        data: Arc<Mutex<Data>>,
        flaw: Option<Flaw>,
        capabilities: Capabilities,
    ) -> Self {
        let commits = watch::Sender::new(0);
        Self { data, flaw, capabilities, closed: Arc::default(), commits }
    }

    pub(crate) fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn limits(&self) -> Capabilities {
        self.capabilities
    }

    /// Goes on only with a store that has an ability.
    pub(crate) fn needs(&self, ability: bool) -> Result<()> {
        if ability { Ok(()) } else { Err(Error::unsupported("the plain store lacks this")) }
    }

    pub(crate) fn data(&self) -> Result<MutexGuard<'_, Data>> {
        if self.closed.load(Ordering::SeqCst) && !self.is(Flaw::ClosedStillAnswers) {
            return Err(Error::closed("the plain store was closed"));
        }
        Ok(self.data.lock().unwrap())
    }

    /// Checks the limits; gives the append to go on with.
    fn checked(&self, append: Append) -> Result<Append> {
        let mut limits = CAPABILITIES;
        if self.is(Flaw::LimitTooLow) {
            limits.append_bytes_max -= 1;
        }
        let Err(error) = limits.check_append(&append) else { return Ok(append) };
        if self.is(Flaw::NoLimits) {
            return Ok(append);
        }
        if self.is(Flaw::InvalidUsesNumber) {
            self.data()?.bounds.entry(append.id().clone()).or_default().1 += 1;
        }
        if self.is(Flaw::InvalidTruncated) && append.events().len() > limits.events_per_append_max {
            let events = append.events()[..limits.events_per_append_max].to_vec();
            let (id, after) = (append.id().clone(), append.after());
            return Append::new(append.append_id(), id, after, append.writer().clone(), events);
        }
        Err(error)
    }

    /// Whether `append` counts as stored already.
    fn is_repeat(&self, data: &Data, append: &Append) -> bool {
        let (id, range) = (append.id(), append.range());
        if self.is(Flaw::RepeatConflicts) || data.forgets_receipts {
            return false;
        }
        if self.is(Flaw::EqualBytesTakenForRepeat) {
            let own = data.log.iter().filter(|e| e.id == *id && range.contains(e.event.seq_nr));
            let stored: Vec<_> = own.map(|entry| entry.event.payload.clone()).collect();
            let wanted: Vec<_> = append.events().iter().map(|e| e.payload.clone()).collect();
            return stored == wanted;
        }
        data.log.iter().any(|entry| {
            entry.append_id == append.append_id()
                && (entry.id == *id || self.is(Flaw::RepeatAcrossEntities))
        })
    }

    /// Makes place for `append`, or says why there is none.
    fn place(&self, data: &mut Data, append: &Append) -> Result<()> {
        let (deleted_to, highest) = data.bounds(append.id());
        let after = append.after().get();
        let begins = append.mode() == AppendMode::Ingest
            && !self.is(Flaw::IngestRefused)
            && (highest == 0
                || self.is(Flaw::IngestAfterDelete) && deleted_to == highest
                || self.is(Flaw::IngestAnywhere) && after > highest);
        if after == highest
            || begins
            || after > highest && (self.is(Flaw::AheadAccepted) || !self.capabilities.detects_ahead)
        {
            return Ok(());
        }
        if data.forgets_receipts && data.log.iter().any(|e| e.append_id == append.append_id()) {
            return Ok(());
        }
        let own = data.log.iter().filter(|e| e.id == *append.id() && e.event.seq_nr.get() > after);
        let same_writer = own.map(|entry| &entry.event.writer).all(|w| w == append.writer());
        let replaces = !self.capabilities.exclusive
            || self.is(Flaw::Overwrite)
            || self.is(Flaw::SameWriterTrusted) && same_writer;
        if after < highest && replaces {
            data.log.retain(|e| e.id != *append.id() || e.event.seq_nr.get() <= after);
            return Ok(());
        }
        if self.is(Flaw::RefusedAppendStored) {
            data.store(append, highest + 1, 1);
        }
        let shown = if self.is(Flaw::StaleConflict) { after.min(highest) + 1 } else { highest };
        Err(Error::conflict(nr(shown), format!("the entity stands at {highest}")))
    }

    /// Stores a placed append.
    fn store(&self, data: &mut Data, append: &Append) {
        let step = if self.is(Flaw::NumbersWithGap) { 2 } else { 1 };
        let begins = append.mode() == AppendMode::Ingest && data.bounds(append.id()).1 == 0;
        let first = if data.forgets_receipts {
            data.bounds(append.id()).1 + 1
        } else if begins && self.is(Flaw::IngestRenumbers) {
            1
        } else {
            append.range().from.get()
        };
        data.store(append, first, step);
        if begins && self.is(Flaw::IngestForgetsPrefix) {
            data.bounds.entry(append.id().clone()).or_default().0 = 0;
        }
        if self.is(Flaw::IdsPerAppend) && append.range().from > SeqNr::FIRST {
            let listed = (data.last_position, append.id().clone());
            data.ids.push(listed);
        }
        self.announce(data);
    }

    fn announce(&self, data: &Data) {
        if !self.is(Flaw::WakesNever) {
            self.commits.send_modify(|newest| *newest = data.last_position);
        }
    }

    /// Flawed: stores a placed append event by event.
    async fn store_by_parts(&self, append: &Append) -> Result<()> {
        for (offset, event) in (0..).zip(append.events()) {
            let part = Append::new(
                append.append_id(),
                append.id().clone(),
                append.after().plus(offset),
                append.writer().clone(),
                vec![event.clone()],
            )?;
            {
                let mut data = self.data()?;
                data.store(&part, part.range().from.get(), 1);
                self.announce(&data);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// An event as it comes back.
    pub(crate) fn shown(&self, event: &StoredEvent) -> StoredEvent {
        let mut event = event.clone();
        if self.is(Flaw::MetadataDropped) {
            event.metadata = None;
        }
        if self.is(Flaw::TagsDropped) {
            event.tags = annals_core::Tags::NONE;
        }
        if self.is(Flaw::WriterReplaced) {
            event.writer = WriterId::new("plain");
        }
        event
    }
}

#[async_trait]
impl Journal for Plain {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn begin(&self, id: &PersistenceId, _writer: &WriterId) -> Result<Bounds> {
        Journal::bounds(self, id).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let append = self.checked(append)?;
        let late = self.is(Flaw::CheckThenWrite) || self.is(Flaw::HalfAppendVisible);
        {
            let mut data = self.data()?;
            if self.is_repeat(&data, &append) {
                if self.is(Flaw::RepeatStoredAgain) {
                    let highest = data.bounds(append.id()).1;
                    data.store(&append, highest + 1, 1);
                }
                if self.is(Flaw::RepeatSavesOffset) {
                    self.save_with(&mut data, &append);
                }
                return Ok(append.receipt());
            }
            self.check_save_with(&data, &append)?;
            let placed = self.place(&mut data, &append);
            if placed.is_ok() || self.is(Flaw::RefusedAppendSavesOffset) {
                self.save_with(&mut data, &append);
            }
            placed?;
            // One lock from the check to the write; only flawed stores let go in between.
            if !late {
                self.store(&mut data, &append);
            }
        }
        if self.is(Flaw::HalfAppendVisible) {
            self.store_by_parts(&append).await?;
        } else if late {
            tokio::task::yield_now().await;
            self.store(&mut *self.data()?, &append);
        }
        if std::mem::take(&mut self.data()?.lose_acknowledgement) {
            return Err(Error::outcome_unknown("the acknowledgement got lost"));
        }
        let mut receipt = append.receipt();
        if self.is(Flaw::ReceiptOfOne) {
            receipt.last = receipt.first;
        }
        Ok(receipt)
    }

    async fn end(&self, _id: &PersistenceId, _writer: &WriterId) -> Result<()> {
        self.data().map(|_| ())
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let (store, id) = (self.clone(), id.clone());
        // What is left to deliver; read at the first poll.
        let begin = (None::<Vec<StoredEvent>>, SeqNr::ZERO);
        Box::pin(stream::try_unfold(begin, move |(rest, last)| {
            let next = store.next_batch(&id, range, rest, last);
            std::future::ready(next)
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        let data = self.data()?;
        let (mut deleted_to, mut highest) = data.bounds(id);
        if self.is(Flaw::BoundsLag) {
            (deleted_to, highest) = data.old_bounds.get(id).copied().unwrap_or_default();
        }
        if self.is(Flaw::DeletedToForgotten) {
            deleted_to = 0;
        }
        if self.is(Flaw::HighestFromSnapshots) {
            let own = data.snapshots.keys().filter(|(owner, _)| owner == id);
            highest = highest.max(own.map(|(_, seq_nr)| seq_nr.get()).max().unwrap_or(0));
        }
        Ok(Bounds { deleted_to: nr(deleted_to), highest: nr(highest) })
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let mut data = self.data()?;
        let (deleted_to, highest) = data.bounds(id);
        if highest == 0 {
            if self.is(Flaw::DeleteMakesEntity) && !to.is_zero() {
                data.bounds.insert(id.clone(), (to.get(), to.get()));
            }
            return Ok(());
        }
        let to = to.get();
        let events_max = if self.is(Flaw::DeleteOfOnePage) { PAGE_EVENTS } else { usize::MAX };
        data.mark_deleted(id, to, events_max);
        let capped = to.min(highest).max(deleted_to);
        let mut bounds = (capped, highest);
        if self.is(Flaw::DeleteNotCapped) {
            // Not so far that nothing could follow.
            bounds = (to.min(1 << 40).max(deleted_to), to.min(1 << 40).max(highest));
        }
        if self.is(Flaw::DeleteGoesBack) {
            bounds.0 = to.min(highest);
        }
        if self.is(Flaw::NumbersReused) && capped == highest {
            bounds = (0, 0);
        }
        if self.is(Flaw::DeleteOfOnePage) {
            let left = data.log.iter().filter(|entry| entry.id == *id && !entry.deleted);
            bounds.0 = left.map(|entry| entry.event.seq_nr.get() - 1).min().unwrap_or(capped);
        }
        data.bounds.insert(id.clone(), bounds);
        if self.is(Flaw::SnapshotsGoWithEvents) {
            data.snapshots.retain(|(owner, seq_nr), _| owner != id || seq_nr.get() > to);
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        if let Ok(mut data) = self.data() {
            data.closed_at = data.last_position;
        }
        self.closed.store(true, Ordering::SeqCst);
        self.commits.send_modify(|_| {});
        Ok(())
    }
}
