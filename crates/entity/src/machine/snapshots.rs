//! When a snapshot is due, and what may be deleted once it is saved. Pure.

use annals_core::{SeqNr, Snapshot};

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

    /// What the snapshot at `saved` makes superfluous.
    pub(crate) fn superfluous(self, saved: SeqNr) -> Superfluous {
        let span = self.every.saturating_mul(self.keep.snapshots);
        let upper = SeqNr::new(saved.get().saturating_sub(span)).unwrap_or_default();
        if self.keep.delete_events {
            // The snapshot at `upper` stays: it is the base of the first event that is left.
            Superfluous { events_to: upper, snapshots_to: upper.previous() }
        } else {
            Superfluous { events_to: SeqNr::ZERO, snapshots_to: upper }
        }
    }
}

/// What a saved snapshot makes superfluous; zero means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Superfluous {
    pub(crate) events_to: SeqNr,
    pub(crate) snapshots_to: SeqNr,
}

/// A snapshot to save, and what to delete after it was saved, events first.
#[derive(Debug)]
pub(crate) struct Save {
    pub(crate) snapshot: Snapshot,
    pub(crate) superfluous: Superfluous,
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

    #[test]
    fn what_is_kept_covers_the_newest_snapshots() {
        let cadence = Cadence::new(10, keep(2));
        let superfluous = cadence.superfluous(nr(30));
        assert_eq!(superfluous, Superfluous { events_to: SeqNr::ZERO, snapshots_to: nr(10) });
        assert_eq!(cadence.superfluous(nr(20)), Superfluous::default());
    }

    #[test]
    fn deleting_events_keeps_the_snapshot_at_the_boundary() {
        let cadence = Cadence::new(10, keep(1).and_delete_events());
        let superfluous = cadence.superfluous(nr(30));
        assert_eq!(superfluous, Superfluous { events_to: nr(20), snapshots_to: nr(19) });
    }
}
