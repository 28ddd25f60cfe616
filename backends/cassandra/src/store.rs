//! The store itself: what all its contracts share, and its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Capabilities, Error, Result, Store};
use scylla::client::session::Session;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::builder::CassandraBuilder;
use crate::claims::{self, Claims, Server};
use crate::connection::Connection;
use crate::entities::Entities;
use crate::schema::{self, SchemaReport, Wanted};
use crate::settings::{CassandraSettings, Fencing};
use crate::tags::{Background, Backlog, InFlight, Sessions};
use crate::times::Times;
use crate::timeuuid::{TimeUuid, TimeUuids};
use crate::tool::Execution;

/// How many requests may be under way; closing waits for all of them.
const REQUESTS_MAX: u32 = 1 << 20;

/// A store in the tables of Pekko's plugin on Apache Cassandra. Clones share the connection.
#[derive(Clone)]
pub struct CassandraStore {
    pub(crate) inner: Arc<Inner>,
    /// Writes tag progress; ends with the last clone.
    pub(crate) background: Option<Arc<Background>>,
}

pub(crate) struct Inner {
    pub(crate) connection: Arc<Connection>,
    pub(crate) settings: CassandraSettings,
    pub(crate) fencing: Fencing,
    /// Whether the table of events has our static column.
    pub(crate) has_head: bool,
    read_only: bool,
    pub(crate) capabilities: Capabilities,
    /// What tells offsets of this store from those of others.
    pub(crate) store_id: u64,
    pub(crate) times: Arc<Times>,
    pub(crate) uuids: Arc<TimeUuids>,
    /// Of `fencing = claims` alone.
    pub(crate) claims: Option<Claims<Server>>,
    pub(crate) entities: Entities,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) backlog: Backlog,
    pub(crate) tag_sessions: Sessions,
    /// Counts appends of this handle; live readers wait for it to change.
    committed: watch::Sender<u64>,
    requests: Semaphore,
}

impl CassandraStore {
    /// Opens a store on the cluster of `nodes`, `HOST:PORT` each.
    pub fn builder<N: Into<String>>(nodes: impl IntoIterator<Item = N>) -> CassandraBuilder {
        CassandraBuilder::new(nodes.into_iter().map(Into::into).collect())
    }

    pub(crate) fn new(parts: Parts) -> Self {
        let inner = Arc::new(Inner::new(parts));
        let tags = inner.settings.events_by_tag.enabled && !inner.read_only;
        let background = tags.then(|| Arc::new(Background::start(&inner)));
        Self { inner, background }
    }

    /// The four contracts over this store.
    pub fn store(&self) -> Store {
        Store::of(Arc::new(self.clone()))
    }

    /// How a second writer is kept from an entity.
    pub fn fencing(&self) -> Fencing {
        self.inner.fencing
    }

    /// Compares the tables with what is needed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn check_schema(&self) -> Result<SchemaReport> {
        schema::check(self.session(), &self.inner.settings).await
    }

    /// Makes what is missing of keyspaces, tables and columns; gives the statements that were run.
    ///
    /// # Errors
    /// `Invalid` where the server refuses one; `Unavailable`, `OutcomeUnknown` (repeat it).
    pub async fn create_schema(&self) -> Result<Vec<String>> {
        self.inner.settings.flavour.check_creation()?;
        schema::create(self.session(), &self.inner.settings, Wanted::ALL).await
    }

    fn session(&self) -> &Session {
        self.inner.connection.session()
    }
}

/// What a store is made of.
pub(crate) struct Parts {
    pub(crate) session: Session,
    pub(crate) settings: CassandraSettings,
    pub(crate) times: Arc<Times>,
    pub(crate) fencing: Fencing,
    pub(crate) has_head: bool,
    pub(crate) read_only: bool,
    pub(crate) random: u64,
}

