//! The mistakes that the protocol's description warns of, and some near them.

/// One thing done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A claimant does not revoke the claim before its own.
    NoRevocation,
    /// A revocation names the writer but not the claim.
    RevocationWithoutNumber,
    /// A claimant does not revoke a claim that it held itself.
    OwnClaimNotRevoked,
    /// A claimant replays while its revocation is under way.
    ReplayBeforeRevoked,
    /// The check begins before the insert has finished.
    CheckBeforeInserted,
    /// A quorum read does not mend the replicas that it read.
    NoReadRepair,
    /// The same, and the claimant writes the last append that it found again.
    RewritesLastAppend,
    /// Readers do not look at where the newest claim begins.
    NoFromSeq,
    /// The claim begins at the last number that was found.
    FromSeqTooLow,
    /// The claim begins one number too far.
    FromSeqTooHigh,
    /// The claim is written whatever the claim row says.
    ClaimWithoutCondition,
    /// A claim whose answer was lost is taken as won.
    UnknownTakenAsWon,
    /// An insert that timed out is repeated with another content under the same claim.
    RepeatedWithNewContent,
    /// An append begins before the one ahead of it is acknowledged.
    TwoInFlight,
    /// Readers do not tell where an append begins and ends.
    NotDelimited,
    /// Of several rows below the newest claim's begin, the lowest claim's counts.
    LowestClaim,
    /// A reader checks the claim before it reads the rows.
    ReaderChecksFirst,
    /// A reader delivers the newest claim's last append though the check failed.
    DoubtfulDelivered,
    /// The claim's condition leaves out how far the entity is deleted.
    ClaimIgnoresDeleted,
    /// A reader asks how far the entity is deleted before it reads the rows only.
    DeletedReadBeforeOnly,
    /// The insert counts as finished when one replica has it.
    InsertedOnOneReplica,
    /// The revocation counts as finished when one replica has it.
    RevokedOnOneReplica,
    /// A process that holds the claim starts the entity again without looking for the end of its history.
    EndNotLookedFor,
    /// A JVM gets the entity while annals writes it.
    BothAtOnce,
    /// A JVM gets the entity while it is open whether the last append counts.
    HandedOverUnsettled,
    /// A JVM gets the entity while there are void rows.
    HandedOverWithVoidRows,
    /// A JVM has ended, but a write of its arrives later.
    HandedBackEarly,
    /// What a killed JVM may have left behind its last event is looked for at a quorum only.
    EndAtQuorum,
    /// A JVM is killed at the first event that it writes after it got the entity.
    KilledAtFirstEvent,
}

impl Mistake {
    /// All of them: those of the description in its order, then those near them.
    pub const ALL: [Self; 29] = [
        Self::NoRevocation,
        Self::RevocationWithoutNumber,
        Self::OwnClaimNotRevoked,
        Self::ReplayBeforeRevoked,
        Self::CheckBeforeInserted,
        Self::NoReadRepair,
        Self::RewritesLastAppend,
        Self::NoFromSeq,
        Self::FromSeqTooLow,
        Self::FromSeqTooHigh,
        Self::ClaimWithoutCondition,
        Self::UnknownTakenAsWon,
        Self::RepeatedWithNewContent,
        Self::TwoInFlight,
        Self::NotDelimited,
        Self::LowestClaim,
        Self::ReaderChecksFirst,
        Self::DoubtfulDelivered,
        Self::ClaimIgnoresDeleted,
        Self::DeletedReadBeforeOnly,
        Self::InsertedOnOneReplica,
        Self::RevokedOnOneReplica,
        Self::EndNotLookedFor,
        Self::BothAtOnce,
        Self::HandedOverUnsettled,
        Self::HandedOverWithVoidRows,
        Self::HandedBackEarly,
        Self::EndAtQuorum,
        Self::KilledAtFirstEvent,
    ];

    /// The mistake in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::NoRevocation => "no revocation",
            Self::RevocationWithoutNumber => "revocation without claim number",
            Self::OwnClaimNotRevoked => "own earlier claim not revoked",
            Self::ReplayBeforeRevoked => "replay before the revocation finished",
            Self::CheckBeforeInserted => "check begun before the insert finished",
            Self::NoReadRepair => "no read repair",
            Self::RewritesLastAppend => "the last append rewritten instead of read repair",
            Self::NoFromSeq => "no `from_seq`",
            Self::FromSeqTooLow => "`from_seq` one too low",
            Self::FromSeqTooHigh => "`from_seq` one too high",
            Self::ClaimWithoutCondition => "claim without its condition",
            Self::UnknownTakenAsWon => "unknown claim taken as won",
            Self::RepeatedWithNewContent => "timed-out insert repeated with new content",
            Self::TwoInFlight => "two appends of one entity in flight",
            Self::NotDelimited => "appends not delimited by `idx` and `cnt`",
            Self::LowestClaim => "lowest instead of highest claim below `from_seq`",
            Self::ReaderChecksFirst => "reader checks before it reads",
            Self::DoubtfulDelivered => "doubtful append delivered",
            Self::ClaimIgnoresDeleted => "claim ignores `deleted_to`",
            Self::DeletedReadBeforeOnly => "`deleted_to` read only before the rows",
            Self::InsertedOnOneReplica => "insert taken as finished on one replica",
            Self::RevokedOnOneReplica => "revocation taken as finished on one replica",
            Self::EndNotLookedFor => "after a JVM, the end of the history not looked for",
            Self::BothAtOnce => "a JVM beside annals at the same time",
            Self::HandedOverUnsettled => "handed to a JVM with the last append open",
            Self::HandedOverWithVoidRows => "handed to a JVM with void rows",
            Self::HandedBackEarly => "handed back while a JVM's write was on its way",
            Self::EndAtQuorum => "after a killed JVM, the end looked for at a quorum",
            Self::KilledAtFirstEvent => "a JVM killed at the first event that it writes",
        }
    }
}
