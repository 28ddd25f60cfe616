//! The fold of a history into a state, checked for holes. Pure: the driver reads, this decides.

use annals_core::{Batch, Codec, Error, PersistenceId, Result, SeqNr, StoredEvent};

use super::panics;
use crate::EventSourced;

/// A state on its way from a snapshot (or the empty state) to the end of the history.
pub(crate) struct Recovery<B> {
    id: PersistenceId,
    state: B,
    reached: SeqNr,
    replayed: u64,
}

/// A recovered entity: its state after event `seq_nr`.
#[derive(Debug)]
pub(crate) struct Recovered<B> {
    pub(crate) state: B,
    pub(crate) seq_nr: SeqNr,
    pub(crate) replayed: u64,
}

impl<B: EventSourced> Recovery<B> {
    /// From the empty state; the first event to come is `after + 1`.
    ///
    /// # Errors
    /// `Internal` if the constructor of the empty state panics.
    pub(crate) fn empty(id: &PersistenceId, after: SeqNr) -> Result<Self> {
        let state = panics::caught(|| B::empty(id.entity_id()))
            .map_err(|panic| panic.error(format!("the empty state of {id}")))?;
        Ok(Self::from_snapshot(id, state, after))
    }

    /// From a snapshot's state; the first event to come is `after + 1`.
    pub(crate) fn from_snapshot(id: &PersistenceId, state: B, after: SeqNr) -> Self {
        Self { id: id.clone(), state, reached: after, replayed: 0 }
    }

    /// The number of the event to come.
    pub(crate) fn next(&self) -> SeqNr {
        self.reached.next()
    }

    /// Applies the next events.
    ///
    /// # Errors
    /// `Corrupt` if they do not follow directly; the codec's if one cannot be read; `Internal` if
    /// the behaviour panics.
    pub(crate) fn apply(&mut self, batch: &Batch, codec: &dyn Codec<B::Event>) -> Result<()> {
        for event in &batch.events {
            self.apply_one(event, codec)?;
        }
        Ok(())
    }

    fn apply_one(&mut self, stored: &StoredEvent, codec: &dyn Codec<B::Event>) -> Result<()> {
        if stored.seq_nr != self.next() {
            return Err(Error::corrupt(format!(
                "{} cannot be recovered: event {} came where event {} was due",
                self.id,
                stored.seq_nr,
                self.next()
            )));
        }
        let Self { state, .. } = self;
        let applied = panics::caught(|| {
            let event = codec.decode(&stored.payload)?;
            state.apply(&event);
            Ok(())
        });
        let what = || format!("event {} of {} on recovery", stored.seq_nr, self.id);
        match applied {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::context(error, what())),
            Err(panic) => return Err(panic.error(what())),
        }
        self.reached = stored.seq_nr;
        self.replayed += 1;
        Ok(())
    }

    /// The recovered entity, if the history was read to its end, `highest`.
    ///
    /// # Errors
    /// `Corrupt` if the replay ended before it.
    pub(crate) fn finish(self, highest: SeqNr) -> Result<Recovered<B>> {
        if self.reached < highest {
            return Err(Error::corrupt(format!(
                "{} cannot be recovered: its replay ended at event {}, but its highest is {highest}",
                self.id, self.reached
            )));
        }
        Ok(Recovered { state: self.state, seq_nr: self.reached, replayed: self.replayed })
    }
}
