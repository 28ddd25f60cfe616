//! A claim: the right of one process to append to one entity. Claims are numbered 1, 2, 3 … per
//! entity; the newest counts.

use std::fmt;
use std::sync::Arc;

use annals_core::{SeqNr, WriterId};

/// The number of a claim; 0 = the entity has never been claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Claim(u64);

impl Claim {
    /// No claim.
    pub(crate) const NONE: Self = Self(0);

    /// The claim of this number, as the tables hold it.
    pub(crate) fn new(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// The number for the tables.
    pub(crate) fn get(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The claim after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The row of `annals_claims` of one entity: its newest claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimRow {
    pub(crate) claim: Claim,
    /// The process that holds it.
    pub(crate) process: Arc<str>,
    /// The first number that the claim may write.
    pub(crate) from_seq: SeqNr,
    /// How far the entity is deleted, as owners recorded it.
    pub(crate) deleted_to: SeqNr,
}

impl ClaimRow {
    /// What an entity without a row counts as.
    pub(crate) fn none() -> Self {
        let process = Arc::default();
        let (from_seq, deleted_to) = (SeqNr::FIRST, SeqNr::ZERO);
        Self { claim: Claim::NONE, process, from_seq, deleted_to }
    }
}

/// Between the writer and its claim in `writer_uuid`, which Pekko's writers never hold; the letter tells
/// claims from what `fencing = lwt` writes there.
const SEPARATOR: &str = "#c";

/// The `writer_uuid` of events of `writer` under `claim`: to Pekko's replay filter each claim is a
/// writer of its own.
pub(crate) fn writer_text(writer: &WriterId, claim: Claim) -> String {
    format!("{writer}{SEPARATOR}{claim}")
}

/// The writer and the claim that a `writer_uuid` names; Pekko's rows have no claim. A writer's own
/// separators stay its own, since the last one counts.
pub(crate) fn claim_of(writer_uuid: &str) -> (WriterId, Option<Claim>) {
    let parts = writer_uuid.rsplit_once(SEPARATOR);
    let parsed = parts.and_then(|(writer, number)| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let claim = Claim::new(number.parse().ok().filter(|_| digits)?)?;
        (!claim.is_none()).then(|| (WriterId::new(writer), Some(claim)))
    });
    parsed.unwrap_or_else(|| (WriterId::new(writer_uuid), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_comes_back_from_its_text() {
        for writer in ["1f0e", "", "a#b", "a#c7", "#c"] {
            let writer = WriterId::new(writer);
            let claim = Claim::new(12).unwrap();
            assert_eq!(claim_of(&writer_text(&writer, claim)), (writer, Some(claim)));
        }
    }

    #[test]
    fn what_is_no_claim_stays_as_it_is() {
        for text in ["8e5f7a54-7d53-4a0c-8a5e-3d0f0d3a1b9c", "a#7", "a#c", "a#cb", "a#c0", "a#c+1"]
        {
            assert_eq!(claim_of(text), (WriterId::new(text), None));
        }
    }
}
