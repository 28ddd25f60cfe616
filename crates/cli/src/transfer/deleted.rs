//! Deleted events in a target: their numbers must not be used again there either.

use annals::{
    Error, JournalExt, NewEvent, Payload, PersistenceId, Result, SeqNr, SeqRange, SerializerId,
    Timestamp, WriterId,
};

use super::target::{Known, Target};

/// Marks an event that stands for deleted ones until it is deleted itself.
const PLACEHOLDER: &str = "annals.import.placeholder";
/// Placeholders of one append.
const PLACEHOLDERS_MAX: u64 = 1_000;

impl Target {
    /// An id whose oldest events are deleted. If all are, one event is stored in their place and then
    /// deleted, so that the numbers are not used again here either.
    pub(super) async fn entity(
        &mut self,
        id: &PersistenceId,
        deleted_to: SeqNr,
        highest: SeqNr,
    ) -> Result<()> {
        if deleted_to > highest {
            let message = format!("{id} ends at {highest}, before its deleted event {deleted_to}");
            return Err(Error::invalid(message));
        }
        self.clear_placeholder(id, deleted_to).await?;
        let known = self.settled(id).await?;
        // The events that are left bring the place of their first one with them.
        if deleted_to < highest || highest.is_zero() {
            return Ok(());
        }
        if known.highest > highest || known.deleted_to >= highest {
            return Ok(());
        }
        if !known.highest.is_zero() {
            let message = format!(
                "the events of {id} up to {highest} are deleted in the source, but here it holds \
                 events up to {}",
                known.highest
            );
            return Err(Error::conflict(known.highest, message));
        }
        self.append(id, highest.previous(), WriterId::new(PLACEHOLDER), vec![placeholder()])
            .await?;
        self.delete(id, highest).await?;
        self.counts.entities += 1;
        Ok(())
    }

    /// Finishes what was interrupted before a placeholder up to `deleted_to` was deleted.
    pub(crate) async fn clear_placeholder(
        &mut self,
        id: &PersistenceId,
        deleted_to: SeqNr,
    ) -> Result<()> {
        let known = self.settled(id).await?;
        let last = deleted_to.min(known.highest);
        if known.deleted_to < last && self.is_placeholder(id, last).await? {
            self.delete(id, last).await?;
            self.counts.entities += 1;
        }
        Ok(())
    }

    /// Whether `id` is or was here.
    pub(crate) async fn holds(&mut self, id: &PersistenceId) -> Result<bool> {
        Ok(!self.known(id).await?.highest.is_zero())
    }

    /// Whether events of `id` are missing here before `seq_nr`.
    pub(crate) async fn has_gap(&mut self, id: &PersistenceId, seq_nr: SeqNr) -> Result<bool> {
        let highest = self.known(id).await?.highest;
        Ok(!highest.is_zero() && seq_nr > highest.next())
    }

    /// Stands in for events up to `to`, which the source deleted before they could be copied, and deletes
    /// all up to there.
    pub(crate) async fn pass_deleted(&mut self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let mut highest = self.settled(id).await?.highest;
        while highest < to {
            let count = PLACEHOLDERS_MAX.min(to.get() - highest.get());
            let events = (0..count).map(|_| placeholder()).collect();
            highest = self.append(id, highest, WriterId::new(PLACEHOLDER), events).await?.last;
            let deleted_to = self.known(id).await?.deleted_to;
            self.set_known(id, Known { deleted_to, stored: highest, highest });
        }
        self.delete(id, to).await
    }

    /// Deletes the events of `id` up to `to`, as its source did.
    pub(crate) async fn delete(&mut self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.store.journal.delete_to(id, to).await?;
        let known = self.known(id).await?;
        let highest = known.highest.max(to);
        self.set_known(id, Known { deleted_to: to, stored: known.stored.max(to), highest });
        Ok(())
    }

    /// How many events of `id` are stored here that lie up to `deleted_to`.
    pub(crate) async fn held_up_to(
        &mut self,
        id: &PersistenceId,
        deleted_to: SeqNr,
    ) -> Result<u64> {
        let known = self.settled(id).await?;
        let last = deleted_to.min(known.highest).get();
        Ok(last.saturating_sub(known.deleted_to.get()))
    }

    async fn is_placeholder(&self, id: &PersistenceId, seq_nr: SeqNr) -> Result<bool> {
        let events = self.store.journal.read_all(id, SeqRange::new(seq_nr, seq_nr)).await?;
        Ok(events.first().is_some_and(|event| {
            event.payload.manifest.as_ref() == PLACEHOLDER && event.payload.bytes.is_empty()
        }))
    }
}

fn placeholder() -> NewEvent {
    let payload = Payload::new(SerializerId::BYTES, PLACEHOLDER, Vec::new());
    NewEvent::new(payload, Timestamp::UNKNOWN)
}
