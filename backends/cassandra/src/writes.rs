//! Plain writes, which go out together where they would wait for each other anyway (see
//! [`crate::gather`]).
//!
//! Rows of one partition are one write of the server: all of them or none. A request with several such
//! writes says only how all of them went, so that what failed with others is told apart here: a refusal is
//! asked for again alone, and anything else leaves the outcome open.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Error, ErrorKind, PersistenceId, Result};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::error;
use crate::gather::{Limits, Turn};
use crate::inserts::Insert;
use crate::partition::Partition;
use crate::profiles::Profile;

/// Events of several entities. A server warns of batches over more than ten partitions, and of more than
/// 5 KiB in several (`unlogged_batch_across_partitions_warn_threshold`, `batch_size_warn_threshold`).
const EVENTS: Limits = Limits { at_once: 2, rows_max: 10, bytes_max: 4_800 };
/// Rows of one partition of a tag, which are one write.
const VIEWS: Limits = Limits { at_once: 2, rows_max: 150, bytes_max: 64 << 10 };
/// A request that takes longer than this no longer keeps others waiting.
const LATE: Duration = Duration::from_millis(50);

/// What goes the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Events on the same replicas.
    Events(u64),
    /// Rows of the same partition of `tag_views`.
    Views(u64),
}

impl Way {
    fn limits(self) -> Limits {
        match self {
            Self::Events(_) => EVENTS,
            Self::Views(_) => VIEWS,
        }
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Rows of one partition that wait for others to go with.
#[derive(Debug)]
pub(crate) struct Waiting {
    rows: Arc<[Insert]>,
    reply: oneshot::Sender<Together>,
}

/// How a request of several went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    Written,
    /// Nothing was written.
    Refused,
    /// Some of it may be written.
    Unknown,
}

impl Connection {
    /// The way of events in a partition of `id`; `None` if they should go alone.
    pub(crate) fn way_of_events(&self, id: &PersistenceId, partition: Partition) -> Option<Way> {
        if !self.gathers {
            return None;
        }
        let cluster = self.session().get_cluster_state();
        if let [_] = cluster.get_nodes_info() {
            return Some(Way::Events(0));
        }
        let (keyspace, table) = &self.messages;
        let key = (id.as_str(), partition.column());
        let replicas = cluster.get_endpoints(keyspace, table, &key).ok()?;
        let replicas = replicas.iter().map(|(node, _)| hash_of(&node.host_id));
        Some(Way::Events(replicas.fold(0, u64::wrapping_add)))
    }

    /// The way of a tag's rows in a bucket; `None` if they should go alone.
    pub(crate) fn way_of_views(&self, tag: &str, time_bucket: i64) -> Option<Way> {
        self.gathers.then(|| Way::Views(hash_of(&(tag, time_bucket))))
    }

    /// Writes rows of one partition, all or none of them.
    pub(crate) async fn insert(
        self: &Arc<Self>,
        way: Option<Way>,
        rows: &Arc<[Insert]>,
        what: impl Fn() -> String,
    ) -> Result<()> {
        let Some(way) = way else { return self.insert_alone(rows, what).await };
        let bytes = rows.iter().map(Insert::size_bytes).sum();
        let (reply, told) = oneshot::channel();
        let waiting = Waiting { rows: Arc::clone(rows), reply };
        let turn = self.gather.lock().enter(&way, way.limits(), waiting, rows.len(), bytes);
        match turn {
            Turn::Alone(_) => {
                let under_way = UnderWay { connection: self, way };
                return under_way.watch(self.insert_alone(rows, what)).await;
            }
            Turn::Others(group) => self.spawn(way, group),
            Turn::Waits => {}
        }
        match told.await {
            Ok(Together::Written) => Ok(()),
            Ok(Together::Refused) => self.insert_alone(rows, what).await,
            Ok(Together::Unknown) | Err(_) => {
                let unknown = "the request that it went with failed";
                Err(Error::outcome_unknown(format!("{}: {unknown}", what())))
            }
        }
    }

    async fn insert_alone(&self, rows: &[Insert], what: impl Fn() -> String) -> Result<()> {
        if let [row] = rows {
            return self.write(row.statement(&self.statements), row, what).await;
        }
        self.insert_batch(&rows.iter().collect::<Vec<_>>(), what).await
    }

    async fn insert_batch(&self, rows: &[&Insert], what: impl Fn() -> String) -> Result<()> {
        let statements = rows.iter().map(|row| row.statement(&self.statements));
        let batch = self.batch(Profile::Write, statements).await?;
        let result = self.session().batch(&batch, rows).await;
        result.map(drop).map_err(|error| error::of_write(what(), error))
    }

    fn spawn(self: &Arc<Self>, way: Way, group: Vec<Waiting>) {
        // Outside of a runtime nobody waits: the replies end with the group.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let connection = Arc::clone(self);
        runtime.spawn(async move {
            let rows: Vec<&Insert> = group.iter().flat_map(|waiting| waiting.rows.iter()).collect();
            let under_way = UnderWay { connection: &connection, way };
            let what = || format!("inserting {} rows together", rows.len());
            let result = under_way.watch(connection.insert_batch(&rows, what)).await;
            let together = match result {
                Ok(()) => Together::Written,
                Err(error) => {
                    tracing::debug!(%error, "writes that went together failed");
                    // Of several partitions some may have been sent before one was found unavailable.
                    let refused = error.kind() == ErrorKind::Invalid;
                    if refused { Together::Refused } else { Together::Unknown }
                }
            };
            for waiting in group {
                // Who was dropped waits no more.
                let _ = waiting.reply.send(together);
            }
        });
    }
}

/// A request that keeps others waiting, until it is dropped.
struct UnderWay<'a> {
    connection: &'a Arc<Connection>,
    way: Way,
}

impl UnderWay<'_> {
    async fn watch<T>(self, request: impl Future<Output = T>) -> T {
        tokio::pin!(request);
        tokio::select! {
            biased;
            done = &mut request => return done,
            () = tokio::time::sleep(LATE) => drop(self),
        }
        request.await
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let group = self.connection.gather.lock().finished(&self.way);
        if !group.is_empty() {
            self.connection.spawn(self.way, group);
        }
    }
}
