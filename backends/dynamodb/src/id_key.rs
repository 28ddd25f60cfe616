//! From the keys of the journal table to persistence ids. Pure: the requests are in
//! [`read_journal`](crate::read_journal).
//!
//! Event 1 of an id has `num` 1 in partition 0, and Pekko's index of ids holds every item with `num`
//! 1, also events 101, 201 … of the same id:
//!
//! ```text
//!   journal-P-account|alice-0   num 1   event 1: the id account|alice
//!   journal-P-account|alice-2   num 1   event 201: the same id, listed already
//!   other-P-account|alice-0     num 1   of another journal in the table: not ours
//! ```
//!
//! A key alone is ambiguous where journal names hold `-P-`: `a-P-P-x-0` is event 1 of `P-x` in journal
//! `a`, or of `x` in `a-P`. Such ids are [`Listed::Ambiguous`]: the item itself says whose it is.

use annals_core::PersistenceId;

/// What the key of an item with `num` 1 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listed {
    /// The id's first event.
    Id(PersistenceId),
    /// The id's first event, unless it is one of a journal whose name begins with ours.
    Ambiguous(PersistenceId),
    /// Nothing to list: a later event, or an item of another journal.
    Nothing,
}

/// How keys of one journal name are made and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdKeys {
    events: String,
    low_marks: String,
}

impl IdKeys {
    /// The keys of the journal `journal_name`.
    pub(crate) fn new(journal_name: &str) -> Self {
        Self { events: format!("{journal_name}-P-"), low_marks: format!("{journal_name}-SL-") }
    }

    /// What the keys of all events begin with.
    pub(crate) fn events(&self) -> &str {
        &self.events
    }

    /// What the keys of all low marks begin with.
    pub(crate) fn low_marks(&self) -> &str {
        &self.low_marks
    }

    /// The key of the partition that holds event 1 of `id`.
    pub(crate) fn first_partition(&self, id: &PersistenceId) -> String {
        format!("{}{id}-0", self.events)
    }

    /// What an item with `num` 1 and this `par` lists.
    pub(crate) fn first_event(&self, par: &str) -> Listed {
        let id = par.strip_prefix(&self.events).and_then(|rest| rest.strip_suffix("-0"));
        listed(id, "P-")
    }

    /// What an item with `num` 0 and this `par` lists if it is a low mark: an id whose events were
    /// deleted, with the mark's shard.
    pub(crate) fn low_mark(&self, par: &str) -> (Listed, u64) {
        let rest = par.strip_prefix(&self.low_marks).and_then(|rest| rest.rsplit_once('-'));
        match rest.and_then(|(id, shard)| Some((id, shard.parse().ok()?))) {
            Some((id, shard)) => (listed(Some(id), "SL-"), shard),
            None => (Listed::Nothing, 0),
        }
    }
}

/// `kind` is what stands between a journal's name and an id in keys of this kind.
fn listed(id: Option<&str>, kind: &str) -> Listed {
    let Some(text) = id else { return Listed::Nothing };
    // Pekko has no empty ids, and neither have we.
    let Ok(id) = PersistenceId::new(text) else { return Listed::Nothing };
    let other = text.starts_with(kind) || text.contains(&format!("-{kind}"));
    if other { Listed::Ambiguous(id) } else { Listed::Id(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Listed {
        Listed::Id(PersistenceId::new(text).unwrap())
    }

    fn ambiguous(text: &str) -> Listed {
        Listed::Ambiguous(PersistenceId::new(text).unwrap())
    }

    #[test]
    fn only_first_events_of_this_journal_list_an_id() {
        let keys = IdKeys::new("journal");
        // V26, and keys of neighbours.
        for (par, wanted) in [
            ("journal-P-my-id-0", id("my-id")),
            ("journal-P-my-id-1", Listed::Nothing),
            ("journal-P-my-id-10", Listed::Nothing),
            ("journal-P-my-id-0-1", Listed::Nothing),
            ("journal-P-my-id-0-0", id("my-id-0")),
            ("journal-P-my-id--0", id("my-id-")),
            ("journal-P-account|älice-0", id("account|älice")),
            ("journal-P--0", Listed::Nothing),
            ("journal-P-0", Listed::Nothing),
            ("journal-P-x-99999999999", Listed::Nothing),
            ("journal-P-x", Listed::Nothing),
            ("journal-SH-x-0", Listed::Nothing),
            ("journal-SL-x-0", Listed::Nothing),
            ("j-P-my-id-0", Listed::Nothing),
            ("journal2-P-my-id-0", Listed::Nothing),
            ("other-journal-P-my-id-0", Listed::Nothing),
            ("", Listed::Nothing),
            ("-0", Listed::Nothing),
        ] {
            assert_eq!(keys.first_event(par), wanted, "{par}");
        }
    }

    #[test]
    fn an_id_that_may_be_another_journals_is_told() {
        let keys = IdKeys::new("a");
        assert_eq!(keys.first_event("a-P-P-x-0"), ambiguous("P-x"));
        assert_eq!(keys.first_event("a-P-b-P-x-0"), ambiguous("b-P-x"));
        assert_eq!(keys.first_event("a-P-b-Px-0"), id("b-Px"));
        assert_eq!(IdKeys::new("a-P-b").first_event("a-P-b-P-x-0"), id("x"));
    }

    #[test]
    fn a_low_mark_tells_its_id_and_shard() {
        let keys = IdKeys::new("journal");
        for (par, wanted) in [
            ("journal-SL-my-id-0", (id("my-id"), 0)),
            ("journal-SL-my-id-9", (id("my-id"), 9)),
            ("journal-SL-SL-x-3", (ambiguous("SL-x"), 3)),
            ("journal-SL-x", (Listed::Nothing, 0)),
            ("journal-SL--1", (Listed::Nothing, 1)),
            ("journal-SL-x-y", (Listed::Nothing, 0)),
            ("journal-SH-x-0", (Listed::Nothing, 0)),
            ("journal-P-x-0", (Listed::Nothing, 0)),
        ] {
            assert_eq!(keys.low_mark(par), wanted, "{par}");
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_made() {
        for name in ["journal", "a-P", "-", "j|1"] {
            let keys = IdKeys::new(name);
            for text in ["a", "a-0", "-0", "0", "type|id-12"] {
                let wanted = PersistenceId::new(text).unwrap();
                let par = keys.first_partition(&wanted);
                assert_eq!(keys.first_event(&par), Listed::Id(wanted), "{par}");
            }
        }
    }
}
