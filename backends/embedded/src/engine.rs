//! The engine of a store: what its writer, its background threads and its readers share.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use annals_core::{Bounds, Error, PersistenceId, Result};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use crate::catalog::{Change, EntryRef, Head, Sealed, Snapshots, State};
use crate::compaction::Compactor;
use crate::damage::Damage;
use crate::follower::Follower;
use crate::format::{FrameKind, seal_body};
use crate::index::SnapshotRef;
use crate::log::{Answer, Queue, Refused, Request, SegmentFiles, Spares, Tail};
use crate::position::{Position, SegmentNr};
use crate::sealer::Sealer;
use crate::settings::Settings;
use crate::stats::{Counters, Stats};
use crate::storage::{Storage, WritePath};

/// How often a request is made anew because the log moved under it. Each time another request won,
/// so this many losses in a row mean a defect, not a crowd.
const RELOADS_MAX: usize = 1_000;

/// An entry of the active segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ensured {
    /// Which one.
    pub(crate) entry: EntryRef,
    /// The bounds of its id when everything that waits is durable.
    pub(crate) planned: Bounds,
}

/// A frame to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The frame, with room for its header.
    pub(crate) frame: Vec<u8>,
    /// What it changes.
    pub(crate) change: Change,
    /// The entry of its id; none for an offset alone.
    pub(crate) entry: Option<EntryRef>,
}

