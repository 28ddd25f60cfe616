//! The events that were parked, kept as notes in an entity of the journal.
//!
//! ```text
//! parked   NUMBER OFFSET ID   the event waits; its metadata says why
//! removed  NUMBER ID          it waits no more
//! done     ID                 none of the entity's events waits any more
//! ```
//!
//! A note is stored before the projection's offset moves past its event; what lies ahead of the offset
//! when a projection starts will be met again, and is removed.

use std::collections::{HashMap, VecDeque};

use annals_core::{
    Append, Envelope, Error, NewEvent, Offset, Payload, PersistenceId, Result, SeqNr, SeqRange,
    SerializerId, StoredEvent, WriterId,
};
use futures_util::StreamExt;

use super::keeper::Keeper;

/// The entity type of notes. Projections pass over it.
pub(crate) const ENTITY_TYPE: &str = "$parked";

const PARKED: &str = "parked";
const REMOVED: &str = "removed";
const DONE: &str = "done";

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Whose event it is.
    pub persistence_id: PersistenceId,
    /// Its number.
    pub seq_nr: SeqNr,
    /// Its offset.
    pub offset: Offset,
    /// Why its handler failed; or that it waits for an earlier event of its entity.
    pub reason: String,
}

/// The events of one entity that wait.
#[derive(Debug)]
struct Slot {
    /// The number of the note that began it; never used again.
    number: SeqNr,
    events: VecDeque<ParkedEvent>,
}

/// All parked events of one instance of a projection.
#[derive(Debug)]
pub(crate) struct Lot {
    id: PersistenceId,
    key: String,
    writer: WriterId,
    after: SeqNr,
    slots: HashMap<PersistenceId, Slot>,
    events: usize,
}

impl Lot {
    /// Reads the notes of the projection `key`.
    pub(crate) async fn load(keeper: &Keeper, key: &str, writer: WriterId) -> Result<Self> {
        let id = PersistenceId::of(ENTITY_TYPE, key)?;
        let bounds = keeper.store.journal.bounds(&id).await?;
        let after = bounds.highest;
        let (slots, key) = (HashMap::new(), key.to_owned());
        let mut lot = Self { id, key, writer, after, slots, events: 0 };
        if after > bounds.deleted_to {
            let mut notes = keeper.store.journal.replay(&lot.id, bounds.stored());
            while let Some(batch) = notes.next().await {
                batch?.events.iter().try_for_each(|note| lot.read(note))?;
            }
        }
        Ok(lot)
    }

    fn read(&mut self, note: &StoredEvent) -> Result<()> {
        let corrupt = || {
            let (seq_nr, id) = (note.seq_nr, &self.id);
            Error::corrupt(format!("note {seq_nr} of {id} is not one of a parked event"))
        };
        let text = std::str::from_utf8(&note.payload.bytes).map_err(|_| corrupt())?;
        let seq_nr = |text: &str| text.parse().ok().and_then(SeqNr::new).ok_or_else(corrupt);
        let id = |text: &str| PersistenceId::new(text).map_err(|_| corrupt());
        match &*note.event_manifest {
            PARKED => {
                let mut parts = text.splitn(3, ' ');
                let mut part = || parts.next().ok_or_else(corrupt);
                let (number, offset, owner) = (part()?, part()?, part()?);
                let reason = note.metadata.as_ref().map_or(&[][..], |reason| &reason.bytes);
                let event = ParkedEvent {
                    persistence_id: id(owner)?,
                    seq_nr: seq_nr(number)?,
                    offset: offset.parse().map_err(|_| corrupt())?,
                    reason: String::from_utf8_lossy(reason).into_owned(),
                };
                self.insert(event, note.seq_nr);
            }
            REMOVED => {
                let (number, owner) = text.split_once(' ').ok_or_else(corrupt)?;
                self.remove(&id(owner)?, seq_nr(number)?);
            }
            DONE => self.remove_all(&id(text)?),
            _ => return Err(corrupt()),
        }
        Ok(())
    }

    fn insert(&mut self, event: ParkedEvent, number: SeqNr) {
        let new = || Slot { number, events: VecDeque::new() };
        let slot = self.slots.entry(event.persistence_id.clone()).or_insert_with(new);
        slot.events.push_back(event);
        self.events += 1;
    }

