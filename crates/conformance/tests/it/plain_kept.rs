//! The snapshots and projection offsets of a plain store.

use annals_core::{
    Append, Capabilities, Error, Offset, OffsetRevision, OffsetStore, PersistenceId, Result, SeqNr,
    Snapshot, SnapshotCriteria, SnapshotInfo, SnapshotStore, StoredOffset, Timestamp,
};
use async_trait::async_trait;

use crate::data::{Data, nr};
use crate::flaw::Flaw;
use crate::plain::Plain;

impl Plain {
    fn check_save(
        &self,
        data: &Data,
        name: &str,
        expected: OffsetRevision,
        offset: &Offset,
    ) -> Result<()> {
        if !self.is(Flaw::ForeignOffsetSaved) {
            self.position(data, offset)?;
        }
        let stored = data.offsets.iter().find(|stored| stored.0 == name);
        let found = stored.map_or(OffsetRevision::NONE, |stored| stored.1);
        if found != expected && !self.is(Flaw::StaleSaveAccepted) {
            return Err(Error::conflict(nr(found.get()), "the offset was saved since"));
        }
        Ok(())
    }

    /// Checks the offset that `append` carries; the entity's own conflict comes first.
    pub(crate) fn check_save_with(&self, data: &Data, append: &Append) -> Result<()> {
        let Some(save) = append.offset_save() else { return Ok(()) };
        let ignored = self.is(Flaw::AppendIgnoresRevision) || self.is(Flaw::EventsWithoutOffset);
        match self.check_save(data, &save.name, save.expected, &save.offset) {
            Err(error) if error.is_conflict() && ignored => Ok(()),
            Err(error) if error.is_conflict() => {
                let highest = data.bounds(append.id()).1;
                Err(Error::conflict(nr(highest), error.message()))
            }
            checked => checked,
        }
    }

    /// Saves the offset that `append` carries.
    pub(crate) fn save_with(&self, data: &mut Data, append: &Append) {
        let Some(save) = append.offset_save() else { return };
        let stale = self.check_save(data, &save.name, save.expected, &save.offset).is_err();
        if self.is(Flaw::AppendForgetsOffset) || self.is(Flaw::EventsWithoutOffset) && stale {
            return;
        }
        let found = data.offsets.iter().find(|stored| stored.0 == save.name);
        let revision = found.map_or(OffsetRevision::NONE, |stored| stored.1).next();
        data.offsets.retain(|stored| stored.0 != save.name);
        data.offsets.push((save.name.clone(), revision, save.offset.clone()));
    }

    /// The snapshots that meet `criteria`, newest first, and whether they can be read.
    fn newest_first<'a>(
        &self,
        data: &'a Data,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Vec<&'a (Snapshot, bool)> {
        let mut criteria = *criteria;
        if self.is(Flaw::MinNumberIgnored) {
            criteria.min_seq_nr = SeqNr::ZERO;
        }
        if self.is(Flaw::MaxNumberIgnored) {
            criteria.max_seq_nr = SeqNr::MAX;
        }
        if self.is(Flaw::MaxNumberExclusive) && criteria.max_seq_nr < SeqNr::MAX {
            criteria.max_seq_nr = criteria.max_seq_nr.previous();
        }
        if self.is(Flaw::MinTimeIgnored) {
            criteria.min_timestamp = Timestamp::MIN;
        }
        if self.is(Flaw::MaxTimeIgnored) {
            criteria.max_timestamp = Timestamp::MAX;
        }
        let owns = |owner: &PersistenceId| {
            owner == id
                || self.is(Flaw::SnapshotsByPrefix) && id.as_str().starts_with(owner.as_str())
        };
        let own = data.snapshots.iter().rev().filter(|((owner, _), _)| owns(owner));
        let mut found: Vec<_> = own.map(|(_, stored)| stored).collect();
        found.retain(|(snapshot, readable)| {
            criteria.matches(snapshot.seq_nr, snapshot.timestamp)
                && (*readable || !self.is(Flaw::DamageHidden))
        });
        if self.is(Flaw::NewestByTime) {
            found.sort_by_key(|(snapshot, _)| std::cmp::Reverse(snapshot.timestamp));
        }
        found
    }
}