/// What everybody shares.
pub(crate) struct Engine {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) store_id: u64,
    pub(crate) settings: Settings,
    pub(crate) state: RwLock<State>,
    pub(crate) files: Arc<SegmentFiles>,
    pub(crate) tail: Tail,
    pub(crate) queue: Queue,
    pub(crate) spares: Spares,
    pub(crate) sealer: Sealer,
    pub(crate) compactor: Compactor,
    pub(crate) counters: Counters,
    pub(crate) write_path: WritePath,
    /// Random, drawn when the store was opened: makes the epochs of new segments.
    pub(crate) seed: u64,
    pub(crate) changed: watch::Sender<u64>,
    /// Damage that a store that is open read-only reads around.
    pub(crate) damage: Option<Damage>,
    /// What a store that is open read-only follows.
    pub(crate) follower: Option<Follower>,
    pub(crate) poison: OnceLock<String>,
    pub(crate) closed: Mutex<Option<io::Result<()>>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("location", &self.location())
            .field("store_id", &self.store_id)
            .field("read_only", &self.follower.is_some())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Where the store is.
    pub(crate) fn location(&self) -> String {
        self.storage.location()
    }

    /// The storage.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn poisoned(&self) -> Option<String> {
        self.poison.get().cloned()
    }

    /// From now on nothing is written.
    pub(crate) fn poison(&self, reason: String) {
        // The first reason is the one that matters.
        let _ = self.poison.set(reason);
    }

    /// How the writer ended.
    pub(crate) fn record_close(&self, result: io::Result<()>) {
        *self.closed.lock() = Some(result);
    }

    /// Wakes those who wait for something new.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// The random number of a new segment (splitmix64 of the seed and the segment's number).
    pub(crate) fn draw_epoch(&self, segment: SegmentNr) -> u64 {
        let step = u64::from(segment.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed.wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Where what is durable ends.
    pub(crate) fn end(&self) -> Position {
        self.state.read().end
    }

    /// Puts what `change` makes of the sealed segments in their place, and does `also` to the state in the
    /// same step.
    pub(crate) fn swap_sealed(
        &self,
        change: impl Fn(&Sealed) -> Sealed,
        also: impl Fn(&mut State),
    ) {
        loop {
            let before = self.state.read().sealed.clone();
            // Outside the lock, which the writer waits for.
            let after = Arc::new(change(&before));
            let mut state = self.state.write();
            if Arc::ptr_eq(&state.sealed, &before) {
                state.sealed = after;
                return also(&mut state);
            }
        }
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Stats {
        use std::sync::atomic::Ordering::Relaxed;
        let sealed = self.state.read().sealed.clone();
        Stats {
            write_path: self.write_path,
            batches: self.counters.batches.load(Relaxed),
            frames: self.counters.frames.load(Relaxed),
            events_decoded: self.counters.events_decoded.load(Relaxed),
            sealed_segments: sealed.segments(),
            index_heap_bytes: sealed.heap_bytes(),
            index_block_reads: sealed.block_reads(),
            recovered_bytes: self.counters.recovered_bytes.load(Relaxed),
            segments_compacted: self.counters.segments_compacted.load(Relaxed),
            bytes_given_back: self.counters.bytes_given_back.load(Relaxed),
        }
    }

    /// How far the history of `id` reaches, of what is durable.
    pub(crate) fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        Ok(self.head(id)?.map(|head| head.bounds).unwrap_or_default())
    }

    /// What is known of `id`; `None` if it never held a record.
    pub(crate) fn head(&self, id: &PersistenceId) -> Result<Option<Head>> {
        let sealed = {
            let state = self.state.read();
            if let Some(head) = state.head_in_memory(id) {
                return Ok(Some(head));
            }
            state.sealed.clone()
        };
        sealed.head(id)
    }

    /// Makes sure that the active segment has an entry for `id`, with its set of snapshots if asked;
    /// gives its number, and its bounds as they will be when everything that waits is durable.
    pub(crate) fn ensure(&self, id: &PersistenceId, with_snapshots: bool) -> Result<Ensured> {
        loop {
            let (segment, in_memory, sealed) = {
                let state = self.state.read();
                let number = state.active.find(id);
                let entry = number.and_then(|number| state.active.entries.get(number));
                if let (Some(number), Some(entry)) = (number, entry)
                    && (!with_snapshots || entry.head.snapshot_set.is_some())
                {
                    let found = EntryRef { segment: state.active.segment, number };
                    return Ok(Ensured { entry: found, planned: entry.planned });
                }
                let in_memory = state.head_before_active(id);
                (state.active.segment, in_memory, state.sealed.clone())
            };
            let mut head = match in_memory {
                Some(head) => head,
                None => sealed.head(id)?.unwrap_or_else(Head::absent),
            };
            let set = if with_snapshots { Some(self.snapshots(id)?) } else { None };
            let mut state = self.state.write();
            if state.active.segment != segment {
                // The segment was rolled meanwhile: what was read may be out of date.
                continue;
            }
            if head.snapshot_set.is_none() {
                head.snapshot_set = set.clone();
            }
            let number = state.active.insert(id, head);
            if let Some(entry) = state.active.entries.get_mut(number) {
                if entry.head.snapshot_set.is_none() {
                    entry.head.snapshot_set = set;
                }
                let made = EntryRef { segment, number };
                return Ok(Ensured { entry: made, planned: entry.planned });
            }
        }
    }

    /// The snapshots of `id`, ascending by number.
    pub(crate) fn snapshots(&self, id: &PersistenceId) -> Result<Vec<SnapshotRef>> {
        let (found, sealed) = {
            let state = self.state.read();
            let active = state.active.get(id).map(|entry| &entry.head);
            let sealing = state.sealing.iter().rev().filter_map(|segment| segment.get(id));
            let sealing = sealing.filter(|entry| entry.touched).map(|entry| &entry.head);
            let heads = active.into_iter().chain(sealing).chain(state.recent.get(id));
            let known =
                |head: &&Head| head.snapshot_set.is_some() || head.snapshots != Snapshots::Unknown;
            (heads.into_iter().find(known).cloned(), state.sealed.clone())
        };
        let head = match found {
            Some(Head { snapshot_set: Some(set), .. }) => return Ok(set),
            Some(head) => Some(head),
            None => sealed.head(id)?,
        };
        match head.map(|head| head.snapshots) {
            Some(Snapshots::In(segment)) => sealed.snapshots(segment, id),
            _ => Ok(Vec::new()),
        }
    }

    /// Hands a frame to the writer and waits for the answer. `make` makes the frame of what the log
    /// knows of the id; it is called again when that changed meanwhile.
    pub(crate) async fn write<F>(&self, kind: FrameKind, mut make: F) -> Result<Answer>
    where
        F: FnMut() -> Result<Draft>,
    {
        for _ in 0..RELOADS_MAX {
            match self.submit(kind, make()?).await? {
                Answer::Reload => {}
                Answer::Failed(error) => return Err(error),
                answer => return Ok(answer),
            }
        }
        Err(Error::internal(
            "the log moved under a write a thousand times in a row; nothing was written",
        ))
    }

    async fn submit(&self, kind: FrameKind, draft: Draft) -> Result<Answer> {
        let Draft { mut frame, change, entry } = draft;
        let body = seal_body(&mut frame);
        let (answer, answered) = oneshot::channel();
        let mut request = Request { frame, body, kind, change, answer, entry };
        while let Err(refused) = self.queue.push(request) {
            let Refused::Full(returned) = refused else { return Err(self.closed_error()) };
            request = *returned;
            let mut room = std::pin::pin!(self.queue.room());
            room.as_mut().enable();
            match self.queue.push(request) {
                Ok(()) => break,
                Err(Refused::Closed) => return Err(self.closed_error()),
                Err(Refused::Full(returned)) => request = *returned,
            }
            room.await;
        }
        answered.await.map_err(|_| {
            let location = self.location();
            Error::outcome_unknown(format!(
                "the writer of the log in {location} ended without an answer"
            ))
        })
    }

    /// What a closed store says.
    pub(crate) fn closed_error(&self) -> Error {
        let location = self.location();
        let message = self.poisoned().unwrap_or_else(|| {
            format!("the store in {location} was closed; nothing was written: open it anew")
        });
        Error::closed(message)
    }
}
