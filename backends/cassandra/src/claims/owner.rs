//! What a process knows about one entity that it owns, or owned: its claim, the last number, the
//! appends whose outcome is open, and the receipts that it gave last.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{AppendId, SeqNr, SeqRange, WriterId};

use super::claim::{Claim, ClaimRow};
use super::claimant::{End, Won};

/// Receipts that are kept for appends that are repeated.
const RECEIPTS_MAX: usize = 4;

/// Earlier incarnations of the entity that are remembered as fenced.
const FENCED_MAX: usize = 8;

/// One try to store an append. There is at most one under a claim at a number, so that these two
/// name its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) append_id: AppendId,
    pub(crate) claim: Claim,
    pub(crate) range: SeqRange,
}

/// What becomes of an append that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is stored already.
    Stored(SeqRange),
    /// Its writer was replaced by a newer incarnation of the entity.
    Fenced,
    /// Its `after` is not the last number.
    Conflict(SeqNr),
    /// Nothing is known before the entity is claimed (again).
    Claim,
    /// Its rows are to be inserted.
    Insert(Attempt),
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    /// It is void, now and for ever.
    Void,
    /// Its claim is still the newest: not decided.
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    claim: Claim,
    /// The first number that it may write.
    from_seq: SeqNr,
    end: End,
    /// Whether an append under it was left without an answer.
    unsettled: bool,
}

/// One entity in one process.
#[derive(Debug, Default)]
pub(crate) struct Owner {
    held: Option<Held>,
    writer: Option<WriterId>,
    fenced: VecDeque<WriterId>,
    open: Vec<Attempt>,
    receipts: VecDeque<(AppendId, SeqRange)>,
}

impl Owner {
    /// An incarnation of the entity begins: those before it are fenced.
    pub(crate) fn begin(&mut self, writer: &WriterId) {
        self.fenced.retain(|fenced| fenced != writer);
        let before = self.writer.replace(writer.clone()).filter(|before| before != writer);
        if let Some(before) = before {
            self.fenced.push_back(before);
            if self.fenced.len() > FENCED_MAX {
                self.fenced.pop_front();
            }
        }
    }

    /// The claim that is held, if the entity may go on under it once a check has passed.
    pub(crate) fn settled_claim(&self) -> Option<Claim> {
        self.held.filter(|held| !held.unsettled).map(|held| held.claim)
    }

    /// What the claim row of `process`, this one, says, if the claim is held.
    pub(crate) fn claim_row(&self, process: &Arc<str>) -> Option<ClaimRow> {
        let Held { claim, from_seq, end, .. } = self.held?;
        Some(ClaimRow { claim, process: process.clone(), from_seq, deleted_to: end.deleted_to })
    }

    /// Where the history ends, as far as this process knows.
    pub(crate) fn end(&self) -> End {
        self.held.map(|held| held.end).unwrap_or_default()
    }

    /// A claim was won.
    pub(crate) fn won(&mut self, won: Won) {
        let Won { claim, from_seq, end } = won;
        self.held = Some(Held { claim, from_seq, end, unsettled: false });
    }

    /// The claim may acknowledge nothing more.
    pub(crate) fn lost(&mut self) {
        self.held = None;
    }

    /// The attempts whose outcome a new claim has to tell.
    pub(crate) fn open(&self) -> &[Attempt] {
        &self.open
    }

    /// Whether an attempt is in the history that the newest claim found, as far as its end tells:
    /// `None` if the row at the attempt's first number has to be read.
    pub(crate) fn outcome(end: &End, attempt: &Attempt) -> Option<Outcome> {
        if end.highest < attempt.range.from {
            return Some(Outcome::Void);
        }
        let last = end.last.filter(|last| last.first == attempt.range.from)?;
        Some(Self::outcome_at(last.claim, attempt))
    }

    /// The outcome of an attempt, given the claim of the row that counts at its first number.
    pub(crate) fn outcome_at(claim: Option<Claim>, attempt: &Attempt) -> Outcome {
        if claim == Some(attempt.claim) { Outcome::Stored } else { Outcome::Void }
    }

    /// The outcome of an attempt is known.
    pub(crate) fn settle(&mut self, attempt: &Attempt, stored: bool) {
        self.open.retain(|open| open != attempt);
        if stored {
            self.receipts.push_back((attempt.append_id, attempt.range));
            if self.receipts.len() > RECEIPTS_MAX {
                self.receipts.pop_front();
            }
        }
    }

    /// Decides on an append. Its rows are inserted only under the claim and number that are answered.
    pub(crate) fn admit(
        &mut self,
        append_id: AppendId,
        writer: &WriterId,
        range: SeqRange,
    ) -> Admission {
        if let Some((_, stored)) = self.receipts.iter().find(|(id, _)| *id == append_id) {
            return Admission::Stored(*stored);
        }
        if self.fenced.contains(writer) {
            return Admission::Fenced;
        }
        // An earlier try whose outcome is not known yet must be told first.
        if self.open.iter().any(|open| open.append_id == append_id) {
            return Admission::Claim;
        }
        let Some(held) = self.held.as_mut().filter(|held| !held.unsettled) else {
            return Admission::Claim;
        };
        if range.from != held.end.highest.next() {
            return Admission::Conflict(held.end.highest);
        }
        let attempt = Attempt { append_id, claim: held.claim, range };
        // Until it is acknowledged nothing else may be written under this claim, whatever happens to
        // the caller meanwhile.
        held.unsettled = true;
        self.open.push(attempt);
        Admission::Insert(attempt)
    }

