//! Opening a store: the connection, the tables, and what they were made for.

use std::sync::Arc;

use annals_core::{Clock, Error, ErrorKind, Result};
use scylla::client::session::Session;
use scylla::statement::unprepared::Statement as Unprepared;
use scylla::statement::{Consistency, SerialConsistency};

use crate::connection::connect;
use crate::error;
use crate::schema::{self, HEAD_COLUMN, SETTINGS_TABLE, SchemaReport, Wanted};
use crate::settings::{CassandraSettings, ConsistencyLevel, Fencing, fitted};
use crate::store::{CassandraStore, Parts};
use crate::times::{System, Times};

/// Opens a store on Cassandra.
#[derive(Debug, Clone)]
pub struct CassandraBuilder {
    nodes: Vec<String>,
    settings: CassandraSettings,
    clock: Arc<dyn Clock>,
}

impl CassandraBuilder {
    pub(crate) fn new(nodes: Vec<String>) -> Self {
        Self { nodes, settings: CassandraSettings::default(), clock: Arc::new(System) }
    }

    /// The same opening with these settings.
    #[must_use]
    pub fn settings(mut self, settings: CassandraSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The same opening with this time of day. Where it differs from the servers' by more than a second,
    /// events get theirs. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The statements that make the keyspaces, the tables and our additions; nothing is run.
    ///
    /// # Errors
    /// `Invalid` where the settings do not say how to replicate.
    pub fn schema(&self) -> Result<Vec<String>> {
        schema::statements(&self.settings, Wanted::ALL)
    }

    /// Makes what is missing of keyspaces, tables and our additions; gives the statements that were run.
    ///
    /// # Errors
    /// `Invalid` where the server refuses one; `Unavailable`, `OutcomeUnknown` (repeat it).
    pub async fn create_schema(&self) -> Result<Vec<String>> {
        self.settings.flavour.check_creation()?;
        let times = Arc::new(Times::new(self.clock.clone()));
        let session = connect(&self.nodes, &self.settings, &times).await?;
        schema::create(&session, &self.settings, Wanted::ALL).await
    }

    /// Compares the tables with what is needed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn check_schema(&self) -> Result<SchemaReport> {
        let times = Arc::new(Times::new(self.clock.clone()));
        let session = connect(&self.nodes, &self.settings, &times).await?;
        schema::check(&session, &self.settings).await
    }

    /// Opens the store. Tables that were made for another partition size, bucket size or fencing are
    /// refused.
    ///
    /// # Errors
    /// `Invalid` for settings that do not fit the tables, or tables that are missing; `Unavailable`.
    pub async fn open(self) -> Result<CassandraStore> {
        self.open_as(false).await
    }

    /// Opens the store for reading: nothing is made, recorded or repaired, and writes are refused.
    ///
    /// # Errors
    /// As [`CassandraBuilder::open`].
    pub async fn open_read_only(self) -> Result<CassandraStore> {
        self.open_as(true).await
    }

    async fn open_as(self, read_only: bool) -> Result<CassandraStore> {
        let Self { nodes, settings, clock } = self;
        let settings = fitted(settings)?;
        let times = Arc::new(Times::new(clock));
        let session = connect(&nodes, &settings, &times).await?;
        let wanted = Wanted::autocreated(&settings);
        if !read_only && wanted.any() {
            settings.flavour.check_creation()?;
            schema::create(&session, &settings, wanted).await?;
        }
        let report = schema::check(&session, &settings).await?;
        if !report.missing.is_empty() {
            return Err(Error::invalid(format!(
                "the Cassandra store lacks {}: `schema create` makes what is missing",
                report.missing.join(", ")
            )));
        }
        let mut fencing = agree(&session, &settings, &report, read_only).await?;
        if read_only && !report.missing_additions.is_empty() {
            // Pekko's tables as they are.
            fencing = Fencing::Off;
        }
        if fencing != Fencing::Off && !report.missing_additions.is_empty() {
            return Err(Error::invalid(format!(
                "fencing = {} needs {}: `schema create` adds it (Pekko's plugin does not mind), or \
                 open with fencing = off",
                fencing.name(),
                report.missing_additions.join(", ")
            )));
        }
        if fencing == Fencing::Claims {
            schema::check_read_repair(&session, &settings).await?;
        }
        let has_head = !report.missing_additions.iter().any(|name| name.ends_with(HEAD_COLUMN));
        let random = rand::random();
        let parts = Parts { session, settings, times, fencing, has_head, read_only, random };
        let store = CassandraStore::new(parts);
        if let Some(claims) = &store.inner.claims
            && !read_only
        {
            claims.tables().enter(claims.process()).await?;
        }
        Ok(store)
    }
}

