//! What a behaviour is told of its entity's life, beside commands.

use annals_core::{Error, SeqNr};

/// What happened to an entity. A signal is news, for logs, counters and messages to others: it is given
/// at most once, and not at all if the process ends first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signal<'a, B> {
    /// The entity is recovered; commands come next. A panic here is a failed recovery.
    RecoveryCompleted {
        /// The recovered state.
        state: &'a B,
    },
    /// The entity could not be recovered. It tries again after a while, when commands come.
    RecoveryFailed {
        /// Why.
        error: &'a Error,
    },
    /// An append ended without a receipt: what its commands decided is not stored (refused, if the
    /// error is `Invalid`), or, if it is `OutcomeUnknown`, perhaps. The entity recovers anew, unless it
    /// goes on with a copy of its state ([`EventSourced::copy`](crate::EventSourced::copy)).
    PersistFailed {
        /// Why.
        error: &'a Error,
    },
    /// A snapshot is durable.
    SnapshotSaved {
        /// The last event that it includes.
        seq_nr: SeqNr,
    },
    /// A snapshot was not saved; older ones and all events are kept.
    SnapshotFailed {
        /// The last event that it would include.
        seq_nr: SeqNr,
        /// Why.
        error: &'a Error,
    },
    /// Events that a snapshot made superfluous are deleted.
    EventsDeleted {
        /// Up to this one.
        to: SeqNr,
    },
    /// Events that a snapshot made superfluous are not deleted; the next snapshot tries again.
    EventsNotDeleted {
        /// Up to this one.
        to: SeqNr,
        /// Why.
        error: &'a Error,
    },
    /// Snapshots that a newer one made superfluous are deleted.
    SnapshotsDeleted {
        /// Up to this one.
        to: SeqNr,
    },
    /// Snapshots that a newer one made superfluous are not deleted; the next snapshot tries again.
    SnapshotsNotDeleted {
        /// Up to this one.
        to: SeqNr,
        /// Why.
        error: &'a Error,
    },
    /// The entity's state leaves memory: it was stopped, was idle, or failed. A command may wake it
    /// again.
    Stopped,
}
