//! What a store on Cassandra is told: data, with the names and the defaults of Pekko's `reference.conf`
//! (section `pekko.persistence.cassandra`), and a few settings of our own beside them.

mod driver;
mod driver_keys;
mod flavour;
mod keys;
mod parse;

use std::fmt;
use std::time::Duration;

use annals_core::{Error, Result};

use crate::partition::{BucketSize, PartitionSize};
use crate::replay_filter::ReplayFilterSettings;

pub use driver::{Compression, DriverSettings, Speculative, TlsSettings};
pub use driver_keys::DriverProfile;
pub use flavour::Flavour;
pub(crate) use flavour::fitted;
pub use keys::Taken;

/// How a store keeps a second writer from an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fencing {
    /// Plain writes under a claim per entity, and one check that many appends share: for entities that
    /// mostly stay with one process. The default.
    #[default]
    Claims,
    /// Each append is one conditional batch (a lightweight transaction): for processes that share
    /// entities without any routing. Costs four rounds between the servers.
    Lwt,
    /// None, as Pekko's plugin: the application guarantees one writer of each entity.
    Off,
}

impl Fencing {
    /// The name, as in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Lwt => "lwt",
            Self::Off => "off",
        }
    }

    /// The mode `name`.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn of_name(name: &str) -> Result<Self> {
        match name {
            "claims" => Ok(Self::Claims),
            "lwt" => Ok(Self::Lwt),
            "off" => Ok(Self::Off),
            _ => Err(Error::invalid(format!("fencing is claims, lwt or off, not {name:?}"))),
        }
    }
}

/// How many replicas answer before a request counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConsistencyLevel {
    /// A majority of all replicas: what the clauses of the contract need. The default.
    #[default]
    Quorum,
    /// A majority in the local data centre: enough where all writers and readers share one.
    LocalQuorum,
    /// One replica: loses acknowledged data with it. Only where Pekko's snapshot profile is wanted as is.
    One,
}

impl ConsistencyLevel {
    /// The name, as in Cassandra.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quorum => "QUORUM",
            Self::LocalQuorum => "LOCAL_QUORUM",
            Self::One => "ONE",
        }
    }
}

/// Who else writes tagged events into these tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TagWriters {
    /// Other processes may, ours or the JVM's: readers stay `eventual-consistency-delay` behind. The default.
    #[default]
    Any,
    /// This store handle alone: readers see all that it has acknowledged.
    Own,
}

/// How the end of a history is looked for behind an event of a JVM, which may have been killed with another
/// one on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AfterJvm {
    /// At every replica: the entity begins when all of them answer. The default.
    #[default]
    All,
    /// At a quorum, as everywhere else: what a killed JVM left on a minority may show up later, and then vanish
    /// under an event of ours.
    Quorum,
}

/// All settings of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CassandraSettings {
    /// `flavour`: whose servers they are: `cassandra` (default), `scylla` or `keyspaces`.
    pub flavour: Flavour,
    /// `fencing`: how a second writer is refused. Default: what the tables were made for; `claims` for new
    /// ones.
    pub fencing: Option<Fencing>,
    /// `consistency` of events: `quorum` (default) or `local-quorum`; conditional writes agree to match.
    pub consistency: ConsistencyLevel,
    /// `local-datacenter`: whose nodes are asked first. Default: no preference.
    pub local_datacenter: Option<String>,
    /// `local-rack`: within the local data centre.
    pub local_rack: Option<String>,
    /// `username` and `password`.
    pub credentials: Option<Credentials>,
    /// `request-timeout`: how long a request may take. Default 5 s.
    pub request_timeout: Duration,
    /// How the servers are reached.
    pub driver: DriverSettings,
    /// `tag-writers`: who else writes tagged events.
    pub tag_writers: TagWriters,
    /// `after-jvm`: how the end of a history is looked for behind an event of a JVM (under claims).
    pub after_jvm: AfterJvm,
    /// `group-writes`: appends of several entities on the same replicas, and rows of the same tag, go out
    /// as one request while others are under way. Default on.
    pub group_writes: bool,
    /// `append-bytes-max`: the largest append, in bytes. Default 4 MiB, for servers with the limits of
    /// the default `cassandra.yaml`.
    pub append_bytes_max: usize,
    /// The section `journal`.
    pub journal: JournalSettings,
    /// The section `events-by-tag`.
    pub events_by_tag: EventsByTagSettings,
    /// The section `query`.
    pub query: QuerySettings,
    /// The section `snapshot`.
    pub snapshot: SnapshotSettings,
}

