//! What the claims need of the server. The driver implements it; the simulation does so too.

use std::collections::HashSet;

use annals_core::{Append, Error, PersistenceId, Result, SeqNr};
use async_trait::async_trait;

use super::check::Question;
use super::claim::{Claim, ClaimRow};
use super::claimant::{End, NewClaim, Written};
use super::owner::Attempt;
use crate::pages::Asked;

/// How strong a read of the claim row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strength {
    Quorum,
    /// Sees, and completes, conditional writes that are under way.
    Serial,
}

/// What a plain write came to.
#[derive(Debug)]
pub(crate) enum Inserted {
    /// A quorum has it.
    Finished,
    /// Some replica may have it, or get it later.
    Unknown(Error),
    /// Nothing was written.
    Refused(Error),
}

/// What a process's partition of `annals_writers` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Revocations {
    /// Whether the row is there that says that the process is alive.
    pub(crate) alive: bool,
    /// Its claims that are revoked.
    pub(crate) revoked: HashSet<(PersistenceId, Claim)>,
}

/// The tables, as far as claims use them. Reads and plain writes are at QUORUM. A call is one attempt.
#[async_trait]
pub(crate) trait Tables: Send + Sync + 'static {
    /// The rows of an append, as they are sent: the same bytes each time.
    type Prepared: Send + Sync;

    /// The newest claim; [`ClaimRow::none`] without a row.
    async fn read_claim(&self, id: &PersistenceId, strength: Strength) -> Result<ClaimRow>;

    /// Inserts a revocation; `Ok` when it has finished.
    async fn revoke(&self, process: &str, id: &PersistenceId, claim: Claim) -> Result<()>;

    /// Finds where the history ends under this claim row ([`EndSearch`](super::EndSearch)); `None` if
    /// a row of a newer claim was met.
    async fn find_end(
        &self,
        id: &PersistenceId,
        claim_row: &ClaimRow,
        asked: Asked,
    ) -> Result<Option<End>>;

    /// The claim of the row that counts at this number, below the claim row's `from_seq`: `Some(None)` for
    /// one of Pekko's; `None` if no row is there.
    async fn claim_at(
        &self,
        id: &PersistenceId,
        claim_row: &ClaimRow,
        number: SeqNr,
    ) -> Result<Option<Option<Claim>>>;

    /// Writes a claim on its condition.
    async fn write_claim(&self, id: &PersistenceId, claim: &NewClaim) -> Written;

    /// Records how far the entity is deleted, if `claim` is the newest and less was recorded.
    async fn write_deleted(&self, id: &PersistenceId, claim: Claim, to: SeqNr) -> Written;

    /// Says the same where Pekko looks, once the claim row says it.
    async fn publish_deleted(&self, id: &PersistenceId, to: SeqNr) -> Result<()>;

    /// Draws the timeuuids of an append and encodes its rows, once for all tries of this attempt.
    fn prepare(&self, attempt: &Attempt, append: &Append) -> Result<Self::Prepared>;

    /// Inserts the rows.
    async fn insert(&self, rows: &Self::Prepared) -> Inserted;

    /// Reads a process's revocations.
    async fn check(&self, process: &str, question: &Question) -> Result<Revocations>;
}
