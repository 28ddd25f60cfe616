//! What a plain store holds: one list of everything ever stored, and little else.

use std::collections::BTreeMap;

use annals_core::{
    Append, AppendId, Error, Offset, OffsetRevision, PersistenceId, Result, SeqNr, Snapshot,
    StoredEvent,
};

/// An event at its place.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) position: u64,
    pub(crate) id: PersistenceId,
    pub(crate) append_id: AppendId,
    pub(crate) event: StoredEvent,
    pub(crate) deleted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Data {
    pub(crate) store_id: u64,
    pub(crate) last_position: u64,
    pub(crate) log: Vec<Entry>,
    /// `deleted_to` and `highest` of each id.
    pub(crate) bounds: BTreeMap<PersistenceId, (u64, u64)>,
    /// The bounds one append ago.
    pub(crate) old_bounds: BTreeMap<PersistenceId, (u64, u64)>,
    /// Each id and the position of its first event.
    pub(crate) ids: Vec<(u64, PersistenceId)>,
    /// Snapshots, and whether they can be read.
    pub(crate) snapshots: BTreeMap<(PersistenceId, SeqNr), (Snapshot, bool)>,
    pub(crate) offsets: Vec<(String, OffsetRevision, Offset)>,
    /// The newest position when the store was last closed.
    pub(crate) closed_at: u64,
    pub(crate) lose_acknowledgement: bool,
    pub(crate) fail_save: bool,
    pub(crate) forgets_receipts: bool,
}

impl Data {
    pub(crate) fn bounds(&self, id: &PersistenceId) -> (u64, u64) {
        self.bounds.get(id).copied().unwrap_or_default()
    }

    /// Stores `events` of `append` from number `first` on, each `step` after the last.
    pub(crate) fn store(&mut self, append: &Append, first: u64, step: u64) {
        let id = append.id();
        self.old_bounds = self.bounds.clone();
        if !self.bounds.contains_key(id) {
            self.ids.push((self.last_position + 1, id.clone()));
        }
        let mut seq_nr = first;
        for event in append.events() {
            self.last_position += 1;
            self.log.push(Entry {
                position: self.last_position,
                id: id.clone(),
                append_id: append.append_id(),
                event: StoredEvent {
                    seq_nr: nr(seq_nr),
                    writer: append.writer().clone(),
                    timestamp: event.timestamp,
                    payload: event.payload.clone(),
                    event_manifest: event.event_manifest.clone(),
                    tags: event.tags.clone(),
                    metadata: event.metadata.clone(),
                },
                deleted: false,
            });
            let bounds = self.bounds.entry(id.clone()).or_insert((first - 1, 0));
            bounds.1 = seq_nr;
            seq_nr += step;
        }
    }

    /// Marks the events of `id` up to `to` as deleted.
    pub(crate) fn mark_deleted(&mut self, id: &PersistenceId, to: u64, events_max: usize) {
        let own = |entry: &&mut Entry| entry.id == *id && !entry.deleted;
        let own = self.log.iter_mut().filter(own).filter(|entry| entry.event.seq_nr.get() <= to);
        own.take(events_max).for_each(|entry| entry.deleted = true);
    }

    /// Forgets what lies behind `position`, as if it had never been stored.
    pub(crate) fn cut(&mut self, position: u64) {
        self.log.retain(|entry| entry.position <= position);
        self.ids.retain(|(first, _)| *first <= position);
        let mut highest = BTreeMap::new();
        for entry in &self.log {
            highest.insert(entry.id.clone(), entry.event.seq_nr.get());
        }
        self.bounds.retain(|id, _| highest.contains_key(id));
        for (id, highest) in highest {
            self.bounds.entry(id).or_default().1 = highest;
        }
    }

    pub(crate) fn offset(&self, position: u64) -> Offset {
        Offset::from_bytes([self.store_id.to_be_bytes(), position.to_be_bytes()].concat())
    }

    pub(crate) fn position(&self, offset: &Offset) -> Result<u64> {
        let (store_id, position) = split(offset)?;
        if store_id != self.store_id || position > self.last_position {
            return Err(Error::invalid("an offset of another store"));
        }
        Ok(position)
    }
}

/// The store id and the position in an offset.
pub(crate) fn split(offset: &Offset) -> Result<(u64, u64)> {
    let bytes: [u8; 16] =
        offset.as_bytes().try_into().map_err(|_| Error::invalid("not an offset"))?;
    let number = u128::from_be_bytes(bytes);
    let position = u64::try_from(number & u128::from(u64::MAX)).unwrap();
    Ok((u64::try_from(number >> 64).unwrap(), position))
}

pub(crate) fn nr(value: u64) -> SeqNr {
    SeqNr::new(value).unwrap()
}
