//! Snapshots: states of entities at some sequence number, to shorten recovery.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    Bounds, Capabilities, Error, ErrorKind, Payload, PersistenceId, Result, SeqNr, Timestamp,
};

/// A state of an entity after event `seq_nr`. Its identity is (id, number): saving at the same
/// number again replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The entity.
    pub persistence_id: PersistenceId,
    /// The last event that the state includes.
    pub seq_nr: SeqNr,
    /// When it was taken, drawn by the caller.
    pub timestamp: Timestamp,
    /// The state.
    pub payload: Payload,
    /// What else is known about it (replication); kept as it is.
    pub metadata: Option<Payload>,
}

/// What a listing tells of a snapshot: all but its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The last event that the state includes.
    pub seq_nr: SeqNr,
    /// When it was taken.
    pub timestamp: Timestamp,
}

/// Which snapshots are meant; all bounds are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapshotCriteria {
    /// The lowest number.
    pub min_seq_nr: SeqNr,
    /// The highest number.
    pub max_seq_nr: SeqNr,
    /// The earliest time.
    pub min_timestamp: Timestamp,
    /// The latest time.
    pub max_timestamp: Timestamp,
}

impl SnapshotCriteria {
    /// All of them.
    pub const ALL: Self = Self {
        min_seq_nr: SeqNr::ZERO,
        max_seq_nr: SeqNr::MAX,
        min_timestamp: Timestamp::MIN,
        max_timestamp: Timestamp::MAX,
    };

    /// The one at `seq_nr`, whatever its time.
    pub const fn at(seq_nr: SeqNr) -> Self {
        Self { min_seq_nr: seq_nr, max_seq_nr: seq_nr, ..Self::ALL }
    }

    /// Those up to `seq_nr`.
    pub const fn up_to(seq_nr: SeqNr) -> Self {
        Self { max_seq_nr: seq_nr, ..Self::ALL }
    }

    /// The same, and not taken after `timestamp`.
    #[must_use]
    pub const fn with_max_timestamp(mut self, timestamp: Timestamp) -> Self {
        self.max_timestamp = timestamp;
        self
    }

    /// The same, and not taken before `timestamp`.
    #[must_use]
    pub const fn with_min_timestamp(mut self, timestamp: Timestamp) -> Self {
        self.min_timestamp = timestamp;
        self
    }

    /// The same, and not below `seq_nr`.
    #[must_use]
    pub const fn with_min_seq_nr(mut self, seq_nr: SeqNr) -> Self {
        self.min_seq_nr = seq_nr;
        self
    }

    /// Whether a snapshot of this number and time is meant.
    pub fn matches(&self, seq_nr: SeqNr, timestamp: Timestamp) -> bool {
        self.min_seq_nr <= seq_nr
            && seq_nr <= self.max_seq_nr
            && self.min_timestamp <= timestamp
            && timestamp <= self.max_timestamp
    }
}

/// Keeps snapshots. Clauses:
///
/// * **S1** `load` gives the newest *by sequence number* that meets the criteria, both ends honoured.
/// * **S2** an unreadable newest snapshot falls back to the next older, up to a number of attempts
///   ([`SnapshotStoreExt::load_readable`]); all unreadable is an error.
/// * **S3** a failed save never harms an older snapshot of the same number.
/// * **S4**, **S5**: see [`DeletedPrefix::check`].
#[async_trait]
pub trait SnapshotStore: Debug + Send + Sync + 'static {
    /// Limits and abilities.
    fn capabilities(&self) -> Capabilities;

    /// Saves `snapshot`, replacing one of the same number.
    ///
    /// # Errors
    /// `Invalid` if it is too large; otherwise as an append, without `Conflict`.
    async fn save(&self, snapshot: Snapshot) -> Result<()>;

    /// The newest snapshot of `id` that meets `criteria`, or `None`.
    ///
    /// # Errors
    /// `Corrupt` if that one cannot be read; `Unavailable`, `Closed`.
    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>>;

    /// Up to `infos_max` snapshots of `id` that meet `criteria`, newest first.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>>;

    /// Deletes all snapshots of `id` that meet `criteria`.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (repeat it), `Closed`.
    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()>;
}

/// What can be said with the required methods of [`SnapshotStore`].
#[async_trait]
pub trait SnapshotStoreExt: SnapshotStore {
    /// The newest snapshot that meets `criteria` and that `read` can read, with what it read; one
    /// that cannot be read, by the store or by `read`, falls back to the next older (S2).
    ///
    /// # Errors
    /// The newest one's error, when `attempts_max` snapshots (or all there are) could not be read;
    /// other errors of [`SnapshotStore::load`] at once.
    async fn load_readable<T, F>(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        attempts_max: usize,
        read: F,
    ) -> Result<Option<(Snapshot, T)>>
    where
        T: Send,
        F: Fn(&Snapshot) -> Result<T> + Send + Sync,
    {
        let mut criteria = *criteria;
        let mut newest_error = None;
        for _ in 0..attempts_max {
            let (seq_nr, error) = match self.load(id, &criteria).await {
                Ok(Some(snapshot)) => match read(&snapshot) {
                    Ok(value) => return Ok(Some((snapshot, value))),
                    Err(error) => (snapshot.seq_nr, error),
                },
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    match self.list(id, &criteria, 1).await?.first() {
                        Some(info) => (info.seq_nr, error),
                        None => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            };
            newest_error.get_or_insert(error);
            if seq_nr.is_zero() {
                break;
            }
            criteria.max_seq_nr = seq_nr.previous();
        }
        match newest_error {
            Some(error) => Err(error.context(format!("no readable snapshot of {id}"))),
            None => Ok(None),
        }
    }
}

impl<S: SnapshotStore + ?Sized> SnapshotStoreExt for S {}

/// What a recovery does about events that are deleted and in no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeletedPrefix {
    /// It fails: the state would be silently wrong (S4). The default.
    #[default]
    RequireSnapshot,
    /// It goes on, as Pekko does: for applications that delete events which their state no longer
    /// needs.
    Allow,
}

impl DeletedPrefix {
    /// Checks that the state of `snapshot` (a number; 0 without one) and the events of `bounds` make
    /// a whole history: **S4** a deleted prefix needs a snapshot at or past it; **S5** no snapshot
    /// stands above the highest number.
    ///
    /// # Errors
    /// `Corrupt`, naming the numbers.
    pub fn check(self, id: &PersistenceId, snapshot: SeqNr, bounds: Bounds) -> Result<()> {
        if self == Self::Allow {
            return Ok(());
        }
        if snapshot < bounds.deleted_to {
            return Err(Error::corrupt(format!(
                "{id} cannot be recovered: its events up to {} are deleted, and its newest readable \
                 snapshot is at {snapshot}",
                bounds.deleted_to
            )));
        }
        if snapshot > bounds.highest {
            return Err(Error::corrupt(format!(
                "{id} cannot be recovered: its snapshot is at {snapshot}, but its highest event is {}",
                bounds.highest
            )));
        }
        Ok(())
    }
}
