//! The tables: those of Pekko's plugin as its own autocreation makes them, and what we add to them.
//! Additions never disturb the JVM, which names the columns that it reads and writes, or tests for them.
//!
//! | added | for |
//! | --- | --- |
//! | `messages.annals_head text static` | `fencing = lwt`: how far a partition reaches, and whether it is sealed |
//! | `messages.idx int`, `messages.cnt int` | which part of its append a row is, so that a torn one shows |
//! | tables `annals_claims`, `annals_writers` | `fencing = claims`: who may append to an entity, and who may no more |
//! | table `annals_settings` | the storage formats and the fencing that these tables were made for |

use std::collections::{BTreeMap, BTreeSet};

use annals_core::{Error, Result};
use scylla::client::session::Session;

use crate::claims;
use crate::error;
use crate::settings::{CassandraSettings, CreationSettings};

/// The static column of `fencing = lwt`.
pub(crate) const HEAD_COLUMN: &str = "annals_head";
/// Our own table.
pub(crate) const SETTINGS_TABLE: &str = "annals_settings";

const ADDED_COLUMNS: [(&str, &str); 3] =
    [(HEAD_COLUMN, "text static"), ("idx", "int"), ("cnt", "int")];

const EVENT_COLUMNS: &str = "ser_id int, ser_manifest text, event_manifest text, event blob, \
                             meta_ser_id int, meta_ser_manifest text, meta blob";

/// What a keyspace has and what it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaReport {
    /// What stands in the way of opening the store: missing keyspaces, tables and columns of the plugin.
    pub missing: Vec<String>,
    /// What only our own fencing needs.
    pub missing_additions: Vec<String>,
}

impl SchemaReport {
    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.missing_additions.is_empty()
    }
}

/// A table: its full name, its columns and key, its options.
struct Table {
    keyspace: String,
    name: String,
    columns: String,
    options: String,
}

impl Table {
    fn create(&self) -> String {
        let Self { keyspace, name, columns, options } = self;
        format!("CREATE TABLE IF NOT EXISTS {keyspace}.{name} ({columns}){options}")
    }

    /// The names of the columns, as far as the plugin reads them.
    fn column_names(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.split("PRIMARY KEY").next().unwrap_or_default();
        columns
            .split(", ")
            .filter_map(|column| column.trim().split(' ').next())
            .filter(|name| !name.is_empty())
    }
}

fn tables(settings: &CassandraSettings) -> Vec<Table> {
    let journal = &settings.journal;
    let keyspace = &journal.keyspace;
    let table = |name: &str, columns: String, options: String| Table {
        keyspace: keyspace.clone(),
        name: name.to_owned(),
        columns,
        options,
    };
    let creation = &journal.creation;
    let mut tables = vec![
        table(
            &journal.table,
            format!(
                "persistence_id text, partition_nr bigint, sequence_nr bigint, timestamp timeuuid, \
                 timebucket text, writer_uuid text, {EVENT_COLUMNS}, tags set<text>, \
                 PRIMARY KEY ((persistence_id, partition_nr), sequence_nr, timestamp)"
            ),
            large(settings, creation.gc_grace_seconds, &creation.compaction, ""),
        ),
        table(
            &journal.metadata_table,
            "persistence_id text PRIMARY KEY, deleted_to bigint, properties map<text,text>"
                .to_owned(),
            String::new(),
        ),
    ];
    if journal.support_all_persistence_ids {
        let columns = "persistence_id text PRIMARY KEY".to_owned();
        tables.push(table(&journal.all_persistence_ids_table, columns, String::new()));
    }
    if settings.events_by_tag.enabled {
        tables.extend(tag_tables(settings, table));
    }
    tables.push(snapshots(settings));
    tables
}

fn tag_tables(
    settings: &CassandraSettings,
    table: impl Fn(&str, String, String) -> Table,
) -> [Table; 3] {
    let tags = &settings.events_by_tag;
    let ttl = tags
        .time_to_live
        .map_or(String::new(), |ttl| format!(" AND default_time_to_live = {}", ttl.as_secs()));
    [
        table(
            &tags.table,
            format!(
                "tag_name text, persistence_id text, sequence_nr bigint, timebucket bigint, \
                 timestamp timeuuid, tag_pid_sequence_nr bigint, writer_uuid text, \
                 {EVENT_COLUMNS}, PRIMARY KEY ((tag_name, timebucket), timestamp, persistence_id, \
                 tag_pid_sequence_nr)"
            ),
            large(settings, tags.gc_grace_seconds, &tags.compaction, &ttl),
        ),
        table(
            "tag_write_progress",
            "persistence_id text, tag text, sequence_nr bigint, tag_pid_sequence_nr bigint, \
             offset timeuuid, PRIMARY KEY (persistence_id, tag)"
                .to_owned(),
            String::new(),
        ),
        table(
            "tag_scanning",
            "persistence_id text, sequence_nr bigint, PRIMARY KEY (persistence_id)".to_owned(),
            String::new(),
        ),
    ]
}

