//! Takes a frame that was read from the log into the catalog: when a store is opened, and when one
//! process follows what another one writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Bounds, PersistenceId, Result, StoredOffset};

use crate::catalog::{Change, Head, MemIndex, Sealed, Snapshots};
use crate::format::{FrameKind, Gap, GapId};
use crate::log::{ScannedFrame, corrupt};
use crate::storage::Storage;

/// What a frame is taken into, beside the index of its own segment.
#[derive(Debug)]
pub(crate) struct Applier<'a> {
    /// The storage, for messages.
    pub(crate) storage: &'a dyn Storage,
    /// The sealed segments.
    pub(crate) sealed: &'a Sealed,
    /// The segments between them and the frame's, oldest first.
    pub(crate) sealing: &'a [Arc<MemIndex>],
    /// The projections' offsets.
    pub(crate) offsets: &'a mut BTreeMap<String, StoredOffset>,
    /// Whether frames before this one may be lost: then events may be missing between two frames.
    pub(crate) holes: bool,
}

impl Applier<'_> {
    /// Takes `frame` into the index of its segment.
    ///
    /// # Errors
    /// `Corrupt` if it does not follow what is known of its id; `Unavailable`.
    pub(crate) fn apply(&mut self, frame: &ScannedFrame, into: &mut MemIndex) -> Result<()> {
        let damaged = |what: &dyn std::fmt::Display| {
            corrupt(self.storage, into.segment, frame.byte.into(), what)
        };
        if frame.header.kind == FrameKind::Gap {
            let gap = Gap::decode(&frame.body, frame.byte);
            return self.apply_gap(gap.map_err(|malformed| damaged(&malformed))?, frame.byte, into);
        }
        let change = Change::decode(frame.header.kind, &frame.body)
            .map_err(|malformed| damaged(&malformed))?;
        if let Some(offset) = change.offset() {
            self.offsets.insert(offset.name.clone(), offset.clone());
        }
        let Some(id) = change.id() else { return Ok(()) };
        let entry = match into.find(id) {
            Some(entry) => entry,
            None => {
                let head = self.head(id, &change)?;
                into.insert(id, head)
            }
        };
        if change.needs_snapshots() {
            self.need_snapshots(into, entry, id)?;
        }
        if let (Change::Events { first, ingest, .. }, Some(entry)) =
            (&change, into.entries.get(entry))
            && entry.head.bounds.highest != first.previous()
            && !ingest
            && !self.holes
        {
            let what = format!("event {first} of {id} does not follow the one before it");
            return Err(corrupt(self.storage, into.segment, frame.byte.into(), what));
        }
        into.apply(&change, entry, frame.byte);
        into.settle(entry);
        Ok(())
    }

    /// Takes the ids of frames that are gone into the index of their segment.
    fn apply_gap(&self, gap: Gap, byte: u32, into: &mut MemIndex) -> Result<()> {
        let mut ids = gap.ids;
        // Ids are listed in the order in which they began.
        ids.sort_by_key(|gone| gone.events.and_then(|events| events.begins_at));
        for GapId { id, events } in ids {
            let entry = match into.find(&id) {
                Some(entry) => entry,
                None => {
                    let head = match self.head_in_sealing(&id) {
                        Some(head) => head,
                        None => self.sealed.head(&id)?.unwrap_or_else(Head::absent),
                    };
                    into.insert(&id, head)
                }
            };
            if let (Some(events), Some(entry)) = (events, into.entries.get(entry))
                && entry.head.bounds.highest != events.first.previous()
                && events.begins_at.is_none()
                && !self.holes
            {
                let first = events.first;
                let what = format!("event {first} of {id} does not follow the one before it");
                return Err(corrupt(self.storage, into.segment, byte.into(), what));
            }
            into.apply_gap(entry, events);
            into.settle(entry);
        }
        Ok(())
    }

    fn head_in_sealing(&self, id: &PersistenceId) -> Option<Head> {
        let older = self.sealing.iter().rev().filter_map(|index| index.get(id));
        older.into_iter().find(|entry| entry.touched).map(|entry| entry.head.clone())
    }

    /// What is known of an id before `change`. Of events the frame itself tells enough.
    fn head(&self, id: &PersistenceId, change: &Change) -> Result<Head> {
        if let Some(head) = self.head_in_sealing(id) {
            return Ok(head);
        }
        if let Change::Events { first, deleted_to, .. } = change {
            let bounds = Bounds { deleted_to: *deleted_to, highest: first.previous() };
            let snapshots = Snapshots::Unknown;
            return Ok(Head { bounds, snapshots, snapshot_set: None });
        }
        Ok(self.sealed.head(id)?.unwrap_or_else(Head::absent))
    }

    fn need_snapshots(&self, into: &mut MemIndex, entry: usize, id: &PersistenceId) -> Result<()> {
        let Some(entry) = into.entries.get_mut(entry) else { return Ok(()) };
        if entry.head.snapshot_set.is_some() {
            return Ok(());
        }
        let older = match entry.head.snapshots {
            Snapshots::Unknown => self.sealed.head(id)?.unwrap_or_else(Head::absent).snapshots,
            known => known,
        };
        entry.head.snapshot_set = Some(match older {
            Snapshots::In(segment) => self.sealed.snapshots(segment, id)?,
            _ => Vec::new(),
        });
        Ok(())
    }
}
