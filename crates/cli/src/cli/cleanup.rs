//! `annals cleanup`: deletes the old events and snapshots of entities together, so that what is left can
//! still be recovered. Everything is planned, and what has to stay is read, before anything is deleted.

mod claims;
mod tombstones;

use annals::{
    DeletedPrefix, Error, PersistenceId, Result, SeqNr, SnapshotCriteria, SnapshotInfo, Store,
};
use serde_json::json;

use crate::args::{Cleanup, CleanupMode};
use crate::output::{Output, Row, done};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Snapshots listed at a time.
const INFOS_MAX: usize = 256;

pub(crate) async fn run(
    args: Cleanup,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let ids = args.ids.into_iter().map(PersistenceId::new).collect::<Result<Vec<_>>>()?;
    if let Some(days) = args.mode.tombstones {
        return Box::pin(tombstones::run(ids, days, session, output, report)).await;
    }
    if let Some(days) = args.mode.claims {
        return Box::pin(claims::run(ids, days, session, output, report)).await;
    }
    let keep = args.mode.keep();
    let work = async |store: Store| {
        let mut plans = Vec::new();
        for id in ids {
            plans.push(plan(id, keep, &store).await?);
        }
        for plan in &plans {
            if session.yes() {
                plan.run(&store).await?;
            }
            output.row(plan.row(!session.yes()))?;
        }
        if keep.is_none() {
            report.note(
                "note: an entity without events and snapshots is recovered only where a deleted prefix is \
                 allowed; its numbers are not used again",
            );
        }
        if !session.yes() {
            report.note("dry run: nothing was deleted; give --yes to do it");
        }
        Ok(())
    };
    session.applying(work).await
}

impl CleanupMode {
    /// How many snapshots stay, with the events after the oldest of them; `None`: nothing stays.
    fn keep(&self) -> Option<usize> {
        if self.all {
            return None;
        }
        let keep = if self.before_snapshot { 1 } else { self.keep.unwrap_or(1) };
        Some(usize::try_from(keep).unwrap_or(usize::MAX))
    }
}

/// What is to be deleted of one entity.
struct Plan {
    id: PersistenceId,
    /// Events up to here.
    to: SeqNr,
    events: u64,
    /// The snapshots.
    snapshots: Option<SnapshotCriteria>,
    deleted: usize,
    kept: usize,
}

async fn plan(id: PersistenceId, keep: Option<usize>, store: &Store) -> Result<Plan> {
    let bounds = store.journal.bounds(&id).await?;
    let snapshots = snapshots(&id, store).await?;
    if bounds.highest.is_zero() && snapshots.is_empty() {
        return Err(Error::invalid(format!("{id} holds no event and no snapshot")));
    }
    let (to, criteria, kept) = match keep {
        None => (bounds.highest, Some(SnapshotCriteria::ALL), 0),
        Some(keep) => match keep.checked_sub(1).and_then(|last| snapshots.get(last)) {
            // Fewer than are to stay: all of them are needed, and the events behind the oldest with them.
            None => (bounds.deleted_to, None, snapshots.len()),
            Some(oldest) => {
                for info in snapshots.iter().take(keep) {
                    check_needed(&id, info, store).await?;
                    DeletedPrefix::RequireSnapshot.check(&id, info.seq_nr, bounds)?;
                }
                let older = SnapshotCriteria::up_to(oldest.seq_nr.previous());
                let criteria = (!oldest.seq_nr.is_zero()).then_some(older);
                (oldest.seq_nr.max(bounds.deleted_to), criteria, keep)
            }
        },
    };
    let deleted = if criteria.is_some() { snapshots.len() - kept } else { 0 };
    let events = to.get() - bounds.deleted_to.get();
    Ok(Plan { id, to, events, snapshots: criteria.filter(|_| deleted > 0), deleted, kept })
}

/// Checks that a snapshot that stands for deleted events can be read.
async fn check_needed(id: &PersistenceId, info: &SnapshotInfo, store: &Store) -> Result<()> {
    let at = SnapshotCriteria::at(info.seq_nr);
    let context = || format!("snapshot {} of {id} is needed; nothing was deleted", info.seq_nr);
    match store.snapshots.load(id, &at).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Error::unavailable(format!("{}: it was deleted just now", context()))),
        Err(error) => Err(error.context(context())),
    }
}

/// All snapshots of `id`, newest first.
async fn snapshots(id: &PersistenceId, store: &Store) -> Result<Vec<SnapshotInfo>> {
    let mut all = Vec::new();
    let mut criteria = SnapshotCriteria::ALL;
    loop {
        let infos = store.snapshots.list(id, &criteria, INFOS_MAX).await?;
        all.extend_from_slice(&infos);
        match infos.last() {
            Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                criteria.max_seq_nr = oldest.seq_nr.previous();
            }
            _ => return Ok(all),
        }
    }
}

impl Plan {
    /// Events first: between the two, the newest snapshot is there either way.
    async fn run(&self, store: &Store) -> Result<()> {
        let interrupted =
            |error: Error| error.context(format!("the cleanup of {} can be run again", self.id));
        if self.events > 0 {
            store.journal.delete_to(&self.id, self.to).await.map_err(interrupted)?;
        }
        if let Some(criteria) = &self.snapshots {
            store.snapshots.delete(&self.id, criteria).await.map_err(interrupted)?;
        }
        Ok(())
    }

    fn row(&self, dry_run: bool) -> Row {
        Row {
            json: object(json!({
                "persistence_id": self.id.as_str(), "to": self.to.get(), "events": self.events,
                "snapshots": self.deleted, "snapshots_kept": self.kept, "dry_run": dry_run,
            })),
            cells: vec![
                ("PERSISTENCE ID", self.id.to_string()),
                ("EVENTS TO", self.to.to_string()),
                ("EVENTS", self.events.to_string()),
                ("SNAPSHOTS", self.deleted.to_string()),
                ("KEPT", self.kept.to_string()),
                ("DONE", done(dry_run)),
            ],
        }
    }
}
