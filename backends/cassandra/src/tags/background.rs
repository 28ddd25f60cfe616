//! What need not be waited for: progress, scanning, and the repair of tag rows that were late. One task of
//! the store does it; closing the store writes what is left and awaits the task's end.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_core::{PersistenceId, Result, SeqNr, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::counters::{Epoch, Progress};
use crate::end::Look;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;

/// How often progress is written; what came meanwhile for the same tag and entity is one row.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// How many such rows are written at a time.
const WRITES_AT_A_TIME: usize = 16;
/// How long a failed repair waits.
const REPAIR_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Pending {
    progress: HashMap<(PersistenceId, Tag), (Progress, Epoch)>,
    /// Up to which event the rows of each entity are written.
    covered: HashMap<PersistenceId, (SeqNr, Epoch)>,
    /// Those whose progress is stored too.
    scanned: HashMap<PersistenceId, (SeqNr, Epoch)>,
    /// Entities with late rows, and the appends that readers wait for.
    repairs: HashMap<PersistenceId, Vec<TimeUuid>>,
}

/// What the background has still to write.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pending: Mutex<Pending>,
    /// Held while progress is written.
    flushing: tokio::sync::Mutex<()>,
}

impl Backlog {
    /// Nothing that was noted of `id` before is written after this.
    pub(crate) async fn forget(&self, id: &PersistenceId) {
        let _flushing = self.flushing.lock().await;
        let mut pending = self.pending.lock();
        pending.progress.retain(|(of, _), _| of != id);
        pending.covered.remove(id);
        pending.scanned.remove(id);
    }

    pub(crate) fn progress(&self, id: &PersistenceId, tag: &Tag, progress: Progress, as_of: Epoch) {
        self.pending.lock().progress.insert((id.clone(), tag.clone()), (progress, as_of));
    }

    /// Rows and progress of `id` have been written or noted, up to `to`.
    pub(crate) fn covered(&self, id: &PersistenceId, to: SeqNr, as_of: Epoch) {
        self.pending.lock().covered.insert(id.clone(), (to, as_of));
    }

    pub(crate) fn repair(&self, id: &PersistenceId, first: Option<TimeUuid>) {
        let mut pending = self.pending.lock();
        // Nothing may be said to be scanned before the rows are there.
        pending.covered.remove(id);
        pending.scanned.remove(id);
        pending.repairs.entry(id.clone()).or_default().extend(first);
    }

    pub(crate) fn pending_progress(&self, id: &PersistenceId) -> Vec<(Tag, Progress)> {
        let pending = self.pending.lock();
        let own = pending.progress.iter().filter(|((of, _), _)| of == id);
        own.map(|((_, tag), (progress, _))| (tag.clone(), *progress)).collect()
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the task of `inner`; it ends with it.
    pub(crate) fn start(inner: &Arc<Inner>) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let weak = Arc::downgrade(inner);
        let interval = inner.settings.events_by_tag.scanning_flush_interval;
        let task = tokio::spawn(async move {
            let mut scan_at = Instant::now() + interval;
            let mut repair_at = Instant::now();
            loop {
                let sleep = tokio::time::sleep(PROGRESS_INTERVAL);
                let ended = tokio::select! {
                    () = sleep => false,
                    changed = stopped.changed() => changed.is_err() || *stopped.borrow(),
                };
                if ended {
                    return;
                }
                let Some(inner) = Weak::upgrade(&weak) else { return };
                inner.times.compare(inner.connection.session()).await;
                inner.flush_progress().await;
                if Instant::now() >= scan_at {
                    inner.flush_scanning().await;
                    scan_at = Instant::now() + interval;
                }
                if Instant::now() >= repair_at && !inner.repair_tags().await {
                    repair_at = Instant::now() + REPAIR_PAUSE;
                }
            }
        });
        Self { stop, task: Mutex::new(Some(task)) }
    }

    /// Ends the task and waits for its end.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
    }
}

impl Inner {
    /// Writes what the background has left, at an orderly end. What fails is recovered by the next one
    /// that begins the entity.
    pub(crate) async fn flush_tags(&self) {
        self.flush_progress().await;
        self.flush_scanning().await;
    }

    async fn flush_progress(&self) {
        let _flushing = self.backlog.flushing.lock().await;
        let (progress, covered) = {
            let mut pending = self.backlog.pending.lock();
            (std::mem::take(&mut pending.progress), std::mem::take(&mut pending.covered))
        };
        if progress.is_empty() && covered.is_empty() {
            return;
        }
        let writes: Vec<_> = progress
            .iter()
            .map(|((id, tag), (progress, as_of))| async move {
                self.note_progress(id, tag, *progress, as_of.0).await
            })
            .collect();
        let written: Result<()> =
            stream::iter(writes).buffer_unordered(WRITES_AT_A_TIME).try_collect().await;
        let mut pending = self.backlog.pending.lock();
        let pending = &mut *pending;
        match written {
            Ok(()) => {
                for (id, to) in covered {
                    if !pending.repairs.contains_key(&id) {
                        pending.scanned.insert(id, to);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "tag progress could not be written; it is tried again");
                for (key, old) in progress {
                    pending.progress.entry(key).or_insert(old);
                }
                for (id, to) in covered {
                    if !pending.repairs.contains_key(&id) {
                        pending.covered.entry(id).or_insert(to);
                    }
                }
            }
        }
    }

    async fn flush_scanning(&self) {
        let _flushing = self.backlog.flushing.lock().await;
        let scanned = std::mem::take(&mut self.backlog.pending.lock().scanned);
        let writes: Vec<_> = scanned
            .iter()
            .map(|(id, (to, as_of))| async move { self.note_scanned(id, *to, as_of.0).await })
            .collect();
        let written: Result<()> =
            stream::iter(writes).buffer_unordered(WRITES_AT_A_TIME).try_collect().await;
        if let Err(error) = written {
            // A lower mark only makes a recovery read more.
            tracing::warn!(%error, "tag scanning could not be written");
        }
    }

    /// Repairs entities whose rows were late; `false` if that failed.
    async fn repair_tags(&self) -> bool {
        let ids: Vec<PersistenceId> = self.backlog.pending.lock().repairs.keys().cloned().collect();
        for id in ids {
            if let Err(error) = self.repair_entity(&id).await {
                tracing::warn!(%id, %error, "tag rows could not be repaired; it is tried again");
                return false;
            }
        }
        true
    }

    async fn repair_entity(&self, id: &PersistenceId) -> Result<()> {
        let waiting: Vec<TimeUuid> =
            self.backlog.pending.lock().repairs.get(id).cloned().unwrap_or_default();
        let end = self.find_end(id, Look::Serial).await?;
        let state = self.entities.tags(id);
        let mut state = state.lock().await;
        if state.known_to.is_none_or(|known_to| known_to < end.bounds.highest) {
            self.recover_tags(id, end.bounds.highest, &mut state).await?;
        }
        let mut pending = self.backlog.pending.lock();
        if let Some(repair) = pending.repairs.get_mut(id) {
            // Others may have come meanwhile.
            repair.retain(|first| !waiting.contains(first));
            if repair.is_empty() {
                pending.repairs.remove(id);
            }
        }
        drop(pending);
        waiting.into_iter().for_each(|first| self.in_flight.leave(first));
        self.announce();
        Ok(())
    }
}