fn snapshots(settings: &CassandraSettings) -> Table {
    let snapshot = &settings.snapshot;
    let creation = &snapshot.creation;
    Table {
        keyspace: snapshot.keyspace.clone(),
        name: snapshot.table.clone(),
        columns: "persistence_id text, sequence_nr bigint, timestamp bigint, ser_id int, \
                  ser_manifest text, snapshot_data blob, snapshot blob, meta_ser_id int, \
                  meta_ser_manifest text, meta blob, PRIMARY KEY (persistence_id, sequence_nr)"
            .to_owned(),
        options: large(settings, creation.gc_grace_seconds, &creation.compaction, "").replacen(
            " WITH ",
            " WITH CLUSTERING ORDER BY (sequence_nr DESC) AND ",
            1,
        ),
    }
}

fn large(
    settings: &CassandraSettings,
    gc_grace_seconds: u32,
    compaction: &[(String, String)],
    more: &str,
) -> String {
    let known = compaction.iter().filter(|(key, _)| settings.flavour.has_compaction_option(key));
    let options: Vec<String> = known.map(|(key, value)| format!("'{key}' : '{value}'")).collect();
    let options = options.join(", ");
    format!(" WITH gc_grace_seconds = {gc_grace_seconds} AND compaction = {{{options}}}{more}")
}

fn create_keyspace(keyspace: &str, creation: &CreationSettings) -> Result<String> {
    let class = &creation.replication_strategy;
    let replicas = if class == "NetworkTopologyStrategy" {
        let centres = &creation.data_center_replication_factors;
        if centres.is_empty() {
            return Err(Error::invalid(format!(
                "keyspace {keyspace}: NetworkTopologyStrategy needs data-center-replication-factors"
            )));
        }
        let centres = centres.iter().map(|(name, factor)| format!("'{name}':{factor}"));
        centres.collect::<Vec<_>>().join(",")
    } else {
        format!("'replication_factor':{}", creation.replication_factor)
    };
    Ok(format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH REPLICATION = \
         {{ 'class' : '{class}', {replicas} }}"
    ))
}

/// What to create.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) journal_keyspace: bool,
    pub(crate) snapshot_keyspace: bool,
    pub(crate) journal_tables: bool,
    pub(crate) snapshot_table: bool,
    pub(crate) additions: bool,
}

impl Wanted {
    pub(crate) const ALL: Self = Self {
        journal_keyspace: true,
        snapshot_keyspace: true,
        journal_tables: true,
        snapshot_table: true,
        additions: true,
    };

    pub(crate) fn any(self) -> bool {
        let keyspaces = self.journal_keyspace || self.snapshot_keyspace;
        keyspaces || self.journal_tables || self.snapshot_table || self.additions
    }

    pub(crate) fn autocreated(settings: &CassandraSettings) -> Self {
        let (journal, snapshot) = (&settings.journal.creation, &settings.snapshot.creation);
        Self {
            journal_keyspace: journal.keyspace_autocreate,
            snapshot_keyspace: snapshot.keyspace_autocreate,
            journal_tables: journal.tables_autocreate,
            snapshot_table: snapshot.tables_autocreate,
            additions: journal.tables_autocreate,
        }
    }
}

/// The statements that make what is wanted, in Pekko's order; all may be repeated but the last, which
/// add columns.
pub(crate) fn statements(settings: &CassandraSettings, wanted: Wanted) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    let (journal, snapshot) = (&settings.journal, &settings.snapshot);
    if wanted.journal_keyspace {
        statements.push(create_keyspace(&journal.keyspace, &journal.creation)?);
    }
    let mut tables = tables(settings);
    let snapshots = tables.pop();
    if wanted.journal_tables {
        statements.extend(tables.iter().map(Table::create));
    }
    if wanted.snapshot_keyspace && snapshot.keyspace != journal.keyspace {
        statements.push(create_keyspace(&snapshot.keyspace, &snapshot.creation)?);
    }
    if wanted.snapshot_table {
        statements.extend(snapshots.iter().map(Table::create));
    }
    if wanted.additions {
        statements.push(format!(
            "CREATE TABLE IF NOT EXISTS {}.{SETTINGS_TABLE} (name text PRIMARY KEY, value text)",
            journal.keyspace
        ));
        statements.extend(claims::TABLES.map(|(table, columns)| {
            format!("CREATE TABLE IF NOT EXISTS {}.{table} ({columns})", journal.keyspace)
        }));
        statements.extend(ADDED_COLUMNS.map(|(column, kind)| {
            format!("ALTER TABLE {}.{} ADD {column} {kind}", journal.keyspace, journal.table)
        }));
    }
    Ok(statements)
}

/// Runs the statements that make what is wanted and is not there; gives those that were run. May be done
/// by several processes at once.
pub(crate) async fn create(
    session: &Session,
    settings: &CassandraSettings,
    wanted: Wanted,
) -> Result<Vec<String>> {
    let mut run = Vec::new();
    for statement in statements(settings, wanted)? {
        if is_there(session, settings, &statement).await? {
            continue;
        }
        if let Err(error) = session.query_unpaged(statement.as_str(), ()).await {
            // Another process may have made it meanwhile.
            if !is_there(session, settings, &statement).await? {
                return Err(error::of_write(format!("`{statement}` failed"), error));
            }
        }
        run.push(statement);
    }
    Ok(run)
}

