//! The session with the servers, and how statements are run over it.

use std::num::NonZeroUsize;

use annals_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::response::query_result::QueryRowsResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use crate::error;
use crate::gather::Gather;
use crate::inserts::Insert;
use crate::profiles::{Profile, Profiles};
use crate::settings::{CassandraSettings, Compression, Flavour};
use crate::statements::{Statement, Statements};
use crate::times::Times;
use crate::tls;
use crate::writes::{Waiting, Way};

/// A session, and the statements of one store.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Session,
    profiles: Profiles,
    pub(crate) statements: Statements,
    /// The keyspace and the table of events.
    pub(crate) messages: (String, String),
    /// Whether writes go out together.
    pub(crate) gathers: bool,
    /// Of plain writes.
    batch_type: BatchType,
    pub(crate) gather: Mutex<Gather<Way, Waiting>>,
}

/// One page of a result, and where the next one begins.
pub(crate) struct RowPage {
    pub(crate) rows: QueryRowsResult,
    pub(crate) next: Option<PagingState>,
}

/// What a conditional write came to.
#[derive(Debug)]
pub(crate) enum Condition {
    Applied,
    /// Nothing was written, since the columns of the condition are not as it says.
    NotApplied,
}

/// Opens a session with the nodes, `HOST:PORT` each, or else with the contact points of the settings.
pub(crate) async fn connect(
    nodes: &[String],
    settings: &CassandraSettings,
    times: &Times,
) -> Result<Session> {
    let driver = &settings.driver;
    let nodes = if nodes.is_empty() { &driver.contact_points } else { nodes };
    if nodes.is_empty() {
        return Err(Error::invalid("the Cassandra store names no node"));
    }
    let mut pause = driver.reconnect_first;
    loop {
        let error = match connect_once(nodes, settings).await {
            Ok(session) => {
                times.compare(&session).await;
                return Ok(session);
            }
            Err(error) => error,
        };
        if !driver.reconnect_on_init || error.kind() != ErrorKind::Unavailable {
            return Err(error);
        }
        tracing::warn!(%error, ?pause, "the Cassandra store waits for its servers");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(driver.reconnect_max);
    }
}

async fn connect_once(nodes: &[String], settings: &CassandraSettings) -> Result<Session> {
    let driver = &settings.driver;
    let mut builder = SessionBuilder::new()
        .known_nodes(nodes)
        .connection_timeout(driver.connect_timeout)
        .keepalive_interval(driver.heartbeat_interval)
        .keepalive_timeout(driver.heartbeat_timeout)
        .tcp_nodelay(driver.tcp_no_delay)
        .compression(driver.compression.map(|compression| match compression {
            Compression::Lz4 => scylla::client::Compression::Lz4,
            Compression::Snappy => scylla::client::Compression::Snappy,
        }))
        .default_execution_profile_handle(Profiles::default_profile(settings))
        .fetch_schema_metadata(true)
        .keyspaces_to_fetch([&settings.journal.keyspace, &settings.snapshot.keyspace]);
    if let Some(connections) = NonZeroUsize::new(driver.connections_per_node) {
        builder = builder.pool_size(PoolSize::PerShard(connections));
    }
    if let Some(credentials) = &settings.credentials {
        builder = builder.user(&credentials.username, &credentials.password);
    }
    if let Some(tls) = &driver.tls {
        builder = tls::encrypted(builder, nodes, tls)?;
    }
    builder
        .build()
        .await
        .map_err(|error| error::of_connect(&nodes.join(","), driver.tls.is_some(), error))
}

