//! What the machines ask for besides appends, done: each is one future that a shard worker polls, and
//! every call to the store has a deadline.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use annals_core::{
    Append, Appended, Bounds, Clock, Error, Journal, NewEvent, PersistenceId, Result, SeqNr,
    SeqRange, Sleep, Snapshot, SnapshotCriteria, SnapshotStore, SnapshotStoreExt, StoredEvent,
    WriterId,
};
use futures_util::future::{Either, select};
use tokio::sync::Semaphore;
use tracing::field::Empty;
use tracing::{Instrument, debug_span};

use crate::machine::{Config, Recovered, Recovery, Retention, Save, Saved, Superfluous, panics};
use crate::measures::{Measures, Stopwatch, outcome};
use crate::{EventSourced, Recover};

/// Is told of each stored event.
pub(crate) type Publish = Box<dyn Fn(&PersistenceId, &StoredEvent) + Send + Sync>;

/// What the workers of a region share.
pub(crate) struct Shared<B: EventSourced> {
    pub(crate) config: Config<B>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) measures: Measures,
    pub(crate) publish: Option<Publish>,
    pub(crate) sleep: Arc<dyn Sleep>,
    /// The settings' `active_max`, shared out.
    pub(crate) active_max_per_shard: Option<usize>,
    /// One permit per recovery at a time, given in order.
    pub(crate) recoveries: Semaphore,
}

impl<B: EventSourced> Shared<B> {
    /// Tells whoever wants to know of the events of an append that is stored.
    pub(crate) fn publish(&self, append: &Append, receipt: Appended) {
        let Some(publish) = &self.publish else { return };
        let mut seq_nr = receipt.first;
        for NewEvent { payload, timestamp, event_manifest, tags, metadata } in
            append.events().iter().cloned()
        {
            let writer = append.writer().clone();
            let event =
                StoredEvent { seq_nr, writer, timestamp, payload, event_manifest, tags, metadata };
            if let Err(panic) = panics::caught(|| publish(append.id(), &event)) {
                let error = panic.error(format!("publishing event {seq_nr} of {}", append.id()));
                tracing::error!(id = %append.id(), %error, "a stored event was not published");
            }
            seq_nr = seq_nr.next();
        }
    }

    /// Recovers `id` for `writer`: bounds, snapshot, events.
    pub(crate) async fn recover(
        &self,
        id: &PersistenceId,
        writer: &WriterId,
    ) -> Result<Recovered<B>> {
        let permit = self.recoveries.acquire().await;
        let _permit = permit.map_err(|_| Error::closed(format!("{id}: the region is closed")))?;
        let watch = Stopwatch::start(self.clock.as_ref());
        let span =
            debug_span!("annals.recover", persistence_id = %id, events = Empty, outcome = Empty);
        let recovered = self.recover_permitted(id, writer).instrument(span.clone()).await;
        let replayed = recovered.as_ref().map_or(0, |recovered| recovered.replayed);
        let outcome = outcome(&recovered);
        span.record("outcome", outcome).record("events", replayed);
        self.measures.recovery(replayed, watch, self.clock.as_ref(), outcome);
        if let Err(error) = &recovered {
            tracing::warn!(%id, %error, "an entity was not recovered");
            self.leave(id, writer).await;
        }
        recovered
    }

    async fn recover_permitted(
        &self,
        id: &PersistenceId,
        writer: &WriterId,
    ) -> Result<Recovered<B>> {
        let bounds = self.step(id, self.journal.begin(id, writer)).await?;
        if self.config.settings.recover == Recover::Nothing {
            return Recovery::empty(id, bounds.highest)?.finish(bounds.highest);
        }
        let (mut recovery, highest) = self.recovery_base(id, bounds).await?;
        if recovery.next() > highest {
            return recovery.finish(highest);
        }
        // To the very end, which another writer may have moved on: what is read is what is known.
        let mut batches = self.journal.replay(id, SeqRange::from(recovery.next()));
        let mut ahead = Poll::Pending;
        loop {
            let batch = match ahead {
                Poll::Ready(batch) => batch,
                Poll::Pending => {
                    let next = poll_fn(|cx| batches.as_mut().poll_next(cx));
                    self.step(id, async { Ok(next.await) }).await?
                }
            };
            let Some(batch) = batch else { break };
            // The store begins to read the next batch, so that it reads while this one is applied.
            ahead = poll_fn(|cx| Poll::Ready(batches.as_mut().poll_next(cx))).await;
            recovery.apply(&batch?, self.config.format.as_ref())?;
            // A long history shares the worker with other entities.
            tokio::task::yield_now().await;
        }
        recovery.finish(highest)
    }

