//! What a store's tests give to the kit: ways to open it, to break it, and what it may lack.

use std::fmt;
use std::time::Duration;

use annals_core::{PersistenceId, Result, SeqNr, Store};
use async_trait::async_trait;

/// Opens the stores of one case. The hooks for faults answer `false` where the store cannot be broken
/// that way; the cases that need them are then ignored.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Opens the store at `place`, a short name. The first time it is fresh; after the kit closed or
    /// crashed it, it holds what it held. Two places are two stores: the one's offsets are foreign to
    /// the other.
    ///
    /// # Errors
    /// Any; the case fails with it.
    async fn open(&self, place: &str) -> Result<Store>;

    /// Ends `store` without closing it, as a crash would. By default it is dropped.
    ///
    /// # Errors
    /// Any; the case fails with it.
    async fn crash(&self, place: &str, store: Store) -> Result<()> {
        let _ = place;
        drop(store);
        Ok(())
    }

    /// What may show as ignored. A case that misses anything else fails.
    fn lacks(&self) -> &[Missing] {
        &[]
    }

    /// A text that no other test run on the same server uses; part of every id and tag. The kit looks
    /// only at ids that carry it, so that cases may share a server. Default: none.
    fn namespace(&self) -> String {
        String::new()
    }

    /// How much the larger cases write.
    fn scale(&self) -> Scale {
        Scale::default()
    }

    /// How long a case may take before it fails. Default: two minutes.
    fn deadline(&self) -> Duration {
        Duration::from_secs(120)
    }

    /// Whether events come back with the very timestamp they were given; `false` for stores that keep
    /// the time of the successful attempt.
    fn keeps_timestamps(&self) -> bool {
        true
    }

    /// Makes the next append be stored and answered `OutcomeUnknown`.
    async fn lose_next_acknowledgement(&self, place: &str) -> bool {
        let _ = place;
        false
    }

    /// Makes the next save of a snapshot fail inside the store.
    async fn fail_next_snapshot_save(&self, place: &str) -> bool {
        let _ = place;
        false
    }

    /// Damages a stored snapshot of the open store, so that it can no longer be read.
    async fn damage_snapshot(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let _ = (place, id, seq_nr);
        false
    }

    /// Damages or removes a stored event of the open store behind its back.
    async fn damage_event(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let _ = (place, id, seq_nr);
        false
    }
}

/// How much the larger cases write. Raise it until the store needs more than one page, batch or
/// segment; lower it for slow servers, but not below that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Events of a long history. Default 10,000, as Pekko's performance suite has.
    pub history_events: u64,
    /// The most bytes that a case may write to pass `replay_bytes_max`. Default 64 MiB; a store whose
    /// limit is higher must be opened with a lower one.
    pub history_bytes_max: usize,
    /// Rounds of each race. Default 50.
    pub race_rounds: u64,
    /// Random operations per seed. Default 400.
    pub model_steps: u64,
    /// How many seeds. Default 8.
    pub model_seeds: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            history_events: 10_000,
            history_bytes_max: 64 * 1024 * 1024,
            race_rounds: 50,
            model_steps: 400,
            model_seeds: 8,
        }
    }
}

/// Why a case was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// `Capabilities::durable`: nothing survives (J3).
    Durable,
    /// `Capabilities::exclusive`: the application guarantees one writer (J4).
    Exclusive,
    /// `Capabilities::detects_ahead` (J4).
    DetectsAhead,
    /// `Capabilities::tags`.
    Tags,
    /// `Capabilities::slices`.
    Slices,
    /// `Capabilities::all_events`.
    AllEvents,
    /// `Capabilities::offsets`.
    Offsets,
    /// [`Fixture::lose_next_acknowledgement`].
    LostAcknowledgement,
    /// [`Fixture::fail_next_snapshot_save`].
    SnapshotSaveFailure,
    /// [`Fixture::damage_snapshot`].
    SnapshotDamage,
    /// [`Fixture::damage_event`].
    EventDamage,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Durable => "the store keeps nothing durably",
            Self::Exclusive => "the store does not refuse a second writer",
            Self::DetectsAhead => "the store does not detect an append past the end",
            Self::Tags => "the store does not read by tag",
            Self::Slices => "the store does not read by slices",
            Self::AllEvents => "the store does not read all events",
            Self::Offsets => "the store does not keep offsets",
            Self::LostAcknowledgement => "the fixture cannot lose an acknowledgement",
            Self::SnapshotSaveFailure => "the fixture cannot fail a snapshot's save",
            Self::SnapshotDamage => "the fixture cannot damage a snapshot",
            Self::EventDamage => "the fixture cannot damage an event",
        })
    }
}
