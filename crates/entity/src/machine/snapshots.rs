//! When a snapshot is due, and what may be deleted once it is saved. Pure.

use annals_core::{Result, SeqNr, Snapshot};

use crate::settings::Keep;

/// A snapshot after each `every` events, and what is kept then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cadence {
    every: u64,
    keep: Keep,
}

impl Cadence {
    pub(crate) fn new(every: u64, keep: Keep) -> Self {
        Self { every: every.max(1), keep }
    }

    /// Whether a multiple of `every` lies in `after + 1 ..= last`.
    pub(crate) fn is_due(self, after: SeqNr, last: SeqNr) -> bool {
        last.get() / self.every > after.get() / self.every
    }

    /// Whether a recovery that replayed `replayed` events should leave a snapshot.
    pub(crate) fn is_due_after_replay(self, replayed: u64) -> bool {
        replayed >= self.every
    }

    /// What is kept once a snapshot is saved.
    pub(crate) fn retention(self) -> Retention {
        Retention(self.keep)
    }
}

/// What is kept once a snapshot is saved. It is decided on the snapshots that the store says it has:
/// counted by numbers, a batch that jumps over several multiples would leave fewer than are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention(Keep);

impl Retention {
    fn snapshots(self) -> usize {
        // With events deleted, one more: the base of the oldest event that stays.
        let snapshots = self.0.snapshots.saturating_add(u64::from(self.0.delete_events));
        usize::try_from(snapshots).unwrap_or(usize::MAX)
    }

    /// How many of the newest snapshots have to be known: the first superfluous one, too.
    pub(crate) fn looked_at(self) -> usize {
        self.snapshots().saturating_add(1)
    }

    /// What is superfluous beside the snapshots at `newest`, the newest first.
    pub(crate) fn superfluous(self, newest: &[SeqNr]) -> Superfluous {
        match newest.get(self.snapshots().saturating_sub(1)) {
            None => Superfluous::default(),
            Some(oldest) => Superfluous {
                events_to: if self.0.delete_events { *oldest } else { SeqNr::ZERO },
                snapshots_to: if newest.len() > self.snapshots() {
                    oldest.previous()
                } else {
                    SeqNr::ZERO
                },
            },
        }
    }
}

/// What a saved snapshot makes superfluous; zero means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Superfluous {
    pub(crate) events_to: SeqNr,
    pub(crate) snapshots_to: SeqNr,
}

/// A snapshot to save; what it makes superfluous is deleted after that, events first.
#[derive(Debug)]
pub(crate) struct Save {
    pub(crate) snapshot: Snapshot,
    pub(crate) retention: Option<Retention>,
}

/// How a save ended.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) seq_nr: SeqNr,
    pub(crate) snapshot: Result<()>,
    /// How the deletion of events up to a number ended, if there was one.
    pub(crate) events: Option<(SeqNr, Result<()>)>,
    /// How the deletion of snapshots up to a number ended, if there was one.
    pub(crate) snapshots: Option<(SeqNr, Result<()>)>,
}

impl Saved {
    /// A save that ended so, and nothing was deleted.
    pub(crate) fn only(seq_nr: SeqNr, snapshot: Result<()>) -> Self {
        Self { seq_nr, snapshot, events: None, snapshots: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep;

    fn nr(value: u64) -> SeqNr {
        SeqNr::new(value).unwrap()
    }

    #[test]
    fn a_batch_that_crosses_a_multiple_is_due_once() {
        let cadence = Cadence::new(10, keep(2));
        assert!(!cadence.is_due(nr(3), nr(9)));
        assert!(cadence.is_due(nr(9), nr(10)));
        assert!(cadence.is_due(nr(8), nr(33)));
        assert!(!cadence.is_due(nr(10), nr(19)));
    }

    fn superfluous(keep: Keep, newest: &[u64]) -> (u64, u64) {
        let newest: Vec<_> = newest.iter().map(|at| nr(*at)).collect();
        let superfluous = Cadence::new(10, keep).retention().superfluous(&newest);
        (superfluous.events_to.get(), superfluous.snapshots_to.get())
    }

    #[test]
    fn as_many_snapshots_are_kept_as_are_wanted_wherever_they_stand() {
        assert_eq!(superfluous(keep(2), &[30, 20, 10]), (0, 19));
        assert_eq!(superfluous(keep(2), &[768, 512, 256]), (0, 511));
        assert_eq!(superfluous(keep(2), &[30, 20]), (0, 0));
    }

    #[test]
    fn events_are_deleted_up_to_a_snapshot_that_is_there() {
        let keep = keep(1).and_delete_events();
        assert_eq!(superfluous(keep, &[30, 17, 4]), (17, 16));
        assert_eq!(superfluous(keep, &[30, 17]), (17, 0), "what failed before is tried again");
        assert_eq!(superfluous(keep, &[30]), (0, 0), "nothing would be left to fall back on");
    }
}