    /// The state to begin the replay with, and the number that it has to reach.
    async fn recovery_base(
        &self,
        id: &PersistenceId,
        mut bounds: Bounds,
    ) -> Result<(Recovery<B>, SeqNr)> {
        let loaded = self.load_snapshot(id).await?;
        let at = loaded.as_ref().map_or(SeqNr::ZERO, |(snapshot, _)| snapshot.seq_nr);
        if at > bounds.highest {
            // Another writer may have written and saved it after the bounds were read.
            bounds = self.step(id, self.journal.bounds(id)).await?;
        }
        self.config.settings.deleted_prefix.check(id, at, bounds)?;
        let after = at.max(bounds.deleted_to);
        let recovery = match loaded {
            Some((_, state)) => Recovery::from_snapshot(id, state, after),
            None => Recovery::empty(id, after)?,
        };
        Ok((recovery, bounds.highest))
    }

    async fn load_snapshot(&self, id: &PersistenceId) -> Result<Option<(Snapshot, B)>> {
        let criteria = match self.config.settings.recover {
            Recover::Newest => SnapshotCriteria::ALL,
            Recover::From(criteria) => criteria,
            Recover::EventsOnly | Recover::Nothing => return Ok(None),
        };
        let Some(codec) = &self.config.snapshot_codec else { return Ok(None) };
        let read = |snapshot: &Snapshot| {
            panics::caught(|| codec.decode(&snapshot.payload))
                .unwrap_or_else(|panic| Err(panic.error(format!("a snapshot of {id}"))))
        };
        let attempts_max = self.config.settings.snapshot_attempts;
        self.step(id, self.snapshots.load_readable(id, &criteria, attempts_max, read)).await
    }

    /// Saves a snapshot; then, and only then, deletes what it made superfluous. It is an economy: a
    /// failure is told and logged, and the next snapshot tries again.
    pub(crate) async fn save(&self, save: Save) -> Saved {
        let Save { snapshot, retention } = save;
        let (id, seq_nr) = (snapshot.persistence_id.clone(), snapshot.seq_nr);
        let span = debug_span!("annals.save", persistence_id = %id, seq_nr = seq_nr.get(), outcome = Empty);
        let save = self.step(&id, self.snapshots.save(snapshot));
        let saved = save.instrument(span.clone()).await;
        span.record("outcome", outcome(&saved));
        self.measures.snapshot(outcome(&saved));
        if let Err(error) = &saved {
            tracing::warn!(%id, %seq_nr, %error, "a snapshot was not saved; older ones are kept");
            return Saved::only(seq_nr, saved);
        }
        let mut saved = Saved::only(seq_nr, saved);
        if let Some(retention) = retention {
            match self.superfluous(&id, retention).await {
                Ok(superfluous) => self.delete(&id, superfluous, &mut saved).await,
                Err(error) => {
                    tracing::warn!(%id, %error, "the snapshots of an entity cannot be listed: none is deleted");
                }
            }
        }
        saved
    }

    async fn superfluous(&self, id: &PersistenceId, retention: Retention) -> Result<Superfluous> {
        let listed = self.snapshots.list(id, &SnapshotCriteria::ALL, retention.looked_at());
        let newest: Vec<_> = self.step(id, listed).await?.iter().map(|info| info.seq_nr).collect();
        Ok(retention.superfluous(&newest))
    }

    /// Events first: a snapshot is deleted only when nothing that is left needs it.
    async fn delete(&self, id: &PersistenceId, superfluous: Superfluous, saved: &mut Saved) {
        let Superfluous { events_to, snapshots_to } = superfluous;
        if !events_to.is_zero() {
            let deleted = self.step(id, self.journal.delete_to(id, events_to)).await;
            if let Err(error) = &deleted {
                tracing::warn!(%id, %events_to, %error, "superfluous events are still there");
            }
            let failed = deleted.is_err();
            saved.events = Some((events_to, deleted));
            if failed {
                return;
            }
        }
        if !snapshots_to.is_zero() {
            let criteria = SnapshotCriteria::up_to(snapshots_to);
            let deleted = self.step(id, self.snapshots.delete(id, &criteria)).await;
            if let Err(error) = &deleted {
                tracing::warn!(%id, %snapshots_to, %error, "superfluous snapshots are still there");
            }
            saved.snapshots = Some((snapshots_to, deleted));
        }
    }

    /// Tells the store that `writer` is done. What it granted ends by itself at the latest when the
    /// next writer begins: so a failure is only logged.
    pub(crate) async fn leave(&self, id: &PersistenceId, writer: &WriterId) {
        // Commands may wait for the next incarnation: a store that does not answer must not hold them up
        // for longer than a write might.
        let deadline = self.config.settings.write_deadline;
        if let Err(error) = self.within(deadline, id, self.journal.end(id, writer)).await {
            tracing::debug!(%id, %writer, %error, "the store did not take note of a writer's end");
        }
    }

    /// One call to the store that is not an append, within the recovery deadline.
    async fn step<T>(
        &self,
        id: &PersistenceId,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.within(self.config.settings.recovery_deadline, id, call).await
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        id: &PersistenceId,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match select(pin!(call), self.sleep.sleep(deadline)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::unavailable(format!(
                "{id}: the store did not answer within {deadline:?}"
            ))),
        }
    }
}
