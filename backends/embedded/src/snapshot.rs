//! The snapshot store of an embedded store: snapshots are frames of the same log.

use annals_core::{
    Capabilities, Error, PersistenceId, Result, Snapshot, SnapshotCriteria, SnapshotInfo,
    SnapshotStore,
};
use async_trait::async_trait;

use crate::catalog::Change;
use crate::engine::Draft;
use crate::format::{FrameKind, SnapshotDelete, SnapshotSave};
use crate::log::{Reading, corrupt};
use crate::read::FrameReader;
use crate::store::EmbeddedStore;

#[async_trait]
impl SnapshotStore for EmbeddedStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        self.check_writable()?;
        self.limits().check_snapshot(&snapshot)?;
        let id = &snapshot.persistence_id;
        let make = || {
            let entry = self.engine.ensure(id, true)?.entry;
            let change = Change::SnapshotSave {
                id: id.clone(),
                seq_nr: snapshot.seq_nr,
                timestamp: snapshot.timestamp,
            };
            Ok(Draft { frame: SnapshotSave::encode(&snapshot), change, entry: Some(entry) })
        };
        self.engine.write(FrameKind::SnapshotSave, make).await.map(|_| ())
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        let (id, criteria) = (id.clone(), *criteria);
        self.blocking_read(move |engine| {
            engine.check_certain(&id)?;
            let reading = Reading::begin(&engine.files);
            let set = engine.snapshots(&id)?;
            let meant = |snapshot: &&crate::index::SnapshotRef| {
                criteria.matches(snapshot.seq_nr, snapshot.timestamp)
            };
            let Some(found) = set.iter().rev().find(meant) else { return Ok(None) };
            let frame = FrameReader::read_one(engine, &reading, found.position)?;
            let at = found.position;
            let damaged = |what: &dyn std::fmt::Display| {
                corrupt(engine.storage(), at.segment, at.byte.into(), what)
            };
            if frame.header.kind != FrameKind::SnapshotSave {
                return Err(damaged(&"a snapshot is missing"));
            }
            let snapshot =
                SnapshotSave::decode(&frame.body).map_err(|malformed| damaged(&malformed))?;
            if snapshot.persistence_id != id || snapshot.seq_nr != found.seq_nr {
                return Err(damaged(&"the index and the log disagree"));
            }
            Ok(Some(snapshot))
        })
        .await
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let (id, criteria) = (id.clone(), *criteria);
        self.blocking_read(move |engine| {
            engine.check_certain(&id)?;
            let set = engine.snapshots(&id)?;
            let meant =
                set.iter().rev().filter(|found| criteria.matches(found.seq_nr, found.timestamp));
            let infos = meant
                .map(|found| SnapshotInfo { seq_nr: found.seq_nr, timestamp: found.timestamp });
            Ok(infos.take(infos_max).collect())
        })
        .await
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        self.check_writable()?;
        if self.list(id, criteria, 1).await?.is_empty() {
            return Ok(());
        }
        let make = || {
            let entry = self.engine.ensure(id, true)?.entry;
            let delete = SnapshotDelete { id: id.clone(), criteria: *criteria };
            let change = Change::SnapshotDelete { id: id.clone(), criteria: *criteria };
            Ok(Draft { frame: delete.encode(), change, entry: Some(entry) })
        };
        match self.engine.write(FrameKind::SnapshotDelete, make).await? {
            crate::log::Answer::Stored { .. } => Ok(()),
            answer => {
                Err(Error::internal(format!("a delete of snapshots of {id} gave {answer:?}")))
            }
        }
    }
}
