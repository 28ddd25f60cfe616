//! What the store holds, under its lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use annals_core::{
    Append, AppendId, AppendMode, Appended, Bounds, Error, Offset, OffsetRevision, PersistenceId,
    Result, SeqNr, SeqRange, Snapshot, StoredEvent, Tag,
};

/// An event at its place in the log.
#[derive(Debug)]
pub(crate) struct Record {
    /// 1, 2, 3 … over all entities; never reused.
    pub(crate) position: u64,
    pub(crate) id: PersistenceId,
    pub(crate) append_id: AppendId,
    pub(crate) event: StoredEvent,
}

/// One entity's history.
#[derive(Debug, Default)]
pub(crate) struct Entity {
    pub(crate) bounds: Bounds,
    /// The events `deleted_to + 1 ..= highest`, without a hole.
    pub(crate) records: VecDeque<Arc<Record>>,
}

/// Records by position.
pub(crate) type Log = BTreeMap<u64, Arc<Record>>;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) closed: bool,
    /// The position of the newest commit; stays when that is deleted.
    pub(crate) last_position: u64,
    pub(crate) entities: HashMap<PersistenceId, Entity>,
    /// Each id at the position of its first event; stays when that is deleted (Q6).
    pub(crate) ids: BTreeMap<u64, PersistenceId>,
    pub(crate) log: Log,
    pub(crate) tags: HashMap<Tag, Log>,
    pub(crate) snapshots: HashMap<PersistenceId, BTreeMap<SeqNr, Snapshot>>,
    pub(crate) offsets: BTreeMap<String, (OffsetRevision, Offset)>,
}

impl Entity {
    /// The stored record `seq_nr`.
    fn record(&self, seq_nr: SeqNr) -> Option<&Arc<Record>> {
        self.records.get(self.index(seq_nr)?)
    }

    fn index(&self, seq_nr: SeqNr) -> Option<usize> {
        let index = seq_nr.get().checked_sub(self.bounds.deleted_to.next().get())?;
        usize::try_from(index).ok()
    }

    /// The stored records of `range`, ascending.
    pub(crate) fn range(&self, range: SeqRange) -> impl Iterator<Item = &Arc<Record>> {
        let from = range.from.max(self.bounds.deleted_to.next());
        let start = self.index(from).unwrap_or(0);
        self.records.iter().skip(start).take_while(move |record| record.event.seq_nr <= range.to)
    }

    /// Whether `append` is stored already (J5): its last event is there and came with it. Once that is
    /// deleted the repeat is a conflict, as for any other writer.
    fn holds(&self, append: &Append) -> bool {
        let last = self.record(append.range().to);
        last.is_some_and(|record| record.append_id == append.append_id())
    }

    /// Where `append` may begin, or why it may not (J4, J11).
    fn place(&self, append: &Append) -> Result<()> {
        let highest = self.bounds.highest;
        let begins = append.mode() == AppendMode::Ingest && highest.is_zero();
        if append.after() == highest || begins {
            return Ok(());
        }
        Err(Error::conflict(
            highest,
            format!(
                "{} stands at {highest}, not at {}: nothing was written",
                append.id(),
                append.after()
            ),
        ))
    }
}

impl State {
    /// Stores all of `append` or nothing.
    pub(crate) fn append(&mut self, append: &Append) -> Result<Appended> {
        if let Some(entity) = self.entities.get(append.id()) {
            if entity.holds(append) {
                return Ok(append.receipt());
            }
            entity.place(append)?;
        } else {
            Entity::default().place(append)?;
        }
        if let Some(save) = append.offset_save() {
            // The entity is where the append wants it; it is the offset that is not.
            self.check_revision(&save.name, save.expected)
                .map_err(|error| Error::conflict(append.after(), error.message()))?;
            let moved = (save.expected.next(), save.offset.clone());
            self.offsets.insert(save.name.clone(), moved);
        }
        // From here on nothing fails: the append is whole.
        let entity = self.entities.entry(append.id().clone()).or_default();
        if entity.bounds.highest.is_zero() {
            entity.bounds.deleted_to = append.after();
            self.ids.insert(self.last_position + 1, append.id().clone());
        }
        let mut seq_nr = append.after();
        for event in append.events() {
            seq_nr = seq_nr.next();
            self.last_position += 1;
            let record = Arc::new(Record {
                position: self.last_position,
                id: append.id().clone(),
                append_id: append.append_id(),
                event: StoredEvent {
                    seq_nr,
                    writer: append.writer().clone(),
                    timestamp: event.timestamp,
                    payload: event.payload.clone(),
                    event_manifest: event.event_manifest.clone(),
                    tags: event.tags.clone(),
                    metadata: event.metadata.clone(),
                },
            });
            for tag in &event.tags {
                let tagged = self.tags.entry(tag.clone()).or_default();
                tagged.insert(record.position, record.clone());
            }
            self.log.insert(record.position, record.clone());
            entity.records.push_back(record);
        }
        entity.bounds.highest = seq_nr;
        Ok(append.receipt())
    }

    /// Checks that the offset of projection `name` stands at `expected` (P3).
    pub(crate) fn check_revision(&self, name: &str, expected: OffsetRevision) -> Result<()> {
        let found = self.offsets.get(name).map_or(OffsetRevision::NONE, |entry| entry.0);
        if found == expected {
            return Ok(());
        }
        let message = format!(
            "the offset of {name} was saved {} times, not {}: another instance runs it",
            found.get(),
            expected.get()
        );
        Err(Error::conflict(SeqNr::new(found.get()).unwrap_or(SeqNr::MAX), message))
    }

    /// Deletes the events of `id` up to `to`, capped at the highest number.
    pub(crate) fn delete_to(&mut self, id: &PersistenceId, to: SeqNr) {
        let Some(entity) = self.entities.get_mut(id) else { return };
        let to = to.min(entity.bounds.highest);
        while let Some(record) = entity.records.pop_front_if(|record| record.event.seq_nr <= to) {
            self.log.remove(&record.position);
            for tag in &record.event.tags {
                let Some(tagged) = self.tags.get_mut(tag) else { continue };
                tagged.remove(&record.position);
                if tagged.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
        entity.bounds.deleted_to = entity.bounds.deleted_to.max(to);
    }
}
