//! Reading everything that a store holds when the reading begins, while others may write to it.
//!
//! How far each entity reaches is read first, and where the log of all events ends after that: so the
//! events include every state up to those ends, and every snapshot of them.

use annals::query::{Extent, Query};
use annals::{
    Bounds, Envelope, Error, Offset, PersistenceId, Result, Scope, SeqNr, Snapshot,
    SnapshotCriteria, SnapshotStoreExt, Store,
};
use futures_util::StreamExt;

use crate::report::Outcome;

/// Events that are read at a time.
const EVENTS_MAX: usize = 512;
/// Snapshots of one entity that are listed at a time.
const INFOS_MAX: usize = 256;

/// A store that is read.
pub(crate) struct Source {
    pub(crate) store: Store,
    /// The ids, each with how far it reached.
    pub(crate) ids: Vec<(PersistenceId, Bounds)>,
    end: Option<Offset>,
}

impl Source {
    /// Notes what there is in `store`.
    ///
    /// # Errors
    /// `Unsupported` if it has no order of all events; what the store answers.
    pub(crate) async fn begin(store: Store) -> Result<Self> {
        let limits = store.capabilities();
        if !limits.all_events {
            let message = format!(
                "this reads all events in one order, which a store of {} has not",
                limits.name
            );
            return Err(Error::unsupported(message));
        }
        let mut ids = Vec::new();
        let mut listed = Query::new(store.read_journal.clone()).ids(Extent::Current, None);
        while let Some(entry) = listed.next().await {
            let id = entry?.persistence_id;
            let bounds = store.journal.bounds(&id).await?;
            ids.push((id, bounds));
        }
        let end = store.read_journal.end(&Scope::All).await?;
        Ok(Self { store, ids, end })
    }

    /// Gives the events that there were to `take`, those after `after`, in the order of commits.
    pub(crate) async fn events(
        &self,
        after: Option<Offset>,
        mut take: impl AsyncFnMut(Envelope) -> Outcome,
    ) -> Outcome {
        let (mut after, until) = (after, self.end.as_ref());
        if until.is_none() {
            return Ok(());
        }
        loop {
            let journal = &self.store.read_journal;
            let page = journal.page(&Scope::All, after.as_ref(), until, EVENTS_MAX).await?;
            for envelope in page.events() {
                take(envelope.clone()).await?;
            }
            if page.at_end() {
                return Ok(());
            }
            after = page.next().cloned().or(after);
        }
    }

    /// Gives the snapshots of states that the events include to `take`.
    pub(crate) async fn snapshots(
        &self,
        mut take: impl AsyncFnMut(Snapshot) -> Outcome,
    ) -> Outcome {
        for (id, bounds) in &self.ids {
            self.snapshots_of(id, bounds.highest, &mut take).await?;
        }
        Ok(())
    }

    async fn snapshots_of(
        &self,
        id: &PersistenceId,
        end: SeqNr,
        take: &mut impl AsyncFnMut(Snapshot) -> Outcome,
    ) -> Outcome {
        let mut criteria = SnapshotCriteria::up_to(end);
        loop {
            let infos = self.store.snapshots.list(id, &criteria, INFOS_MAX).await?;
            for info in &infos {
                let at = SnapshotCriteria::at(info.seq_nr);
                let found = self.store.snapshots.load_readable(id, &at, 1, |_| Ok(())).await?;
                // Deleted since it was listed, otherwise.
                if let Some((snapshot, ())) = found {
                    take(snapshot).await?;
                }
            }
            match infos.last() {
                Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                    criteria.max_seq_nr = oldest.seq_nr.previous();
                }
                _ => return Ok(()),
            }
        }
    }
}
