//! Options of a region of entities, and when snapshots are taken and kept. Data only.

use std::num::NonZeroUsize;
use std::time::Duration;

use annals_core::{DeletedPrefix, RetryPolicy, SnapshotCriteria};

/// Options of a region of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many workers share the entities. Default: one per core.
    pub shards: Option<NonZeroUsize>,
    /// How long an ask waits for its answer. Default 5 s.
    pub ask_deadline: Duration,
    /// How long one append may take, its repetitions included. Default 4 s: below the ask's, so that
    /// the caller learns how it ended.
    pub write_deadline: Duration,
    /// How an append is repeated. `retries_max` bounds the repetitions while the store is
    /// unavailable; while the outcome is unknown only the deadline does.
    pub write_retry: RetryPolicy,
    /// How often a command is handled again after a conflict. Default 3.
    pub conflict_retries: u32,
    /// The most commands that wait for one entity. Default 4,096.
    pub mailbox_max: usize,
    /// The most commands that one entity puts off. Default 4,096.
    pub stash_max: usize,
    /// The most commands that wait for one shard's entities, together. Default 65,536.
    pub shard_mailbox_max: usize,
    /// The most commands that go into one append. Default 256.
    pub batch_commands_max: usize,
    /// The most bytes that several commands put into one append (one command alone may exceed it).
    /// Default 1 MiB, and never more than the store takes.
    pub batch_bytes_max: usize,
    /// The most recoveries at a time; the others wait in order. Default: four per core, at most 50. More of
    /// them only get into each other's way, and into that of writes, on a store in this machine; over a
    /// network, where a recovery mostly waits, more may be worth it.
    pub recoveries_max: usize,
    /// How long a recovery may go without an answer from the store. Default 30 s.
    pub recovery_deadline: Duration,
    /// How long after a failed recovery the next one begins; `retries_max` is not looked at.
    /// Default 100 ms, doubled up to 3 s: below the ask's deadline, so that callers learn the cause.
    pub recovery_backoff: RetryPolicy,
    /// What a recovery reads. Default: the newest snapshot and the events after it.
    pub recover: Recover,
    /// How many snapshots are tried when the newest cannot be read (S2). Default 3.
    pub snapshot_attempts: usize,
    /// What to do about events that are deleted and in no snapshot (S4). Default: fail.
    pub deleted_prefix: DeletedPrefix,
    /// How long an entity stays in memory without a command. Default 2 minutes; `None`: for ever.
    pub passivate_after: Option<Duration>,
    /// About how many entities stay in memory; beyond it those that were idle longest leave early.
    /// Default: no bound.
    pub active_max: Option<NonZeroUsize>,
    /// How long `stop` waits for entities to finish what they took. Default 30 s.
    pub stop_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let recovery_backoff = RetryPolicy {
            first: Duration::from_millis(100),
            max: Duration::from_secs(3),
            retries_max: u32::MAX,
        };
        Self {
            shards: None,
            ask_deadline: Duration::from_secs(5),
            write_deadline: Duration::from_secs(4),
            write_retry: RetryPolicy::default(),
            conflict_retries: 3,
            mailbox_max: 4_096,
            stash_max: 4_096,
            shard_mailbox_max: 65_536,
            batch_commands_max: 256,
            batch_bytes_max: 1 << 20,
            recoveries_max: recoveries_max(),
            recovery_deadline: Duration::from_secs(30),
            recovery_backoff,
            recover: Recover::Newest,
            snapshot_attempts: 3,
            deleted_prefix: DeletedPrefix::RequireSnapshot,
            passivate_after: Some(Duration::from_secs(120)),
            active_max: None,
            stop_deadline: Duration::from_secs(30),
        }
    }
}

fn recoveries_max() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.saturating_mul(4).min(50)
}

/// What a recovery reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Recover {
    /// The newest snapshot, and the events after it.
    #[default]
    Newest,
    /// The newest snapshot that meets the criteria, and the events after it.
    From(SnapshotCriteria),
    /// All events: snapshots are not looked at.
    EventsOnly,
    /// Nothing: the entity begins in its empty state, after the highest event. For entities whose
    /// decisions do not depend on their history; no snapshots are taken of such a state.
    Nothing,
}

/// One setter per option.
macro_rules! setters {
    ($($setter:ident $field:ident: $type:ty;)*) => {
        impl Settings {
            $(
                #[doc = concat!("The same settings with another [`Settings::", stringify!($field), "`].")]
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    with_shards shards: Option<NonZeroUsize>;
    with_ask_deadline ask_deadline: Duration;
    with_write_deadline write_deadline: Duration;
    with_write_retry write_retry: RetryPolicy;
    with_conflict_retries conflict_retries: u32;
    with_mailbox_max mailbox_max: usize;
    with_stash_max stash_max: usize;
    with_shard_mailbox_max shard_mailbox_max: usize;
    with_batch_commands_max batch_commands_max: usize;
    with_batch_bytes_max batch_bytes_max: usize;
    with_recoveries_max recoveries_max: usize;
    with_recovery_deadline recovery_deadline: Duration;
    with_recovery_backoff recovery_backoff: RetryPolicy;
    with_recover recover: Recover;
    with_snapshot_attempts snapshot_attempts: usize;
    with_deleted_prefix deleted_prefix: DeletedPrefix;
    with_passivate_after passivate_after: Option<Duration>;
    with_active_max active_max: Option<NonZeroUsize>;
    with_stop_deadline stop_deadline: Duration;
}

/// What is kept when a new snapshot is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub(crate) snapshots: u64,
    pub(crate) delete_events: bool,
}

/// Keeps the newest `snapshots` (at least one) snapshots, and all events.
pub fn keep(snapshots: u32) -> Keep {
    Keep { snapshots: u64::from(snapshots.max(1)), delete_events: false }
}

impl Keep {
    /// Deletes the events that only dropped snapshots needed, too: after a snapshot is saved, and up to
    /// an older one, which is kept in addition. Queries across entities do not see deleted events any
    /// more.
    #[must_use]
    pub fn and_delete_events(mut self) -> Self {
        self.delete_events = true;
        self
    }
}
