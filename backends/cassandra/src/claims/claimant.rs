//! Taking the claim on an entity, as a machine: it says what to ask the server next, and is told
//! the answer.
//!
//! ```text
//!  ReadRow ─▶ Revoke ─▶ FindEnd ─▶ Write ─▶ won
//!     ▲   no row: straight to FindEnd │ refused, unknown
//!     │                               ▼
//!  BackOff ◀──────── lost ──────── ReadBack ─▶ won
//! ```

use std::sync::Arc;

use annals_core::SeqNr;

use super::claim::{Claim, ClaimRow};

/// What is to be asked of the server next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Read the claim row, at QUORUM.
    ReadRow,
    /// Insert the revocation of a process's claim, again and again until it has succeeded.
    Revoke { process: Arc<str>, claim: Claim },
    /// Find the last number by the rule of reading under this claim row; nothing is checked.
    FindEnd(ClaimRow),
    /// Write the claim on its condition.
    Write(NewClaim),
    /// Read the claim row, SERIAL.
    ReadBack,
    /// Wait a while: another took the claim.
    BackOff,
}

/// The claim to be written, and what the claim row has to say at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewClaim {
    pub(crate) expected: Claim,
    pub(crate) expected_deleted_to: SeqNr,
    pub(crate) claim: Claim,
    pub(crate) process: Arc<str>,
    pub(crate) from_seq: SeqNr,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// To [`Ask::ReadRow`] and [`Ask::ReadBack`].
    Row(ClaimRow),
    /// To [`Ask::Revoke`], once it has finished.
    Revoked,
    /// To [`Ask::FindEnd`]; `None` if a row of a newer claim was met.
    End(Option<End>),
    /// To [`Ask::Write`].
    Written(Written),
    /// To [`Ask::BackOff`].
    Waited,
}

/// The outcome of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Applied,
    Refused,
    /// It may have happened, or happen later.
    Unknown,
}

/// Where a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct End {
    /// The last number of the last whole append, at least what is deleted.
    pub(crate) highest: SeqNr,
    /// How far the entity is deleted: the larger of what the claim row and `metadata` say.
    pub(crate) deleted_to: SeqNr,
    /// That append, if it is not deleted.
    pub(crate) last: Option<LastAppend>,
}

/// Which append is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastAppend {
    pub(crate) claim: Option<Claim>,
    pub(crate) first: SeqNr,
}

/// A claim that was won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Won {
    pub(crate) claim: Claim,
    pub(crate) from_seq: SeqNr,
    pub(crate) end: End,
}

/// What follows an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Ask(Ask),
    Won(Won),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Reading,
    Revoking(ClaimRow),
    Finding(ClaimRow),
    Writing(NewClaim, End),
    ReadingBack(NewClaim, End),
    Waiting,
}

/// One attempt of a process to claim an entity, which goes on until it is won or given up.
#[derive(Debug)]
pub(crate) struct Claimant {
    process: Arc<str>,
    step: Step,
}

impl Claimant {
    /// The claimant, and what it asks first.
    pub(crate) fn start(process: Arc<str>) -> (Self, Ask) {
        (Self { process, step: Step::Reading }, Ask::ReadRow)
    }

    /// Takes an answer. One that does not belong to the last question begins anew, which is always
    /// safe: a claim is complete or absent.
    pub(crate) fn told(&mut self, told: Told) -> Progress {
        let step = std::mem::replace(&mut self.step, Step::Waiting);
        let (step, progress) = match (step, told) {
            (Step::Reading, Told::Row(row)) if row.claim.is_none() => find(row),
            (Step::Reading, Told::Row(row)) => {
                let (process, claim) = (row.process.clone(), row.claim);
                (Step::Revoking(row), Progress::Ask(Ask::Revoke { process, claim }))
            }
            (Step::Revoking(row), Told::Revoked) => find(row),
            (Step::Finding(row), Told::End(Some(end))) => self.write(&row, end),
            (Step::Writing(claim, end), Told::Written(Written::Applied)) => {
                (Step::Waiting, won(&claim, end))
            }
            (Step::Writing(claim, end), Told::Written(_)) => {
                (Step::ReadingBack(claim, end), Progress::Ask(Ask::ReadBack))
            }
            (Step::ReadingBack(claim, end), Told::Row(row)) if is_mine(&claim, &row) => {
                (Step::Waiting, won(&claim, end))
            }
            (Step::ReadingBack(..), Told::Row(_)) => (Step::Waiting, Progress::Ask(Ask::BackOff)),
            _ => (Step::Reading, Progress::Ask(Ask::ReadRow)),
        };
        self.step = step;
        progress
    }

