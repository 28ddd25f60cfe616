//! The whole catalog: what is durable, and what is being written.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Bounds, OffsetRevision, PersistenceId, SeqNr, StoredOffset};
use hashbrown::HashMap;

use super::{Change, EntryRef, Head, MemIndex, Sealed};
use crate::position::Position;

/// The catalog of a store.
#[derive(Debug)]
pub(crate) struct State {
    /// The segment being written.
    pub(crate) active: MemIndex,
    /// The segments that are full and whose index file is not durable yet, oldest first.
    pub(crate) sealing: Vec<Arc<MemIndex>>,
    /// The segments with index files.
    pub(crate) sealed: Arc<Sealed>,
    /// Heads of ids that were in the segment sealed last, so that busy ids need no look-up in files.
    pub(crate) recent: Arc<HashMap<PersistenceId, Head>>,
    /// The projections' offsets.
    pub(crate) offsets: BTreeMap<String, StoredOffset>,
    /// The revisions at which offsets stand when everything that is being written is durable, of those
    /// that were saved since the store was opened.
    pub(crate) planned_revisions: BTreeMap<String, OffsetRevision>,
    /// Where what is durable ends: the next batch begins at or after it.
    pub(crate) end: Position,
}

/// What the writer does with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planned {
    /// Writes it; the entry is the one of its id (any, for an offset).
    Write { entry: usize },
    /// Answers with the highest number, when what it depends on is durable.
    Conflict { highest: SeqNr },
    /// Asks the caller to look the id up again.
    Reload,
}

impl State {
    /// What is known of `id` in memory; `None` if only index files can tell.
    pub(crate) fn head_in_memory(&self, id: &PersistenceId) -> Option<Head> {
        if let Some(entry) = self.active.get(id) {
            return Some(entry.head.clone());
        }
        self.head_before_active(id)
    }

    /// The same, without the active segment.
    pub(crate) fn head_before_active(&self, id: &PersistenceId) -> Option<Head> {
        let sealing = self.sealing.iter().rev();
        let found = sealing.filter_map(|segment| segment.get(id)).find(|entry| entry.touched);
        match found {
            Some(entry) => Some(entry.head.clone()),
            None => self.recent.get(id).cloned(),
        }
    }

    /// Decides on a change, and if it is to be written, counts on it being so. `entry` is the one of its
    /// id as the caller saw it.
    pub(crate) fn plan(&mut self, change: &Change, entry: Option<EntryRef>) -> Planned {
        if let Change::OffsetSave(offset) = change {
            return match plan_offset(&self.offsets, &mut self.planned_revisions, offset) {
                Ok(()) => Planned::Write { entry: 0 },
                Err(highest) => Planned::Conflict { highest },
            };
        }
        // The caller's entry may be of the segment before.
        let Some(EntryRef { segment, number }) = entry else { return Planned::Reload };
        if segment != self.active.segment {
            return Planned::Reload;
        }
        let Some(entry) = self.active.entries.get_mut(number) else { return Planned::Reload };
        match change {
            Change::Events { first, count, deleted_to, ingest, offset, .. } => {
                let planned = &mut entry.planned;
                let begins = *ingest && *planned == Bounds::default();
                if first.previous() == planned.highest {
                    if *deleted_to != planned.deleted_to || *ingest {
                        return Planned::Reload;
                    }
                } else if !begins {
                    return Planned::Conflict { highest: planned.highest };
                }
                // Asked last: a repeated append must learn that its events are there already.
                if let Some(offset) = offset
                    && plan_offset(&self.offsets, &mut self.planned_revisions, offset).is_err()
                {
                    return Planned::Conflict { highest: first.previous() };
                }
                if begins {
                    planned.deleted_to = first.previous();
                }
                planned.highest = first.plus(u64::from(*count) - 1);
            }
            Change::Delete { to, .. } => {
                if *to > entry.planned.highest {
                    return Planned::Reload;
                }
                entry.planned.deleted_to = entry.planned.deleted_to.max(*to);
            }
            Change::SnapshotSave { .. } | Change::SnapshotDelete { .. } => {
                if entry.head.snapshot_set.is_none() {
                    return Planned::Reload;
                }
            }
            Change::OffsetSave(_) => {}
        }
        Planned::Write { entry: number }
    }

    /// Records that a frame of the active segment became durable.
    pub(crate) fn apply(&mut self, change: &Change, entry: usize, byte: u32) {
        if let Some(offset) = change.offset() {
            self.offsets.insert(offset.name.clone(), offset.clone());
        }
        if change.id().is_some() {
            self.active.apply(change, entry, byte);
        }
    }

    /// Makes `next` the active segment; the one before is to be sealed.
    pub(crate) fn roll(&mut self, next: MemIndex) {
        self.end = Position::new(next.segment, next.end);
        let full = std::mem::replace(&mut self.active, next);
        self.sealing.push(Arc::new(full));
    }
}

/// Counts on `offset` being saved, if it follows what stands; otherwise gives what stands.
fn plan_offset(
    durable: &BTreeMap<String, StoredOffset>,
    planned: &mut BTreeMap<String, OffsetRevision>,
    offset: &StoredOffset,
) -> Result<(), SeqNr> {
    let stands = match planned.get(&offset.name) {
        Some(revision) => *revision,
        None => durable.get(&offset.name).map_or(OffsetRevision::NONE, |stored| stored.revision),
    };
    if stands != Change::expected_revision(offset) {
        return Err(SeqNr::new(stands.get()).unwrap_or(SeqNr::MAX));
    }
    planned.insert(offset.name.clone(), offset.revision);
    Ok(())
}