/// A user and a password, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How keyspaces and tables are made; nothing is read back from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreationSettings {
    /// `keyspace-autocreate`: make the keyspace when the store is opened. Default off.
    pub keyspace_autocreate: bool,
    /// `tables-autocreate`: make the tables when the store is opened. Default off.
    pub tables_autocreate: bool,
    /// `replication-strategy`. Default `SimpleStrategy`.
    pub replication_strategy: String,
    /// `replication-factor` of `SimpleStrategy`. Default 1.
    pub replication_factor: u32,
    /// `data-center-replication-factors` of `NetworkTopologyStrategy`: `dc1:3,dc2:2`.
    pub data_center_replication_factors: Vec<(String, u32)>,
    /// `gc-grace-seconds` of the large tables. Default 864,000.
    pub gc_grace_seconds: u32,
    /// `table-compaction-strategy`: the class and its options, as the table keeps them.
    pub compaction: Vec<(String, String)>,
}

/// The section `journal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// `keyspace`. Default `pekko`.
    pub keyspace: String,
    /// `table` of the events. Default `messages`.
    pub table: String,
    /// `metadata-table`. Default `metadata`.
    pub metadata_table: String,
    /// `all-persistence-ids-table`. Default `all_persistence_ids`.
    pub all_persistence_ids_table: String,
    /// `target-partition-size`. A storage format.
    pub target_partition_size: PartitionSize,
    /// `max-concurrent-deletes`: how many partitions one delete clears at a time. Default 10.
    pub max_concurrent_deletes: usize,
    /// `support-deletes`. Default on.
    pub support_deletes: bool,
    /// `support-all-persistence-ids`. Default on; off: ids cannot be listed.
    pub support_all_persistence_ids: bool,
    /// `replay-filter`: what is done about events of two writers in one history.
    pub replay_filter: ReplayFilterSettings,
    /// How keyspace and tables are made.
    pub creation: CreationSettings,
}

/// The section `events-by-tag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsByTagSettings {
    /// `enabled`. Default on; off: tags are kept with their events, but cannot be read by.
    pub enabled: bool,
    /// `table`. Default `tag_views`.
    pub table: String,
    /// `bucket-size`. A storage format. Default `Hour`.
    pub bucket_size: BucketSize,
    /// `first-time-bucket`: where reading begins without an offset, in milliseconds since 1970.
    /// Default 20151120T00:00.
    pub first_time_bucket_millis: i64,
    /// `max-message-batch-size` of tag rows. Default 150.
    pub max_message_batch_size: usize,
    /// `tag-write-timeout`: how long an append waits for its tag rows. Default 4 s.
    pub tag_write_timeout: Duration,
    /// `scanning-flush-interval`. Default 30 s.
    pub scanning_flush_interval: Duration,
    /// `eventual-consistency-delay`: how far readers stay behind. Default 5 s.
    pub eventual_consistency_delay: Duration,
    /// `gap-timeout`: how long a missing event is searched. Default 10 s.
    pub gap_timeout: Duration,
    /// `max-missing-to-search`. Default 5,000.
    pub max_missing_to_search: u64,
    /// `back-track`: how often and how far readers look for rows that came late.
    pub back_track: BackTrackSettings,
    /// `time-to-live` of tag rows. Default none.
    pub time_to_live: Option<Duration>,
    /// `gc-grace-seconds` of the table. Default 864,000.
    pub gc_grace_seconds: u32,
    /// `compaction-strategy` of the table.
    pub compaction: Vec<(String, String)>,
}

/// The section `events-by-tag.back-track`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackTrackSettings {
    /// `interval`. Default 1 s; none: off.
    pub interval: Option<Duration>,
    /// `period`: how far. Default 5 s; none: to the beginning of the bucket before.
    pub period: Option<Duration>,
    /// `long-interval`. Default 120 s; none: off.
    pub long_interval: Option<Duration>,
    /// `long-period`: how far then. Default none: to the beginning of the bucket before.
    pub long_period: Option<Duration>,
}

impl Default for BackTrackSettings {
    fn default() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Self {
            interval: seconds(1),
            period: seconds(5),
            long_interval: seconds(120),
            long_period: None,
        }
    }
}

/// The section `query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// `refresh-interval`: how often live queries look for what other processes wrote. Default 3 s.
    pub refresh_interval: Duration,
    /// `events-by-persistence-id-gap-timeout`: how long a missing event is waited for. Default 10 s.
    pub gap_timeout: Duration,
}

/// The section `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// `keyspace`. Default `pekko_snapshot`.
    pub keyspace: String,
    /// `table`. Default `snapshots`.
    pub table: String,
    /// `consistency` of snapshots. Default `quorum` (Pekko's profile says `one`).
    pub consistency: ConsistencyLevel,
    /// How keyspace and table are made.
    pub creation: CreationSettings,
}