    fn write(&self, row: &ClaimRow, end: End) -> (Step, Progress) {
        let claim = NewClaim {
            expected: row.claim,
            expected_deleted_to: row.deleted_to,
            claim: row.claim.next(),
            process: self.process.clone(),
            from_seq: end.highest.next(),
        };
        let ask = Progress::Ask(Ask::Write(claim.clone()));
        (Step::Writing(claim, end), ask)
    }
}

fn find(row: ClaimRow) -> (Step, Progress) {
    let ask = Progress::Ask(Ask::FindEnd(row.clone()));
    (Step::Finding(row), ask)
}

fn won(claim: &NewClaim, end: End) -> Progress {
    Progress::Won(Won { claim: claim.claim, from_seq: claim.from_seq, end })
}

/// Whether the claim row holds exactly the claim that was written.
fn is_mine(claim: &NewClaim, row: &ClaimRow) -> bool {
    row.claim == claim.claim && row.process == claim.process && row.from_seq == claim.from_seq
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nr(number: u64) -> SeqNr {
        SeqNr::new(number).unwrap()
    }

    fn number(claim: i64) -> Claim {
        Claim::new(claim).unwrap()
    }

    fn row(claim: i64, process: &str, from_seq: u64) -> ClaimRow {
        let (claim, from_seq) = (Claim::new(claim).unwrap(), nr(from_seq));
        ClaimRow { claim, process: process.into(), from_seq, deleted_to: nr(1) }
    }

    fn end(highest: u64) -> End {
        End { highest: nr(highest), ..End::default() }
    }

    /// The claimant of process `me`, told all of this, and the answer to the last.
    fn after(told: impl IntoIterator<Item = Told>) -> (Claimant, Progress) {
        let (mut claimant, first) = Claimant::start("me".into());
        let mut progress = Progress::Ask(first);
        for told in told {
            progress = claimant.told(told);
        }
        (claimant, progress)
    }

    #[test]
    fn an_entity_that_nobody_claimed_takes_two_requests() {
        let (mut claimant, asked) = after([Told::Row(ClaimRow::none())]);
        assert_eq!(asked, Progress::Ask(Ask::FindEnd(ClaimRow::none())));

        let Progress::Ask(Ask::Write(claim)) = claimant.told(Told::End(Some(end(0)))) else {
            panic!("no claim is written")
        };

        assert_eq!((claim.expected, claim.claim, claim.from_seq), (number(0), number(1), nr(1)));
        let won = claimant.told(Told::Written(Written::Applied));
        let expected = Won { claim: number(1), from_seq: nr(1), end: end(0) };
        assert_eq!(won, Progress::Won(expected));
    }

    #[test]
    fn an_owner_is_revoked_before_the_end_is_sought() {
        let (mut claimant, asked) = after([Told::Row(row(4, "other", 3))]);
        let revoke = Ask::Revoke { process: "other".into(), claim: number(4) };
        assert_eq!(asked, Progress::Ask(revoke));

        let asked = claimant.told(Told::Revoked);

        assert_eq!(asked, Progress::Ask(Ask::FindEnd(row(4, "other", 3))));
    }

    #[test]
    fn an_own_claim_is_revoked_too() {
        let (_, asked) = after([Told::Row(row(4, "me", 3))]);
        assert_eq!(asked, Progress::Ask(Ask::Revoke { process: "me".into(), claim: number(4) }));
    }

    #[test]
    fn an_unknown_claim_is_won_only_if_it_stands_in_the_row() {
        let told = || {
            let taken_over = [Told::Row(row(4, "other", 3)), Told::Revoked];
            let written = [Told::End(Some(end(5))), Told::Written(Written::Unknown)];
            taken_over.into_iter().chain(written)
        };
        for (found, mine) in [
            (row(5, "me", 6), true),
            (row(4, "other", 3), false),
            (row(5, "third", 6), false),
            // An older write of this process, which happened late.
            (row(5, "me", 5), false),
            (row(6, "me", 6), false),
        ] {
            let (mut claimant, asked) = after(told());
            assert_eq!(asked, Progress::Ask(Ask::ReadBack));
            let answer = claimant.told(Told::Row(found));
            assert_eq!(matches!(answer, Progress::Won(_)), mine, "{answer:?}");
        }
    }

    #[test]
    fn a_lost_claim_begins_anew_after_a_while() {
        let told = [Told::Row(ClaimRow::none()), Told::End(Some(end(0)))];
        let lost = [Told::Written(Written::Refused), Told::Row(row(1, "other", 1))];
        let (mut claimant, asked) = after(told.into_iter().chain(lost));
        assert_eq!(asked, Progress::Ask(Ask::BackOff));
        assert_eq!(claimant.told(Told::Waited), Progress::Ask(Ask::ReadRow));
    }

    #[test]
    fn a_row_of_a_newer_claim_begins_anew() {
        let (_, asked) = after([Told::Row(ClaimRow::none()), Told::End(None)]);
        assert_eq!(asked, Progress::Ask(Ask::ReadRow));
    }
}
