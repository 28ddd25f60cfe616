//! The fold of a history into a state, checked for holes. Pure: the driver reads, this decides.

use annals_core::{Batch, Error, PersistenceId, Result, SeqNr, StoredEvent};

use super::panics;
use crate::{EventFormat, EventSourced};

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
    pub(crate) fn apply(
        &mut self,
        batch: &Batch,
        format: &dyn EventFormat<B::Event>,
    ) -> Result<()> {
        let mut events = Vec::new();
        for event in &batch.events {
            self.apply_one(event, format, &mut events)?;
        }
        Ok(())
    }

    fn apply_one(
        &mut self,
        stored: &StoredEvent,
        format: &dyn EventFormat<B::Event>,
        events: &mut Vec<B::Event>,
    ) -> Result<()> {
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
            format.read(&stored.payload, &stored.event_manifest, events)?;
            events.drain(..).for_each(|event| state.apply(&event));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annals_core::{Codec, Payload, SerializerId, Tags, Timestamp, WriterId};

    use super::*;
    use crate::{Context, Effect, plain};

    #[derive(Debug, Default)]
    struct Count(u64);

    impl EventSourced for Count {
        const ENTITY_TYPE: &'static str = "count";
        type Command = ();
        type Event = ();

        fn handle(&self, (): (), _cx: &Context<'_>) -> Effect<Self> {
            Effect::none()
        }

        fn apply(&mut self, (): &()) {
            self.0 += 1;
        }
    }

    #[derive(Debug)]
    struct Unit;

    impl Codec<()> for Unit {
        fn encode(&self, (): &()) -> Result<Payload> {
            Ok(Payload::new(SerializerId::BYTES, "", vec![]))
        }

        fn decode(&self, _payload: &Payload) -> Result<()> {
            Ok(())
        }
    }

    fn batch(numbers: impl IntoIterator<Item = u64>) -> Batch {
        let event = |number| StoredEvent {
            seq_nr: SeqNr::new(number).unwrap(),
            writer: WriterId::new("any"),
            timestamp: Timestamp::UNKNOWN,
            payload: Unit.encode(&()).unwrap(),
            event_manifest: Arc::default(),
            tags: Tags::NONE,
            metadata: None,
        };
        Batch { events: numbers.into_iter().map(event).collect() }
    }

    fn recovery(after: u64) -> Recovery<Count> {
        Recovery::empty(&PersistenceId::new("count|a").unwrap(), SeqNr::new(after).unwrap())
            .unwrap()
    }

    #[test]
    fn a_history_is_followed_without_holes() {
        for (after, numbers) in [(0, vec![1, 3]), (0, vec![2]), (0, vec![1, 1]), (5, vec![5])] {
            let error =
                recovery(after).apply(&batch(numbers), plain(Arc::new(Unit)).as_ref()).unwrap_err();
            assert_eq!(error.kind(), annals_core::ErrorKind::Corrupt, "{error}");
        }
        let mut whole = recovery(5);
        whole.apply(&batch([6, 7]), plain(Arc::new(Unit)).as_ref()).unwrap();
        whole.apply(&batch([8]), plain(Arc::new(Unit)).as_ref()).unwrap();
        let recovered = whole.finish(SeqNr::new(8).unwrap()).unwrap();
        assert_eq!((recovered.state.0, recovered.seq_nr.get(), recovered.replayed), (3, 8, 3));
    }

    #[test]
    fn events_that_another_writer_adds_meanwhile_are_welcome() {
        let mut recovery = recovery(0);
        recovery.apply(&batch(1..=3), plain(Arc::new(Unit)).as_ref()).unwrap();
        assert_eq!(recovery.finish(SeqNr::FIRST).unwrap().seq_nr.get(), 3);
    }
}