    /// The check after an attempt's insert has passed.
    pub(crate) fn acknowledged(&mut self, attempt: &Attempt) {
        self.settle(attempt, true);
        if let Some(held) = self.held.as_mut().filter(|held| held.claim == attempt.claim) {
            held.unsettled = false;
            held.end.highest = attempt.range.to;
        }
    }

    /// An attempt was not sent, or the server refused it before it wrote anything.
    pub(crate) fn not_written(&mut self, attempt: &Attempt) {
        self.settle(attempt, false);
        if let Some(held) = self.held.as_mut().filter(|held| held.claim == attempt.claim) {
            held.unsettled = false;
        }
    }

    /// A JVM wrote past the claim's begin: the entity is not to start again under it, since Pekko's replay
    /// filter would take it for an old writer.
    pub(crate) fn met_foreign(&mut self) {
        if let Some(held) = &mut self.held {
            held.unsettled = true;
        }
    }

    /// An empty history begins after `after`, which counts as deleted.
    pub(crate) fn begins_after(&mut self, after: SeqNr) {
        if let Some(held) = &mut self.held {
            held.end = End { highest: after, deleted_to: after, last: None };
        }
    }

    /// The entity is deleted up to here.
    pub(crate) fn deleted(&mut self, to: SeqNr) {
        if let Some(held) = &mut self.held {
            held.end.deleted_to = held.end.deleted_to.max(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::claimant::LastAppend;

    fn nr(number: u64) -> SeqNr {
        SeqNr::new(number).unwrap()
    }

    fn range(from: u64, to: u64) -> SeqRange {
        SeqRange::new(nr(from), nr(to))
    }

    fn end(highest: u64) -> End {
        End { highest: nr(highest), ..End::default() }
    }

    fn won(claim: i64, highest: u64) -> Won {
        Won { claim: Claim::new(claim).unwrap(), from_seq: nr(highest + 1), end: end(highest) }
    }

    fn append(owner: &mut Owner, id: u128, writer: &str, from: u64, to: u64) -> Admission {
        owner.admit(AppendId::new(id), &WriterId::new(writer), range(from, to))
    }

    fn insert(admission: Admission) -> Attempt {
        let Admission::Insert(attempt) = admission else { panic!("{admission:?}") };
        attempt
    }

    #[test]
    fn nothing_is_written_without_a_claim() {
        let mut owner = Owner::default();
        assert_eq!(append(&mut owner, 1, "w", 1, 1), Admission::Claim);
    }

    #[test]
    fn an_append_goes_after_the_last_number_and_is_repeated_safely() {
        let mut owner = Owner::default();
        owner.won(won(1, 3));
        assert_eq!(append(&mut owner, 1, "w", 4 - 1, 4), Admission::Conflict(nr(3)));
        let attempt = insert(append(&mut owner, 1, "w", 4, 5));

        owner.acknowledged(&attempt);

        assert_eq!(append(&mut owner, 1, "w", 4, 5), Admission::Stored(range(4, 5)));
        assert_eq!(append(&mut owner, 2, "w", 4, 4), Admission::Conflict(nr(5)));
        assert_eq!(owner.end().highest, nr(5));
    }

    #[test]
    fn an_open_append_blocks_its_claim() {
        let mut owner = Owner::default();
        owner.won(won(1, 0));
        let attempt = insert(append(&mut owner, 1, "w", 1, 1));

        assert_eq!(append(&mut owner, 2, "w", 1, 1), Admission::Claim);
        assert_eq!(append(&mut owner, 2, "w", 2, 2), Admission::Claim);
        assert_eq!(owner.settled_claim(), None);
        assert_eq!(owner.open(), [attempt]);
    }

    #[test]
    fn the_next_claim_tells_what_became_of_it() {
        let claim = Claim::new(1).unwrap();
        let attempt = Attempt { append_id: AppendId::new(1), claim, range: range(4, 5) };
        let last = |claim, first| {
            let claim = Claim::new(claim);
            End { last: Some(LastAppend { claim, first: nr(first) }), ..end(5) }
        };
        assert_eq!(Owner::outcome(&end(3), &attempt), Some(Outcome::Void));
        assert_eq!(Owner::outcome(&last(1, 4), &attempt), Some(Outcome::Stored));
        assert_eq!(Owner::outcome(&last(2, 4), &attempt), Some(Outcome::Void));
        assert_eq!(Owner::outcome(&last(2, 6), &attempt), None);
    }

    #[test]
    fn a_newer_incarnation_fences_the_older_ones() {
        let mut owner = Owner::default();
        owner.begin(&WriterId::new("old"));
        owner.won(won(1, 0));
        owner.begin(&WriterId::new("new"));
        assert_eq!(append(&mut owner, 1, "old", 1, 1), Admission::Fenced);
        insert(append(&mut owner, 2, "new", 1, 1));
    }

    #[test]
    fn an_append_that_was_not_written_leaves_its_number_free() {
        let mut owner = Owner::default();
        owner.won(won(1, 0));
        let attempt = insert(append(&mut owner, 1, "w", 1, 1));
        owner.not_written(&attempt);
        insert(append(&mut owner, 2, "w", 1, 1));
    }
}
