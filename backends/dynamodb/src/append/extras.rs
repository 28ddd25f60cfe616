//! What an append carries beside its events: marks, and the beginning of an id that is ingested.

use annals_core::{Append, PersistenceId, SeqNr};

use crate::item::{Item, key, mark, names, number, tombstone};
use crate::keys::{Group, Keys, high_mark_of, num};
use crate::store::now;

/// What an append carries beside its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extras {
    /// The high mark.
    high: Option<SeqNr>,
    /// The first number of an id that begins past 1.
    begin: Option<SeqNr>,
    /// Whether a projection's offset is saved with the events.
    offset: bool,
    /// How many low marks are checked.
    checks: usize,
}

impl Extras {
    /// Those of an append after what is stored.
    pub(super) fn of_next(append: &Append) -> Self {
        let range = append.range();
        Self {
            high: high_mark_of(range.from, range.to),
            begin: None,
            offset: append.offset_save().is_some(),
            checks: 0,
        }
    }

    /// The same, with a check of the low marks, of which there are `shards`. Where the id is begun, they
    /// must be absent anyway.
    pub(super) fn checking(mut self, shards: u32) -> Self {
        if self.begin.is_none() {
            self.checks = usize::try_from(shards).unwrap_or(usize::MAX);
        }
        self
    }

    /// Those of an append that begins its id: where it begins past 1, all before it counts as deleted,
    /// and it carries a high mark, without which nobody would look for it.
    pub(super) fn of_first(append: &Append) -> Self {
        let range = append.range();
        if append.after().is_zero() {
            return Self::of_next(append);
        }
        let group = Group::of(range.to);
        let high = (group != Group::of(SeqNr::ZERO)).then(|| group.first());
        let offset = append.offset_save().is_some();
        Self { high, begin: Some(range.from), offset, checks: 0 }
    }

    /// How many items they are.
    pub(super) fn count(self) -> usize {
        usize::from(self.high.is_some())
            + usize::from(self.offset)
            + self.checks
            + if self.begin.is_some() { 2 } else { 0 }
    }

    pub(super) fn is_none(self) -> bool {
        self.count() == 0
    }

    /// The mark, which is put whatever stands there.
    pub(super) fn mark(self, keys: &Keys, id: &PersistenceId) -> Option<Item> {
        self.high.map(|value| mark(keys.high_mark(id, value), value))
    }

    /// The low marks that must not lie above `first`, the first number of the append.
    pub(super) fn checked(self, keys: &Keys, id: &PersistenceId) -> impl Iterator<Item = Item> {
        keys.low_marks(id).take(self.checks).map(|par| key(par, 0))
    }

    /// The items whose keys must be free: a low mark; and a tombstone in the place of event 1, for which
    /// everyone contends who begins the id, at whatever number, and which keeps the id listed.
    pub(super) fn beginning(self, keys: &Keys, id: &PersistenceId) -> Vec<Item> {
        let Some(first) = self.begin else { return Vec::new() };
        let mut low = mark(keys.low_mark(id, first), first);
        for cursor in [names::SWEPT, names::PURGED] {
            low.insert(cursor.to_owned(), number(first.previous()));
        }
        let one = key(keys.events(id, Group::of(SeqNr::FIRST)), num(SeqNr::FIRST));
        vec![low, tombstone(one, now())]
    }
}
