//! Checking that a store holds what was put into it.

use std::collections::HashMap;

use annals::{Bounds, Envelope, Error, PersistenceId, Result, Snapshot, SnapshotCriteria, Store};

use super::compare::Comparer;
use crate::record::Record;

/// Compares a store that nothing is written to meanwhile with what it should hold.
pub(crate) struct Check {
    store: Store,
    comparer: Comparer,
    bounds: HashMap<PersistenceId, Bounds>,
}

impl Check {
    /// A check of `store`.
    pub(crate) fn new(store: Store) -> Self {
        Self { comparer: Comparer::new(store.clone()), store, bounds: HashMap::new() }
    }

    /// Checks that `id` reaches as far as `expected`.
    pub(crate) async fn entity(&mut self, id: &PersistenceId, expected: Bounds) -> Result<()> {
        let bounds = self.bounds(id).await?;
        if bounds.highest >= expected.highest {
            return Ok(());
        }
        let message = format!(
            "{id} ends at {} in the target, but at {} in the source",
            bounds.highest, expected.highest
        );
        Err(Error::corrupt(message))
    }

    /// Checks that the event is there, unless it was deleted.
    pub(crate) async fn event(&mut self, envelope: Envelope) -> Result<()> {
        let Record::Event { id, seq_nr, writer, event } = Record::of_event(envelope) else {
            return Err(Error::internal("an event made a record of another kind"));
        };
        let bounds = self.bounds(&id).await?;
        if seq_nr <= bounds.deleted_to {
            return Ok(());
        }
        if seq_nr > bounds.highest {
            return Err(Error::corrupt(format!("event {seq_nr} of {id} is missing in the target")));
        }
        self.comparer.event(&id, seq_nr, &writer, &event, bounds.highest).await
    }

    /// Checks that the snapshot is there.
    pub(crate) async fn snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        let (id, seq_nr) = (&snapshot.persistence_id, snapshot.seq_nr);
        let present = self.store.snapshots.load(id, &SnapshotCriteria::at(seq_nr)).await?;
        if present.as_ref() == Some(snapshot) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "snapshot {seq_nr} of {id} is not in the target as it was saved"
        )))
    }

    async fn bounds(&mut self, id: &PersistenceId) -> Result<Bounds> {
        if let Some(bounds) = self.bounds.get(id) {
            return Ok(*bounds);
        }
        let bounds = self.store.journal.bounds(id).await?;
        self.bounds.insert(id.clone(), bounds);
        Ok(bounds)
    }
}