#[async_trait]
impl SnapshotStore for Plain {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn save(&self, mut snapshot: Snapshot) -> Result<()> {
        let mut data = self.data()?;
        let key = (snapshot.persistence_id.clone(), snapshot.seq_nr);
        if let Err(error) = self.limits().check_snapshot(&snapshot) {
            if self.is(Flaw::RefusedSaveDestroys) {
                data.snapshots.remove(&key);
            }
            if !self.is(Flaw::SnapshotsWithoutLimit) {
                return Err(error);
            }
        }
        if std::mem::take(&mut data.fail_save) {
            if self.is(Flaw::FailedSaveDestroys) {
                data.snapshots.remove(&key);
            }
            return Err(Error::unavailable("the snapshot could not be saved"));
        }
        if self.is(Flaw::FirstSaveStays) && data.snapshots.contains_key(&key) {
            return Ok(());
        }
        if self.is(Flaw::SnapshotMetadataDropped) {
            snapshot.metadata = None;
        }
        data.snapshots.insert(key, (snapshot, true));
        Ok(())
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        let data = self.data()?;
        match self.newest_first(&data, id, criteria).first() {
            None => Ok(None),
            Some((snapshot, true)) => Ok(Some(snapshot.clone())),
            Some((snapshot, false)) => {
                Err(Error::corrupt(format!("the snapshot at {} is damaged", snapshot.seq_nr)))
            }
        }
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let data = self.data()?;
        let infos_max = if self.is(Flaw::ListUnbounded) { usize::MAX } else { infos_max };
        let found = self.newest_first(&data, id, criteria).into_iter().take(infos_max);
        let infos = found.map(|(snapshot, _)| SnapshotInfo {
            seq_nr: snapshot.seq_nr,
            timestamp: snapshot.timestamp,
        });
        Ok(infos.collect())
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        let mut data = self.data()?;
        let mut criteria = *criteria;
        if self.is(Flaw::DeleteTakesOlder) {
            criteria.min_seq_nr = SeqNr::ZERO;
        }
        data.snapshots.retain(|(owner, seq_nr), (snapshot, _)| {
            let timestamp = if self.is(Flaw::DeleteIgnoresTime) {
                criteria.max_timestamp
            } else {
                snapshot.timestamp
            };
            owner != id || !criteria.matches(*seq_nr, timestamp)
        });
        Ok(())
    }
}

#[async_trait]
impl OffsetStore for Plain {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        Ok(self.list_offsets().await?.into_iter().find(|stored| stored.name == name))
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        self.needs(self.limits().offsets)?;
        let mut offsets = self.data()?.offsets.clone();
        if !self.is(Flaw::OffsetsUnsorted) {
            offsets.sort_by(|left, right| left.0.cmp(&right.0));
        }
        let stored = offsets.into_iter();
        Ok(stored.map(|(name, revision, offset)| StoredOffset { name, offset, revision }).collect())
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        self.needs(self.limits().offsets)?;
        if self.is(Flaw::OffsetCheckThenWrite) {
            self.check_save(&*self.data()?, name, expected, &offset)?;
            tokio::task::yield_now().await;
        }
        let mut data = self.data()?;
        if !self.is(Flaw::OffsetCheckThenWrite) {
            self.check_save(&data, name, expected, &offset)?;
        }
        let revision = if self.is(Flaw::RevisionStays) && expected != OffsetRevision::NONE {
            expected
        } else {
            expected.next()
        };
        data.offsets.retain(|stored| stored.0 != name);
        data.offsets.push((name.to_owned(), revision, offset));
        Ok(revision)
    }
}