    fn remove(&mut self, id: &PersistenceId, seq_nr: SeqNr) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let before = slot.events.len();
        slot.events.retain(|event| event.seq_nr != seq_nr);
        self.events -= before - slot.events.len();
        if slot.events.is_empty() {
            self.slots.remove(id);
        }
    }

    fn remove_all(&mut self, id: &PersistenceId) {
        self.events -= self.slots.remove(id).map_or(0, |slot| slot.events.len());
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.events
    }

    /// Whether events of `id` wait.
    pub(crate) fn holds(&self, id: &PersistenceId) -> bool {
        !self.slots.is_empty() && self.slots.contains_key(id)
    }

    /// Whose events wait.
    pub(crate) fn ids(&self) -> Vec<PersistenceId> {
        let mut ids: Vec<_> = self.slots.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// All that wait, by entity, in order.
    pub(crate) fn list(&self) -> Vec<ParkedEvent> {
        let slots = self.ids().into_iter().filter_map(|id| self.slots.get(&id));
        slots.flat_map(|slot| slot.events.iter().cloned()).collect()
    }

    /// The event of `id` that comes first.
    pub(crate) fn first(&self, id: &PersistenceId) -> Option<&ParkedEvent> {
        self.slots.get(id)?.events.front()
    }

    /// The event of `id` that comes last.
    pub(crate) fn last(&self, id: &PersistenceId) -> Option<&ParkedEvent> {
        self.slots.get(id)?.events.back()
    }

    /// Under which name it is kept how many of the events of `id` were handled after all.
    pub(crate) fn progress_key(&self, id: &PersistenceId) -> Option<String> {
        Some(format!("{}!{}", self.key, self.slots.get(id)?.number))
    }

    /// Takes out what was handled up to `progress`; gives whether nothing of `id` waits any more.
    pub(crate) fn settle(&mut self, id: &PersistenceId, progress: &Offset) -> bool {
        let Some(slot) = self.slots.get_mut(id) else { return false };
        if let Some(last) = slot.events.iter().position(|event| event.offset == *progress) {
            slot.events.drain(..=last);
            self.events -= last + 1;
        }
        slot.events.is_empty()
    }

    /// Parks an event.
    pub(crate) async fn park(
        &mut self,
        keeper: &Keeper,
        envelope: &Envelope,
        reason: String,
    ) -> Result<()> {
        let event = ParkedEvent {
            persistence_id: envelope.persistence_id.clone(),
            seq_nr: envelope.event.seq_nr,
            offset: envelope.offset.clone(),
            reason,
        };
        let text = format!("{} {} {}", event.seq_nr, event.offset, event.persistence_id);
        self.note(keeper, PARKED, text, Some(&event.reason)).await?;
        self.insert(event, self.after);
        Ok(())
    }

    /// Removes an event.
    pub(crate) async fn drop_event(
        &mut self,
        keeper: &Keeper,
        id: &PersistenceId,
        seq_nr: SeqNr,
    ) -> Result<()> {
        self.note(keeper, REMOVED, format!("{seq_nr} {id}"), None).await?;
        self.remove(id, seq_nr);
        self.forget_notes(keeper).await;
        Ok(())
    }

    /// Ends the waiting of an entity.
    pub(crate) async fn done(&mut self, keeper: &Keeper, id: &PersistenceId) -> Result<()> {
        self.note(keeper, DONE, id.to_string(), None).await?;
        self.remove_all(id);
        self.forget_notes(keeper).await;
        Ok(())
    }

    async fn note(
        &mut self,
        keeper: &Keeper,
        manifest: &str,
        text: String,
        reason: Option<&str>,
    ) -> Result<()> {
        let payload = |text: String| Payload::new(SerializerId::STRING, "", text.into_bytes());
        let mut event = NewEvent::new(payload(text), keeper.components.clock.now());
        event.event_manifest = manifest.into();
        event.metadata = reason.map(|reason| payload(reason.to_owned()));
        let append_id = keeper.components.ids.append_id();
        let (id, writer) = (self.id.clone(), self.writer.clone());
        let append = Append::new(append_id, id, self.after, writer, vec![event])?;
        self.after = keeper.append(append).await?.last;
        Ok(())
    }

    /// Deletes the notes when none counts any more.
    async fn forget_notes(&self, keeper: &Keeper) {
        if self.slots.is_empty() {
            // Only space is at stake, and the next time does it again.
            let _ = keeper.store.journal.delete_to(&self.id, self.after).await;
        }
    }
}

/// Reads a parked event again; `None` when it was deleted meanwhile.
pub(crate) async fn read_again(keeper: &Keeper, event: &ParkedEvent) -> Result<Option<Envelope>> {
    let range = SeqRange::new(event.seq_nr, event.seq_nr);
    let query = crate::Query::new(keeper.store.read_journal.clone());
    let found = query.current_events_by_persistence_id(event.persistence_id.clone(), range, None);
    let found = found.into_future().await.0.transpose()?;
    Ok(found.map(|envelope| Envelope { offset: event.offset.clone(), ..envelope }))
}

/// Whether a parked event lies ahead of `offset`.
pub(crate) async fn lies_ahead(
    keeper: &Keeper,
    event: &ParkedEvent,
    offset: &Offset,
) -> Result<bool> {
    let range = SeqRange::new(event.seq_nr, event.seq_nr);
    let query = crate::Query::new(keeper.store.read_journal.clone());
    let (id, after) = (event.persistence_id.clone(), Some(offset.clone()));
    let found = query.current_events_by_persistence_id(id, range, after).into_future().await.0;
    Ok(found.transpose()?.is_some())
}