/// Compares the settings with those that the tables were made for, and records them in new tables; gives
/// the fencing.
async fn agree(
    session: &Session,
    settings: &CassandraSettings,
    report: &SchemaReport,
    read_only: bool,
) -> Result<Fencing> {
    let asked = settings.fencing;
    let recorded = Recorded { session, settings, read_only };
    if report.missing_additions.iter().any(|name| name.ends_with(SETTINGS_TABLE)) {
        // Pekko's tables as they are. Whoever wants another fencing creates the additions first.
        recorded.check_partitions().await?;
        return Ok(asked.unwrap_or_default());
    }
    let partition_size = settings.journal.target_partition_size.get().to_string();
    let bucket_size = format!("{:?}", settings.events_by_tag.bucket_size);
    let found = recorded.find(PARTITION_SIZE).await?;
    if found.is_none() {
        recorded.check_partitions().await?;
    }
    recorded.agree_with(found, PARTITION_SIZE, &partition_size).await?;
    recorded.agree("bucket-size", &bucket_size).await?;
    match asked {
        Some(fencing) => {
            recorded.agree("fencing", fencing.name()).await?;
            Ok(fencing)
        }
        None => {
            let found = recorded.find("fencing").await?;
            let fencing = recorded.or_record(found, "fencing", Fencing::default().name()).await?;
            Fencing::of_name(&fencing)
        }
    }
}

/// The name under which the size of partitions is recorded.
const PARTITION_SIZE: &str = "target-partition-size";

/// So many rows of a journal that records nothing are looked at.
const ROWS_CHECKED: u32 = 1_000;

struct Recorded<'a> {
    session: &'a Session,
    settings: &'a CassandraSettings,
    /// Nothing is recorded.
    read_only: bool,
}

impl Recorded<'_> {
    async fn agree(&self, name: &str, value: &str) -> Result<()> {
        let found = self.find(name).await?;
        self.agree_with(found, name, value).await
    }

    /// Compares with what was `found` under `name`, or records it.
    async fn agree_with(&self, found: Option<String>, name: &str, value: &str) -> Result<()> {
        let recorded = self.or_record(found, name, value).await?;
        if recorded == value {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "keyspace {} was made with {name} = {recorded}, not {value}: nothing was opened",
                self.settings.journal.keyspace
            ),
        ))
    }

    /// Whether the rows of a journal that a JVM wrote lie where this size of partitions puts them. Too few
    /// events, all in their first partition, fit every size above theirs.
    async fn check_partitions(&self) -> Result<()> {
        let journal = &self.settings.journal;
        let (size, table) = (journal.target_partition_size, &journal.table);
        let keyspace = &journal.keyspace;
        let what = || format!("reading the partitions of {keyspace}.{table}");
        let select = format!(
            "SELECT persistence_id, partition_nr, sequence_nr FROM {keyspace}.{table} LIMIT {ROWS_CHECKED}"
        );
        let rows = self.session.query_unpaged(self.statement(&select), ()).await;
        let rows = rows.map_err(|error| error::of_read(what(), error))?;
        let rows = rows.into_rows_result().map_err(|error| error::of_rows(what(), error))?;
        let rows = rows.rows::<(&str, i64, i64)>();
        for row in rows.map_err(|error| error::of_rows(what(), error))? {
            let (id, partition, number) = row.map_err(|error| error::of_rows(what(), error))?;
            let nominal = size.partition_of(crate::end::seq_nr(number));
            if ![nominal.column(), nominal.next().column()].contains(&partition) {
                return Err(Error::invalid(format!(
                    "event {number} of {id} lies in partition {partition} of {keyspace}.{table}, which \
                     target-partition-size = {} does not allow: give the size that the journal was written with; \
                     nothing was opened",
                    size.get()
                )));
            }
        }
        Ok(())
    }

    /// What was `found` under `name`; else `value`, which is recorded, unless another process was faster.
    async fn or_record(&self, found: Option<String>, name: &str, value: &str) -> Result<String> {
        if let Some(recorded) = found {
            return Ok(recorded);
        }
        if self.read_only {
            return Ok(value.to_owned());
        }
        let table = self.table();
        let insert = format!("INSERT INTO {table} (name, value) VALUES (?, ?) IF NOT EXISTS");
        let inserted = self.session.query_unpaged(self.statement(&insert), (name, value)).await;
        inserted.map_err(|error| error::of_write(format!("recording {name}"), error))?;
        Ok(self.find(name).await?.unwrap_or_else(|| value.to_owned()))
    }

    fn table(&self) -> String {
        format!("{}.{SETTINGS_TABLE}", self.settings.journal.keyspace)
    }

    async fn find(&self, name: &str) -> Result<Option<String>> {
        let what = || format!("reading the recorded {name}");
        let select = format!("SELECT value FROM {} WHERE name = ?", self.table());
        let rows = self.session.query_unpaged(self.statement(&select), (name,)).await;
        let rows = rows.map_err(|error| error::of_read(what(), error))?;
        let rows = rows.into_rows_result().map_err(|error| error::of_rows(what(), error))?;
        let row = rows.maybe_first_row::<(Option<String>,)>();
        let row = row.map_err(|error| error::of_rows(what(), error))?;
        Ok(row.and_then(|row| row.0))
    }

    fn statement(&self, cql: &str) -> Unprepared {
        let local = self.settings.consistency == ConsistencyLevel::LocalQuorum;
        let mut statement = Unprepared::new(cql);
        let (plain, serial) = if local {
            (Consistency::LocalQuorum, SerialConsistency::LocalSerial)
        } else {
            (Consistency::Quorum, SerialConsistency::Serial)
        };
        statement.set_consistency(plain);
        statement.set_serial_consistency(Some(serial));
        statement
    }
}
