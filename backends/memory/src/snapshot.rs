//! Snapshots, by entity and number.

use annals_core::{
    Capabilities, PersistenceId, Result, Snapshot, SnapshotCriteria, SnapshotInfo, SnapshotStore,
};
use async_trait::async_trait;

use crate::MemoryStore;
use crate::state::State;

#[async_trait]
impl SnapshotStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        self.limits().check_snapshot(&snapshot)?;
        self.locked(|state| {
            let snapshots = state.snapshots.entry(snapshot.persistence_id.clone()).or_default();
            snapshots.insert(snapshot.seq_nr, snapshot);
            Ok(())
        })
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        self.locked(|state| Ok(newest_first(state, id, criteria).next().cloned()))
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        self.locked(|state| {
            let infos = newest_first(state, id, criteria).take(infos_max).map(|snapshot| {
                SnapshotInfo { seq_nr: snapshot.seq_nr, timestamp: snapshot.timestamp }
            });
            Ok(infos.collect())
        })
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        self.locked(|state| {
            let Some(snapshots) = state.snapshots.get_mut(id) else { return Ok(()) };
            snapshots.retain(|seq_nr, snapshot| !criteria.matches(*seq_nr, snapshot.timestamp));
            if snapshots.is_empty() {
                state.snapshots.remove(id);
            }
            Ok(())
        })
    }
}

/// The snapshots of `id` that meet `criteria`, newest by number first.
fn newest_first<'a>(
    state: &'a State,
    id: &PersistenceId,
    criteria: &'a SnapshotCriteria,
) -> impl Iterator<Item = &'a Snapshot> {
    let snapshots =
        state.snapshots.get(id).into_iter().flat_map(|snapshots| snapshots.iter().rev());
    snapshots
        .filter(|(seq_nr, snapshot)| criteria.matches(**seq_nr, snapshot.timestamp))
        .map(|(_, snapshot)| snapshot)
}
