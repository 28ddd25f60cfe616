//! Where items stand: the key strings of the journal table, as Pekko's plugin makes them.
//!
//! ```text
//! item        par                          num
//! event       J-P-pid-{seq / 100}          seq % 100
//! high mark   J-SH-pid-{shard}             0          shard = (value / 100) % sequence-shards
//! low mark    J-SL-pid-{shard}             0
//! intent      J-IN-pid-{append id}         0          ours; Pekko never looks there
//! ```

use std::sync::Arc;

use annals_core::{AppendId, PersistenceId, SeqNr};

/// How many numbers one partition key holds; a constant of the format.
pub(crate) const PARTITION_SIZE: u64 = 100;

/// The longest key, in bytes. A partition key may have 2,048, but an index of ids in the order of names
/// has it as its range key, which may have 1,024; a put beyond that is refused.
pub(crate) const KEY_BYTES_MAX: usize = 1024;

/// A hundred numbers of one entity, which share a partition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group(u64);

impl Group {
    pub(crate) const fn of(seq_nr: SeqNr) -> Self {
        Self(seq_nr.get() / PARTITION_SIZE)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number at `num` in this group, if it is a number of the group at all.
    pub(crate) fn at(self, num: u64) -> Option<SeqNr> {
        if num >= PARTITION_SIZE {
            return None;
        }
        SeqNr::new(self.0.checked_mul(PARTITION_SIZE)?.checked_add(num)?)
    }

    /// The first number of the group, 0 in the first group.
    pub(crate) fn first(self) -> SeqNr {
        self.at(0).unwrap_or(SeqNr::MAX)
    }

    /// The last number of the group.
    pub(crate) fn last(self) -> SeqNr {
        self.at(PARTITION_SIZE - 1).unwrap_or(SeqNr::MAX)
    }
}

/// The place of an event within its group.
pub(crate) const fn num(seq_nr: SeqNr) -> u64 {
    seq_nr.get() % PARTITION_SIZE
}

/// Makes the keys of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    journal: Arc<str>,
    shards: u64,
}

impl Keys {
    pub(crate) fn new(journal: impl Into<Arc<str>>, shards: u32) -> Self {
        Self { journal: journal.into(), shards: u64::from(shards.max(1)) }
    }

    /// The journal's name, which every key begins with.
    pub(crate) fn journal(&self) -> &str {
        &self.journal
    }

    pub(crate) fn events(&self, id: &PersistenceId, group: Group) -> String {
        format!("{}-P-{id}-{}", self.journal, group.0)
    }

    pub(crate) fn high_mark(&self, id: &PersistenceId, seq_nr: SeqNr) -> String {
        self.mark("SH", id, self.shard(seq_nr))
    }

    pub(crate) fn low_mark(&self, id: &PersistenceId, seq_nr: SeqNr) -> String {
        self.mark("SL", id, self.shard(seq_nr))
    }

    /// Whether `par` is a high mark's, given that it is a mark's. Not by its shard: there may have been
    /// fewer of them when it was written.
    pub(crate) fn is_high_mark(&self, par: &str) -> bool {
        par.strip_prefix(&*self.journal).is_some_and(|rest| rest.starts_with("-SH-"))
    }

    pub(crate) fn high_marks(&self, id: &PersistenceId) -> impl Iterator<Item = String> {
        (0..self.shards).map(move |shard| self.mark("SH", id, shard))
    }

    pub(crate) fn low_marks(&self, id: &PersistenceId) -> impl Iterator<Item = String> {
        (0..self.shards).map(move |shard| self.mark("SL", id, shard))
    }

    pub(crate) fn intent(&self, id: &PersistenceId, append_id: AppendId) -> String {
        format!("{}{append_id}", self.intents(id))
    }

    /// What the keys of all intents of `id` begin with.
    pub(crate) fn intents(&self, id: &PersistenceId) -> String {
        format!("{}-IN-{id}-", self.journal)
    }

    /// The longest id for which every key fits: an intent's has 32 digits, an event's at most 19.
    pub(crate) fn id_bytes_max(&self) -> usize {
        KEY_BYTES_MAX.saturating_sub(self.journal.len() + "-IN-".len() + "-".len() + 32)
    }

    fn shard(&self, seq_nr: SeqNr) -> u64 {
        Group::of(seq_nr).0 % self.shards
    }

    fn mark(&self, kind: &str, id: &PersistenceId, shard: u64) -> String {
        format!("{}-{kind}-{id}-{shard}", self.journal)
    }
}

/// The value of the high mark that an append of `first ..= last` carries, if it carries one: when it
/// reaches a number that begins a group.
pub(crate) fn high_mark_of(first: SeqNr, last: SeqNr) -> Option<SeqNr> {
    let group = Group::of(last);
    (Group::of(first.previous()) != group).then(|| group.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nr(value: u64) -> SeqNr {
        SeqNr::new(value).unwrap()
    }

    #[test]
    fn keys_are_those_of_pekko() {
        let keys = Keys::new("journal", 10);
        let id = PersistenceId::new("p-1").unwrap();
        for (seq_nr, par, at) in [
            (1, "journal-P-p-1-0", 1),
            (99, "journal-P-p-1-0", 99),
            (100, "journal-P-p-1-1", 0),
            (1000, "journal-P-p-1-10", 0),
        ] {
            assert_eq!(keys.events(&id, Group::of(nr(seq_nr))), par);
            assert_eq!(num(nr(seq_nr)), at);
        }
        assert_eq!(keys.high_mark(&id, nr(100)), "journal-SH-p-1-1");
        assert_eq!(keys.high_mark(&id, nr(1000)), "journal-SH-p-1-0");
        assert_eq!(keys.high_mark(&id, nr(2100)), "journal-SH-p-1-1");
        assert_eq!(keys.low_mark(&id, nr(6)), "journal-SL-p-1-0");
    }

    #[test]
    fn high_marks_are_those_of_pekko() {
        for (first, last, mark) in [
            (1, 3, None),
            (1, 99, None),
            (1, 100, Some(100)),
            (98, 102, Some(100)),
            (100, 101, Some(100)),
            (101, 150, None),
            (199, 200, Some(200)),
            (200, 299, Some(200)),
            (1, 250, Some(200)),
            (99, 99, None),
            (100, 100, Some(100)),
        ] {
            assert_eq!(high_mark_of(nr(first), nr(last)).map(SeqNr::get), mark, "{first}-{last}");
        }
    }
}