impl Inner {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { session, settings, times, fencing, has_head, read_only, random } = parts;
        let connection = Arc::new(Connection::new(session, &settings, has_head));
        let uuids = Arc::new(TimeUuids::new(random, times.clone()));
        let in_flight = Arc::new(InFlight::default());
        let claims = (fencing == Fencing::Claims).then(|| {
            let (connection, uuids) = (connection.clone(), uuids.clone());
            let server = Server::new(connection, settings.clone(), uuids, in_flight.clone());
            claims::start(server, &settings, read_only)
        });
        Self {
            connection,
            capabilities: capabilities(&settings, fencing),
            store_id: store_id(&settings),
            fencing,
            has_head,
            read_only,
            settings,
            times,
            uuids,
            claims,
            entities: Entities::default(),
            in_flight,
            backlog: Backlog::default(),
            tag_sessions: Sessions::default(),
            committed: watch::Sender::new(0),
            requests: Semaphore::new(usize::try_from(REQUESTS_MAX).unwrap_or(usize::MAX)),
        }
    }

    /// Lets a request in, unless the store was closed.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        let entered = self.requests.acquire().await;
        entered.map_err(|_| Error::closed("the Cassandra store was closed"))
    }

    /// Lets a request in that writes.
    pub(crate) async fn enter_to_write(&self) -> Result<SemaphorePermit<'_>> {
        if self.read_only {
            return Err(Error::unsupported(format!(
                "the store in keyspace {} is open read-only; nothing was written",
                self.settings.journal.keyspace
            )));
        }
        self.enter().await
    }

    /// Lets a tool in.
    pub(crate) async fn enter_as(&self, execution: Execution) -> Result<SemaphorePermit<'_>> {
        match execution {
            Execution::Apply => self.enter_to_write().await,
            Execution::DryRun => self.enter().await,
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Waits for the requests under way and lets none in any more.
    pub(crate) async fn end_all(&self) {
        // An error means that it was closed before.
        let all = self.requests.acquire_many(REQUESTS_MAX).await;
        self.requests.close();
        drop(all);
        self.committed.send_modify(|_| {});
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    pub(crate) fn announce(&self) {
        self.committed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A receiver that has seen all appends until now.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// The claims of this process.
    ///
    /// # Errors
    /// `Internal` under another fencing.
    pub(crate) fn claims(&self) -> Result<&Claims<Server>> {
        self.claims.as_ref().ok_or_else(|| Error::internal("this store keeps no claims"))
    }

    pub(crate) fn fencing_is_conditional(&self) -> bool {
        self.fencing == Fencing::Lwt
    }

    /// How long a missing event is searched. A conditional append is there or not: what a majority does
    /// not know is missing.
    pub(crate) fn hole_patience(&self) -> Duration {
        if self.fencing_is_conditional() { Duration::ZERO } else { self.settings.query.gap_timeout }
    }

    /// A timeuuid of now, later than all drawn before.
    pub(crate) fn draw_uuid(&self) -> TimeUuid {
        self.uuids.draw()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("fencing", &self.fencing).finish_non_exhaustive()
    }
}

impl fmt::Debug for CassandraStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CassandraStore")
            .field("keyspace", &self.inner.settings.journal.keyspace)
            .field("fencing", &self.inner.fencing)
            .finish_non_exhaustive()
    }
}

/// The most events of one append: also what the two partitions can hold where it may lie.
const EVENTS_PER_APPEND_MAX: u64 = 1_000;

fn capabilities(settings: &CassandraSettings, fencing: Fencing) -> Capabilities {
    let partition = settings.journal.target_partition_size.get();
    let fenced = fencing != Fencing::Off;
    let (events_max, append_bytes, event_bytes) = settings.flavour.limits();
    let append_bytes_max = settings.append_bytes_max.min(append_bytes);
    let event_bytes_max = append_bytes_max.min(event_bytes);
    Capabilities {
        name: "cassandra",
        durable: true,
        exclusive: fenced,
        detects_ahead: fenced,
        tags: settings.events_by_tag.enabled,
        slices: false,
        all_events: false,
        ids_in_order: false,
        offsets: false,
        // A partition key has at most 65,535 bytes.
        id_bytes_max: 4_000,
        events_per_append_max: usize::try_from(EVENTS_PER_APPEND_MAX.min(partition))
            .unwrap_or(usize::MAX)
            .min(events_max),
        append_bytes_max,
        event_bytes_max,
        snapshot_bytes_max: event_bytes_max,
        tags_per_event_max: 64,
        text_bytes_max: 4_000,
        replay_bytes_max: settings.append_bytes_max.saturating_add(crate::journal::BATCH_BYTES),
    }
}

/// FNV-1a over the names of the tables: stores of other tables have other offsets.
fn store_id(settings: &CassandraSettings) -> u64 {
    let journal = &settings.journal;
    let names = [journal.keyspace.as_str(), ".", journal.table.as_str()].concat();
    names.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
