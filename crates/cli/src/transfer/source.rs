//! Reading everything that a store holds when the reading begins, while others may write to it.
//!
//! How far each entity reaches is read first, and where the log of all events ends after that: so the
//! events include every state up to those ends, and every snapshot of them. A store that has no order of
//! all events is read entity by entity, each up to where it reached.

use annals::query::{Extent, Query};
use annals::{
    Bounds, Envelope, Error, Offset, PersistenceId, Result, Scope, SeqNr, Snapshot,
    SnapshotCriteria, SnapshotStoreExt, Store,
};
use futures_util::TryStreamExt;

use crate::report::Outcome;

/// Events that are read at a time.
const EVENTS_MAX: usize = 512;
/// Entities that are asked at a time how far they reach.
const IDS_AT_A_TIME: usize = 32;
/// Snapshots of one entity that are listed at a time.
const INFOS_MAX: usize = 256;

/// A store that is read.
pub(crate) struct Source {
    pub(crate) store: Store,
    /// The ids, each with how far it reached.
    pub(crate) ids: Vec<(PersistenceId, Bounds)>,
    extent: Extents,
}

/// Where the reading of events ends.
enum Extents {
    /// In the log of all events, which is empty without an offset.
    Log(Option<Offset>),
    /// Where each id ended.
    Ids,
}

impl Source {
    /// Notes what there is in `store`.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn begin(store: Store) -> Result<Self> {
        let listed = Query::new(store.read_journal.clone()).ids(Extent::Current, None);
        let bounds = |entry: annals::IdEntry| {
            let journal = store.journal.clone();
            async move {
                let id = entry.persistence_id;
                let bounds = journal.bounds(&id).await?;
                Ok((id, bounds))
            }
        };
        let ids = listed.map_ok(bounds).try_buffered(IDS_AT_A_TIME).try_collect().await?;
        let extent = match store.read_journal.capabilities().all_events {
            true => Extents::Log(store.read_journal.end(&Scope::All).await?),
            false => Extents::Ids,
        };
        Ok(Self { store, ids, extent })
    }

    /// Gives the events that there were to `take`: those after `after` in the order of commits, or,
    /// where the store has none, those of one id after the other.
    pub(crate) async fn events(
        &self,
        after: Option<Offset>,
        mut take: impl AsyncFnMut(Envelope) -> Outcome,
    ) -> Outcome {
        match (&self.extent, after) {
            (Extents::Log(None), _) => Ok(()),
            (Extents::Log(Some(until)), after) => {
                self.pages(&Scope::All, after, Some(until), &mut take).await
            }
            (Extents::Ids, None) => {
                for (id, bounds) in &self.ids {
                    let scope = Scope::Id(id.clone(), bounds.stored());
                    self.pages(&scope, None, None, &mut take).await?;
                }
                Ok(())
            }
            (Extents::Ids, Some(_)) => {
                let name = self.store.capabilities().name;
                let message = format!(
                    "a {name} store has no order of all events, so nothing can go on after an offset: begin \
                     anew, since what is there already is compared and not stored twice"
                );
                Err(Error::unsupported(message).into())
            }
        }
    }

    async fn pages(
        &self,
        scope: &Scope,
        mut after: Option<Offset>,
        until: Option<&Offset>,
        take: &mut impl AsyncFnMut(Envelope) -> Outcome,
    ) -> Outcome {
        loop {
            let journal = &self.store.read_journal;
            let page = journal.page(scope, after.as_ref(), until, EVENTS_MAX).await?;
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
