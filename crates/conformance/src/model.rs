//! What a store holds, kept in the plainest way: the history of everything ever stored, in the order of
//! commits. No clever structure, so that it is obviously right.

use std::collections::BTreeMap;

use annals_core::{
    Append, AppendId, AppendMode, Appended, PersistenceId, Scope, SeqNr, SnapshotCriteria, Tags,
};

use crate::context::at;

/// An event that was ever stored.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) id: PersistenceId,
    pub(crate) seq_nr: SeqNr,
    pub(crate) append_id: AppendId,
    pub(crate) text: String,
    pub(crate) tags: Tags,
}

/// What an append must answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is stored now.
    Stored(Appended),
    /// It was stored before: its receipt, or a conflict at the highest number.
    Repeated(Appended, SeqNr),
    /// A conflict at the highest number.
    Conflict(SeqNr),
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Everything ever stored, in the order of commits.
    pub(crate) commits: Vec<Committed>,
    pub(crate) deleted_to: BTreeMap<PersistenceId, SeqNr>,
    /// The time and text of each snapshot.
    pub(crate) snapshots: BTreeMap<(PersistenceId, SeqNr), (i64, String)>,
}

impl Model {
    pub(crate) fn highest(&self, id: &PersistenceId) -> SeqNr {
        let own = self.commits.iter().filter(|event| event.id == *id);
        own.map(|event| event.seq_nr).max().unwrap_or(SeqNr::ZERO)
    }

    pub(crate) fn deleted_to(&self, id: &PersistenceId) -> SeqNr {
        self.deleted_to.get(id).copied().unwrap_or(SeqNr::ZERO)
    }

    pub(crate) fn append(&mut self, append: &Append) -> Expected {
        let id = append.id();
        let highest = self.highest(id);
        let stored = self.commits.iter().any(|e| e.id == *id && e.append_id == append.append_id());
        if stored {
            return Expected::Repeated(append.receipt(), highest);
        }
        let begins = append.mode() == AppendMode::Ingest && highest.is_zero();
        if append.after() != highest && !begins {
            return Expected::Conflict(highest);
        }
        if begins && !append.after().is_zero() {
            self.deleted_to.insert(id.clone(), append.after());
        }
        let mut seq_nr = append.after();
        for event in append.events() {
            seq_nr = seq_nr.next();
            self.commits.push(Committed {
                id: id.clone(),
                seq_nr,
                append_id: append.append_id(),
                text: String::from_utf8_lossy(&event.payload.bytes).into_owned(),
                tags: event.tags.clone(),
            });
        }
        Expected::Stored(append.receipt())
    }

    pub(crate) fn delete_to(&mut self, id: &PersistenceId, to: SeqNr) {
        let to = to.min(self.highest(id)).max(self.deleted_to(id));
        if !to.is_zero() {
            self.deleted_to.insert(id.clone(), to);
        }
    }

    /// The events of `scope` that are left, each with its place in the order of commits.
    pub(crate) fn events(&self, scope: &Scope) -> Vec<(usize, &Committed)> {
        let wanted = |event: &Committed| match scope {
            Scope::All => true,
            Scope::Id(id, range) => event.id == *id && range.contains(event.seq_nr),
            Scope::Tag(tag) => event.tags.contains(tag),
            Scope::Slices(slices) => slices.contains(event.id.slice()),
        };
        let left = |event: &Committed| event.seq_nr > self.deleted_to(&event.id);
        self.commits.iter().enumerate().filter(|(_, event)| wanted(event) && left(event)).collect()
    }

    /// The ids in the order of their first event.
    pub(crate) fn ids(&self) -> Vec<PersistenceId> {
        let mut ids: Vec<PersistenceId> = Vec::new();
        for event in &self.commits {
            if !ids.contains(&event.id) {
                ids.push(event.id.clone());
            }
        }
        ids
    }

    /// The snapshots of `id` that meet `criteria`, newest first: number, time, text.
    pub(crate) fn snapshots(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Vec<(SeqNr, i64, String)> {
        let own = self.snapshots.iter().rev().filter(|((owner, _), _)| owner == id);
        own.filter(|((_, seq_nr), (millis, _))| criteria.matches(*seq_nr, at(*millis)))
            .map(|((_, seq_nr), (millis, text))| (*seq_nr, *millis, text.clone()))
            .collect()
    }

    pub(crate) fn delete_snapshots(&mut self, id: &PersistenceId, criteria: &SnapshotCriteria) {
        self.snapshots.retain(|(owner, seq_nr), (millis, _)| {
            owner != id || !criteria.matches(*seq_nr, at(*millis))
        });
    }
}