impl Connection {
    pub(crate) fn new(session: Session, settings: &CassandraSettings, has_head: bool) -> Self {
        let statements = Statements::new(settings, has_head);
        let messages = (settings.journal.keyspace.clone(), settings.journal.table.clone());
        Self {
            session,
            profiles: Profiles::new(settings),
            statements,
            messages,
            gathers: settings.group_writes,
            batch_type: match settings.flavour {
                Flavour::Cassandra | Flavour::Scylla => BatchType::Unlogged,
                // Other batches are not atomic there, not even within a partition.
                Flavour::Keyspaces => BatchType::Logged,
            },
            gather: Mutex::default(),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The rows of a read that gives few.
    pub(crate) async fn read(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        what: impl Fn() -> String,
    ) -> Result<QueryRowsResult> {
        let prepared = statement.prepare(&self.session, &self.profiles).await?;
        let result = self.session.execute_unpaged(prepared, values).await;
        let result = result.map_err(|error| error::of_read(what(), error))?;
        result.into_rows_result().map_err(|error| error::of_rows(what(), error))
    }

    /// One page of a read.
    pub(crate) async fn read_page(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        rows_max: i32,
        from: PagingState,
        what: impl Fn() -> String,
    ) -> Result<RowPage> {
        let mut prepared = statement.prepare(&self.session, &self.profiles).await?.clone();
        prepared.set_page_size(rows_max.max(1));
        let result = self.session.execute_single_page(&prepared, values, from).await;
        let (result, next) = result.map_err(|error| error::of_read(what(), error))?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        let rows = result.into_rows_result().map_err(|error| error::of_rows(what(), error))?;
        Ok(RowPage { rows, next })
    }

    /// A plain write.
    pub(crate) async fn write(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        what: impl Fn() -> String,
    ) -> Result<()> {
        let prepared = statement.prepare(&self.session, &self.profiles).await?;
        let result = self.session.execute_unpaged(prepared, values).await;
        result.map(drop).map_err(|error| error::of_write(what(), error))
    }

    /// A conditional write.
    pub(crate) async fn write_if(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        what: impl Fn() -> String,
    ) -> Result<Condition> {
        let prepared = statement.prepare(&self.session, &self.profiles).await?;
        let result = self.session.execute_unpaged(prepared, values).await;
        let result = result.map_err(|error| error::of_write(what(), error))?;
        let rows = result.into_rows_result().map_err(|error| error::of_rows(what(), error))?;
        condition_of(&rows, &what)
    }

    /// A batch of these statements.
    pub(crate) async fn batch<'a>(
        &self,
        profile: Profile,
        statements: impl Iterator<Item = &'a Statement>,
    ) -> Result<Batch> {
        let mut batch = Batch::new(self.batch_type);
        self.profiles.set_batch(profile, &mut batch);
        for statement in statements {
            let prepared = statement.prepare(&self.session, &self.profiles).await?;
            batch.append_statement(prepared.clone());
        }
        Ok(batch)
    }

    /// Writes of one partition under the condition that the first of them has.
    pub(crate) async fn write_batch_if(
        &self,
        condition: (&Statement, &(dyn SerializeRow + Sync)),
        rows: &[Insert],
        what: impl Fn() -> String,
    ) -> Result<Condition> {
        let statements = rows.iter().map(|row| row.statement(&self.statements));
        let statements = std::iter::once(condition.0).chain(statements);
        let batch = self.batch(Profile::Conditional, statements).await?;
        let rows = rows.iter().map(|row| -> &(dyn SerializeRow + Sync) { row });
        let values: Vec<&(dyn SerializeRow + Sync)> =
            std::iter::once(condition.1).chain(rows).collect();
        let result = self.session.batch(&batch, values).await;
        let result = result.map_err(|error| error::of_write(what(), error))?;
        let rows = result.into_rows_result().map_err(|error| error::of_rows(what(), error))?;
        condition_of(&rows, &what)
    }
}

/// Whether a conditional write was done: the column `[applied]`, which stands first.
fn condition_of(rows: &QueryRowsResult, what: &impl Fn() -> String) -> Result<Condition> {
    let row = rows.first_row::<scylla::value::Row>();
    let row = row.map_err(|error| error::of_rows(what(), error))?;
    match row.columns.first() {
        Some(Some(CqlValue::Boolean(true))) => Ok(Condition::Applied),
        Some(Some(CqlValue::Boolean(false))) => Ok(Condition::NotApplied),
        _ => {
            Err(Error::internal(format!("{}: the answer does not say whether it was done", what())))
        }
    }
}
