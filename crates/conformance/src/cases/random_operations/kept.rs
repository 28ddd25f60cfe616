//! The operations on snapshots and projection offsets.

use annals_core::{OffsetRevision, PersistenceId, SnapshotCriteria};

use super::Run;
use crate::context::{at, nr, snapshot};
use crate::verdict::{Outcome, ensure_eq, expect_conflict};

impl Run {
    pub(super) async fn save_snapshot(&mut self) -> Outcome {
        let id = self.some_id();
        let seq_nr = nr(self.random.between(1, 12));
        let millis = i64::try_from(self.random.below(20)).unwrap_or(0);
        self.texts += 1;
        let text = format!("s-{}", self.texts);
        self.doing = format!("saving a snapshot of {id} at {seq_nr}, time {millis}");
        let snapshot = snapshot(&id, seq_nr.get(), millis, &text);
        self.subject().store.snapshots.save(snapshot).await?;
        self.model.snapshots.insert((id, seq_nr), (millis, text));
        Ok(())
    }

    fn some_criteria(&mut self) -> SnapshotCriteria {
        let mut criteria = SnapshotCriteria::ALL;
        let mut time = || i64::try_from(self.random.below(20)).unwrap_or(0);
        let (early, late) = (time(), time());
        if self.random.one_in(3) {
            criteria = criteria.with_min_timestamp(at(early));
        }
        if self.random.one_in(3) {
            criteria = criteria.with_max_timestamp(at(late));
        }
        if self.random.one_in(3) {
            criteria.max_seq_nr = nr(self.random.below(14));
        }
        if self.random.one_in(3) {
            criteria = criteria.with_min_seq_nr(nr(self.random.below(14)));
        }
        criteria
    }

    pub(super) async fn load_snapshot(&mut self) -> Outcome {
        let (id, criteria) = (self.some_id(), self.some_criteria());
        self.doing = format!("loading a snapshot of {id} by {criteria:?}");
        self.check_snapshots(&id, &criteria).await
    }

    pub(super) async fn check_snapshots(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Outcome {
        let store = &self.subject().store.snapshots;
        let wanted = self.model.snapshots(id, criteria);
        let newest =
            wanted.first().map(|(seq_nr, millis, text)| snapshot(id, seq_nr.get(), *millis, text));
        ensure_eq!(store.load(id, criteria).await?, newest, "the newest snapshot of {id}");
        let infos = store.list(id, criteria, 100).await?;
        let found: Vec<_> = infos.iter().map(|info| (info.seq_nr, info.timestamp)).collect();
        let wanted: Vec<_> = wanted.iter().map(|(nr, millis, _)| (*nr, at(*millis))).collect();
        ensure_eq!(found, wanted, "the snapshots of {id}");
        Ok(())
    }

    pub(super) async fn delete_snapshots(&mut self) -> Outcome {
        let (id, criteria) = (self.some_id(), self.some_criteria());
        self.doing = format!("deleting snapshots of {id} by {criteria:?}");
        self.subject().store.snapshots.delete(&id, &criteria).await?;
        self.model.delete_snapshots(&id, &criteria);
        self.check_snapshots(&id, &SnapshotCriteria::ALL).await
    }

    pub(super) async fn save_offset(&mut self) -> Outcome {
        if !self.subject().capabilities().offsets {
            return Ok(());
        }
        let Some((_, offset)) = self.some_offset(0) else { return Ok(()) };
        let stale = self.random.one_in(3);
        let saved = self.projection.0;
        let expected = OffsetRevision::new(if stale { self.random.below(4) } else { saved.get() });
        self.doing = format!("saving an offset at revision {}", expected.get());
        let answer = self.subject().store.offsets.save_offset(
            &self.projection_name,
            expected,
            offset.clone(),
        );
        let answer = answer.await;
        if expected == saved {
            let revision = answer?;
            ensure_eq!(revision, saved.next(), "the new revision");
            self.projection = (revision, Some(offset));
        } else {
            expect_conflict(answer, saved.get(), "the save")?;
        }
        self.check_offset().await
    }

    pub(super) async fn check_offset(&self) -> Outcome {
        if !self.subject().capabilities().offsets {
            return Ok(());
        }
        let stored = self.subject().store.offsets.load_offset(&self.projection_name).await?;
        let found = stored.map_or((OffsetRevision::NONE, None), |s| (s.revision, Some(s.offset)));
        ensure_eq!(found, self.projection, "the saved offset");
        Ok(())
    }
}