/// Whether what `statement` makes is there already.
async fn is_there(
    session: &Session,
    settings: &CassandraSettings,
    statement: &str,
) -> Result<bool> {
    let words: Vec<&str> = statement.split(' ').collect();
    let (name, column) = match words.as_slice() {
        ["CREATE", "KEYSPACE", _, _, _, keyspace, ..] => {
            return keyspace_exists(session, keyspace).await;
        }
        ["CREATE", "TABLE", _, _, _, name, ..] => (*name, None),
        ["ALTER", "TABLE", name, "ADD", column, ..] => (*name, Some(*column)),
        _ => return Ok(false),
    };
    let (keyspace, table) = name.split_once('.').unwrap_or((&settings.journal.keyspace, name));
    let columns = columns_of(session, keyspace, table).await?;
    Ok(match column {
        Some(column) => columns.contains(column),
        None => !columns.is_empty(),
    })
}

async fn keyspace_exists(session: &Session, keyspace: &str) -> Result<bool> {
    let cql = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let rows = texts(session, cql, &[&stored_name(keyspace)]).await?;
    Ok(!rows.is_empty())
}

/// The columns of a table; none if it does not exist.
pub(crate) async fn columns_of(
    session: &Session,
    keyspace: &str,
    table: &str,
) -> Result<BTreeSet<String>> {
    let cql = "SELECT column_name FROM system_schema.columns \
               WHERE keyspace_name = ? AND table_name = ?";
    let rows = texts(session, cql, &[&stored_name(keyspace), &stored_name(table)]).await?;
    Ok(rows.into_iter().collect())
}

async fn texts(session: &Session, cql: &str, values: &[&String]) -> Result<Vec<String>> {
    let what = "reading the schema";
    let result = session.query_unpaged(cql, values).await;
    let rows = result.map_err(|error| error::of_read(what, error))?;
    let rows = rows.into_rows_result().map_err(|error| error::of_rows(what, error))?;
    let rows = rows.rows::<(String,)>().map_err(|error| error::of_rows(what, error))?;
    rows.map(|row| row.map(|row| row.0).map_err(|error| error::of_rows(what, error))).collect()
}

/// How the server stores a name: in lower case, unless it stands in double quotes.
fn stored_name(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.to_owned(),
        None => name.to_ascii_lowercase(),
    }
}

/// Compares the tables with what is needed.
pub(crate) async fn check(session: &Session, settings: &CassandraSettings) -> Result<SchemaReport> {
    let mut report = SchemaReport::default();
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for table in tables(settings) {
        let columns = columns_of(session, &table.keyspace, &table.name).await?;
        let name = format!("{}.{}", table.keyspace, table.name);
        if columns.is_empty() {
            let missing = match keyspace_exists(session, &table.keyspace).await? {
                true => format!("table {name}"),
                false => format!("keyspace {}", table.keyspace),
            };
            if !report.missing.contains(&missing) {
                report.missing.push(missing);
            }
        } else {
            // Metadata and tags came with later versions of the plugin; both are optional.
            let optional = |column: &str| column.starts_with("meta") || column == "properties";
            let missing = table.column_names().filter(|column| !columns.contains(*column));
            let missing = missing.filter(|column| !optional(column));
            report.missing.extend(missing.map(|column| format!("column {name}.{column}")));
        }
        found.insert((table.keyspace, table.name), columns);
    }
    let journal = &settings.journal;
    let key = (journal.keyspace.clone(), journal.table.clone());
    let columns = found.remove(&key).unwrap_or_default();
    for (column, _) in ADDED_COLUMNS {
        if !columns.contains(column) {
            let name = format!("column {}.{}.{column}", journal.keyspace, journal.table);
            report.missing_additions.push(name);
        }
    }
    for table in claims::TABLES.map(|(table, _)| table).into_iter().chain([SETTINGS_TABLE]) {
        if columns_of(session, &journal.keyspace, table).await?.is_empty() {
            report.missing_additions.push(format!("table {}.{table}", journal.keyspace));
        }
    }
    Ok(report)
}

/// Claims rely on what one majority read returned being returned by every later one.
///
/// # Errors
/// `Invalid` where the table of events has read repair turned off.
pub(crate) async fn check_read_repair(
    session: &Session,
    settings: &CassandraSettings,
) -> Result<()> {
    let journal = &settings.journal;
    // Servers that do not know the option repair always.
    if !columns_of(session, "system_schema", "tables").await?.contains("read_repair") {
        return Ok(());
    }
    let cql = "SELECT read_repair FROM system_schema.tables \
               WHERE keyspace_name = ? AND table_name = ?";
    let names = [&stored_name(&journal.keyspace), &stored_name(&journal.table)];
    match texts(session, cql, &names).await?.first() {
        Some(mode) if mode.eq_ignore_ascii_case("none") => Err(Error::invalid(format!(
            "fencing = claims needs read_repair = 'BLOCKING' on {}.{}, which has {mode}",
            journal.keyspace, journal.table
        ))),
        _ => Ok(()),
    }
}