impl CassandraSettings {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`, named as in `reference.conf` without its section: `journal.keyspace`.
    ///
    /// # Errors
    /// `Invalid` for a value that is none; `Unsupported` where it asks for what is not there.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Taken> {
        keys::set(self, key, value)
    }

    /// Sets `key` of the Java driver, named without its section or its profile's, as it stands in
    /// `profile`. The read profile comes before the write profile, and both before those of snapshots.
    ///
    /// # Errors
    /// `Invalid` for a value that is none, and for levels that do not meet; `Unsupported` for classes of
    /// the JVM that nothing here stands for.
    pub fn set_driver(&mut self, profile: DriverProfile, key: &str, value: &str) -> Result<Taken> {
        driver_keys::set(self, profile, key, value)
    }

    /// Why `key` has no effect, whatever its value.
    pub fn without(key: &str) -> Option<&'static str> {
        keys::without(key)
    }

    /// Why `key` of the Java driver has no effect, whatever its value.
    pub fn without_driver(key: &str) -> Option<&'static str> {
        driver_keys::without(key)
    }

    /// The same settings with keyspaces of these names.
    #[must_use]
    pub fn with_keyspaces(
        mut self,
        journal: impl Into<String>,
        snapshot: impl Into<String>,
    ) -> Self {
        self.journal.keyspace = journal.into();
        self.snapshot.keyspace = snapshot.into();
        self
    }

    /// The same settings, which make missing keyspaces and tables when the store is opened.
    #[must_use]
    pub fn with_autocreate(mut self) -> Self {
        for creation in [&mut self.journal.creation, &mut self.snapshot.creation] {
            creation.keyspace_autocreate = true;
            creation.tables_autocreate = true;
        }
        self
    }

    /// The same settings, with this fencing.
    #[must_use]
    pub fn with_fencing(mut self, fencing: Fencing) -> Self {
        self.fencing = Some(fencing);
        self
    }
}

impl Default for CassandraSettings {
    fn default() -> Self {
        Self {
            flavour: Flavour::default(),
            fencing: None,
            consistency: ConsistencyLevel::default(),
            local_datacenter: None,
            local_rack: None,
            credentials: None,
            request_timeout: Duration::from_secs(5),
            driver: DriverSettings::default(),
            tag_writers: TagWriters::default(),
            after_jvm: AfterJvm::default(),
            group_writes: true,
            append_bytes_max: 4 << 20,
            journal: JournalSettings::default(),
            events_by_tag: EventsByTagSettings::default(),
            query: QuerySettings::default(),
            snapshot: SnapshotSettings::default(),
        }
    }
}

/// Ten days.
const GC_GRACE_SECONDS: u32 = 864_000;

impl Default for CreationSettings {
    fn default() -> Self {
        Self {
            keyspace_autocreate: false,
            tables_autocreate: false,
            replication_strategy: "SimpleStrategy".to_owned(),
            replication_factor: 1,
            data_center_replication_factors: Vec::new(),
            gc_grace_seconds: GC_GRACE_SECONDS,
            compaction: size_tiered(),
        }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            keyspace: "pekko".to_owned(),
            table: "messages".to_owned(),
            metadata_table: "metadata".to_owned(),
            all_persistence_ids_table: "all_persistence_ids".to_owned(),
            target_partition_size: PartitionSize::default(),
            max_concurrent_deletes: 10,
            support_deletes: true,
            support_all_persistence_ids: true,
            replay_filter: ReplayFilterSettings::default(),
            creation: CreationSettings::default(),
        }
    }
}

impl Default for EventsByTagSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            table: "tag_views".to_owned(),
            bucket_size: BucketSize::Hour,
            first_time_bucket_millis: 1_447_977_600_000,
            max_message_batch_size: 150,
            tag_write_timeout: Duration::from_secs(4),
            scanning_flush_interval: Duration::from_secs(30),
            eventual_consistency_delay: Duration::from_secs(5),
            gap_timeout: Duration::from_secs(10),
            max_missing_to_search: 5_000,
            back_track: BackTrackSettings::default(),
            time_to_live: None,
            gc_grace_seconds: GC_GRACE_SECONDS,
            compaction: size_tiered(),
        }
    }
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self { refresh_interval: Duration::from_secs(3), gap_timeout: Duration::from_secs(10) }
    }
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            keyspace: "pekko_snapshot".to_owned(),
            table: "snapshots".to_owned(),
            consistency: ConsistencyLevel::default(),
            creation: CreationSettings::default(),
        }
    }
}

/// The compaction that the plugin gives its tables.
fn size_tiered() -> Vec<(String, String)> {
    let options = [
        ("class", "SizeTieredCompactionStrategy"),
        ("enabled", "true"),
        ("tombstone_compaction_interval", "86400"),
        ("tombstone_threshold", "0.2"),
        ("unchecked_tombstone_compaction", "false"),
        ("bucket_high", "1.5"),
        ("bucket_low", "0.5"),
        ("max_threshold", "32"),
        ("min_threshold", "4"),
        ("min_sstable_size", "50"),
    ];
    options.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}
