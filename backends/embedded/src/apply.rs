//! Takes a frame that was read from the log into the catalog: when a store is opened, and when one
//! process follows what another one writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Bounds, PersistenceId, Result, StoredOffset};

use crate::catalog::{Change, Head, MemIndex, Sealed, Snapshots};
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

    /// What is known of an id before `change`. Of events the frame itself tells enough.
    fn head(&self, id: &PersistenceId, change: &Change) -> Result<Head> {
        let older = self.sealing.iter().rev().filter_map(|index| index.get(id));
        if let Some(entry) = older.into_iter().find(|entry| entry.touched) {
            return Ok(entry.head.clone());
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
