//! The background thread that writes the index file of each full segment.

use std::sync::Arc;

use annals_core::Result;
use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};

use crate::catalog::{Entry, Head, MemIndex, Sealed, Snapshots};
use crate::compaction::dead_bytes;
use crate::engine::Engine;
use crate::index::{IdState, IdSummary, SegmentSummary, TagSummary};

/// The most ids whose heads stay in memory when their segment is sealed.
const RECENT_MAX: usize = 64 * 1024;

#[derive(Debug, Default)]
struct Shared {
    work: bool,
    stop: bool,
}

/// Wakes and stops the thread.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Sealer {
    /// Says that there may be a segment to be sealed.
    pub(crate) fn wake(&self) {
        self.shared.lock().work = true;
        self.changed.notify_all();
    }

    /// Ends [`Sealer::run`] when nothing is left to be sealed.
    pub(crate) fn stop(&self) {
        self.shared.lock().stop = true;
        self.changed.notify_all();
    }

    /// Seals segments until it is stopped. The body of the thread.
    pub(crate) fn run(&self, engine: &Engine) {
        loop {
            let stop = {
                let mut shared = self.shared.lock();
                while !shared.work && !shared.stop {
                    self.changed.wait(&mut shared);
                }
                shared.work = false;
                shared.stop
            };
            while engine.poisoned().is_none() {
                match seal_oldest(engine) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        // It stays in memory, and is tried again when the next segment is full.
                        tracing::warn!(%error, "the index of a full segment could not be written yet");
                        break;
                    }
                }
            }
            if stop {
                return;
            }
        }
    }
}

/// Seals the oldest full segment; `false` if there is none.
fn seal_oldest(engine: &Engine) -> Result<bool> {
    let (full, sealed, offsets) = {
        let state = engine.state.read();
        let Some(full) = state.sealing.first().cloned() else { return Ok(false) };
        // Offsets saved since the segment was full may be among them: what follows saves them again.
        (full, state.sealed.clone(), state.offsets.values().cloned().collect())
    };
    let summary = SegmentSummary {
        store_id: engine.store_id,
        segment: full.segment,
        end: full.end,
        last_checksum: full.last_checksum,
        events: full.events,
        ids: summarize_ids(&full, &sealed)?,
        tags: full
            .tags()
            .map(|(tag, frames)| TagSummary { tag: tag.clone(), frames: frames.to_vec() })
            .collect(),
        offsets,
        dead: dead_bytes(&full, &sealed, engine)?,
        decided: None,
    };
    let index = sealed.seal(&summary)?;
    let recent = Arc::new(recent(&full));
    engine.swap_sealed(
        |sealed| sealed.with(index.clone()),
        |state| {
            state.sealing.remove(0);
            state.recent = recent.clone();
        },
    );
    engine.compactor.wake();
    Ok(true)
}

fn summarize_ids(full: &MemIndex, sealed: &Sealed) -> Result<Vec<IdSummary>> {
    full.entries
        .iter()
        .filter(|entry| entry.touched)
        .map(|entry| summarize_id(entry, sealed))
        .collect()
}

fn summarize_id(entry: &Entry, sealed: &Sealed) -> Result<IdSummary> {
    let snapshots = match entry.head.snapshots {
        // An entry that a scan made: the segments before tell.
        Snapshots::Unknown => {
            sealed.head(&entry.id)?.map_or(Snapshots::Never, |head| head.snapshots)
        }
        known => known,
    };
    let snapshots_in = match snapshots {
        Snapshots::In(segment) => Some(segment),
        Snapshots::Never | Snapshots::Unknown => None,
    };
    let set = entry.head.snapshot_set.clone().unwrap_or_default();
    let bounds = entry.head.bounds;
    Ok(IdSummary {
        id: entry.id.clone(),
        state: IdState { deleted_to: bounds.deleted_to, highest: bounds.highest, snapshots_in },
        begins_at: entry.begins_at,
        frames: entry.frames.clone(),
        snapshots: entry.snapshots_changed.then_some(set),
    })
}

/// The heads of the ids of a segment, if they are not too many.
fn recent(full: &MemIndex) -> HashMap<annals_core::PersistenceId, Head> {
    let touched = full.entries.iter().filter(|entry| entry.touched);
    // Snapshots before the first event are possible, so `begins_at` does not tell that there are none.
    let known = touched.filter(|entry| entry.head.snapshots != Snapshots::Unknown);
    let head = |entry: &Entry| Head {
        bounds: entry.head.bounds,
        snapshots: entry.head.snapshots,
        snapshot_set: None,
    };
    known.take(RECENT_MAX).map(|entry| (entry.id.clone(), head(entry))).collect()
}
