//! The shared check: one read of a process's revocations answers every insert that finished before
//! it began.

use std::collections::{BTreeMap, HashSet};

use annals_core::PersistenceId;

use super::claim::Claim;

/// Checks under way at a time while few wait for them: a second one lets an insert wait for half a round
/// trip, not a whole.
const IN_FLIGHT_MAX: usize = 3;

/// From so many inserts on that are being checked, those that finish meanwhile share the next check: each
/// costs the servers a read.
const COVERED_MAX: usize = 4;

/// Above so many rows in the process's partition, only the entities that wait are asked for.
const PARTITION_ROWS_MAX: usize = 300;

/// Who waits for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// What a check says about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was not revoked when the check began.
    Passed,
    /// It may acknowledge nothing more.
    Revoked,
}

/// What to read of the process's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Every row.
    All,
    /// The row that says that the process is alive, and those of these entities.
    Only(Vec<PersistenceId>),
}

#[derive(Debug, Clone)]
struct Waiting {
    ticket: Ticket,
    id: PersistenceId,
    claim: Claim,
}

/// The checks of one process.
#[derive(Debug, Default)]
pub(crate) struct SharedCheck {
    next: u64,
    waiting: Vec<Waiting>,
    in_flight: BTreeMap<u64, Vec<Waiting>>,
    /// Rows that the partition held when all of it was read last.
    partition_rows: usize,
}

impl SharedCheck {
    /// An insert of `id` under `claim` has finished, and waits for a check that begins later.
    pub(crate) fn wait(&mut self, id: PersistenceId, claim: Claim) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.waiting.push(Waiting { ticket, id, claim });
        ticket
    }

    /// Whether a check is to begin now.
    pub(crate) fn wants(&self) -> bool {
        let covered: usize = self.in_flight.values().map(Vec::len).sum();
        let room = self.in_flight.len() < IN_FLIGHT_MAX && covered < COVERED_MAX;
        !self.waiting.is_empty() && (self.in_flight.is_empty() || room)
    }

    /// The check to begin now, if one is wanted: its number and what it reads. It must be sent after
    /// this call, since it covers all that waits at this moment.
    pub(crate) fn begin(&mut self) -> Option<(u64, Question)> {
        if !self.wants() {
            return None;
        }
        self.next += 1;
        let covered = std::mem::take(&mut self.waiting);
        let question = if self.partition_rows > PARTITION_ROWS_MAX {
            let ids: HashSet<_> = covered.iter().map(|waiting| waiting.id.clone()).collect();
            Question::Only(ids.into_iter().collect())
        } else {
            Question::All
        };
        self.in_flight.insert(self.next, covered);
        Some((self.next, question))
    }

    /// A check was answered: whether the process is alive, and which of its claims are revoked.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        alive: bool,
        revoked: &HashSet<(PersistenceId, Claim)>,
    ) -> Vec<(Ticket, Verdict)> {
        self.partition_rows = self.partition_rows.max(revoked.len());
        let covered = self.in_flight.remove(&number).unwrap_or_default();
        let verdict = |waiting: Waiting| {
            let passed = alive && !revoked.contains(&(waiting.id, waiting.claim));
            (waiting.ticket, if passed { Verdict::Passed } else { Verdict::Revoked })
        };
        covered.into_iter().map(verdict).collect()
    }

    /// A check failed: it says nothing, and those that it covered wait for the next.
    pub(crate) fn failed(&mut self, number: u64) {
        self.waiting.extend(self.in_flight.remove(&number).unwrap_or_default());
    }

    /// Nobody waits for this ticket any more.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        for covered in self.in_flight.values_mut() {
            covered.retain(|waiting| waiting.ticket != ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PersistenceId {
        PersistenceId::new(name).unwrap()
    }

    fn claim(number: i64) -> Claim {
        Claim::new(number).unwrap()
    }

    #[test]
    fn one_check_answers_all_that_waited_when_it_began() {
        let mut check = SharedCheck::default();
        let a = check.wait(id("a"), claim(1));
        let b = check.wait(id("b"), claim(4));
        let (number, question) = check.begin().unwrap();
        let late = check.wait(id("c"), claim(1));

        let verdicts = check.answered(number, true, &HashSet::from([(id("b"), claim(4))]));

        assert_eq!(question, Question::All);
        assert_eq!(verdicts, [(a, Verdict::Passed), (b, Verdict::Revoked)]);
        let (number, _) = check.begin().unwrap();
        let verdicts = check.answered(number, true, &HashSet::new());
        assert_eq!(verdicts, [(late, Verdict::Passed)]);
    }

    #[test]
    fn another_claim_of_the_entity_may_be_revoked() {
        let mut check = SharedCheck::default();
        let ticket = check.wait(id("a"), claim(3));
        let (number, _) = check.begin().unwrap();
        let verdicts = check.answered(number, true, &HashSet::from([(id("a"), claim(1))]));
        assert_eq!(verdicts, [(ticket, Verdict::Passed)]);
    }

    #[test]
    fn a_process_that_is_not_alive_owns_nothing() {
        let mut check = SharedCheck::default();
        let ticket = check.wait(id("a"), claim(1));
        let (number, _) = check.begin().unwrap();
        let verdicts = check.answered(number, false, &HashSet::new());
        assert_eq!(verdicts, [(ticket, Verdict::Revoked)]);
    }

    #[test]
    fn a_failed_check_leaves_its_entities_waiting() {
        let mut check = SharedCheck::default();
        let a = check.wait(id("a"), claim(1));
        let b = check.wait(id("b"), claim(1));
        let (number, _) = check.begin().unwrap();

        check.failed(number);
        check.forget(b);

        let (number, _) = check.begin().unwrap();
        assert_eq!(check.answered(number, true, &HashSet::new()), [(a, Verdict::Passed)]);
    }

    #[test]
    fn few_checks_are_under_way_at_a_time() {
        let mut check = SharedCheck::default();
        for _ in 0..IN_FLIGHT_MAX {
            check.wait(id("a"), claim(1));
            assert!(check.begin().is_some());
        }
        check.wait(id("a"), claim(1));
        assert_eq!(check.begin(), None);
    }

    #[test]
    fn many_share_the_next_check() {
        let mut check = SharedCheck::default();
        for _ in 0..COVERED_MAX {
            check.wait(id("a"), claim(1));
        }
        let (number, _) = check.begin().unwrap();
        check.wait(id("b"), claim(1));
        assert_eq!(check.begin(), None);
        check.answered(number, true, &HashSet::new());
        assert!(check.begin().is_some());
    }

    #[test]
    fn a_large_partition_is_asked_for_what_waits() {
        let mut check = SharedCheck::default();
        check.wait(id("a"), claim(1));
        let (number, _) = check.begin().unwrap();
        let many = (0..=300).map(|number| (id("b"), claim(number))).collect();
        check.answered(number, true, &many);

        check.wait(id("a"), claim(2));

        assert_eq!(check.begin().unwrap().1, Question::Only(vec![id("a")]));
    }
}
