//! Where an entity's history ends: its highest number, what is deleted, and the partition in which it
//! goes on.

use annals_core::{Bounds, PersistenceId, Result, SeqNr};
use futures_util::future::try_join;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::error;
use crate::head::{Head, HeadState};
use crate::partition::Partition;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;

/// Where a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) bounds: Bounds,
    /// What `metadata.deleted_to` says, which may be less than the bounds do.
    pub(crate) stored_deleted_to: Option<i64>,
    /// The last partition that holds anything, and its head; `None` for a history without any rows left.
    pub(crate) last: Option<(Partition, PartitionEnd)>,
}

/// What the end of one partition shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PartitionEnd {
    /// The highest number of its rows.
    pub(crate) highest: SeqNr,
    pub(crate) head: Option<Head>,
}

impl PartitionEnd {
    fn is_empty(self) -> bool {
        self.highest.is_zero() && self.head.is_none()
    }
}

/// How the end is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// At a majority.
    Plain,
    /// Completing conditional writes that are under way: what is not found was not done.
    Serial,
}

impl Inner {
    /// Finds the end of `id`. Event h + 1 lies in its nominal partition or in the next one: those two
    /// are looked at until neither holds anything new.
    pub(crate) async fn find_end(&self, id: &PersistenceId, look: Look) -> Result<End> {
        let stored_deleted_to = self.stored_deleted_to(id).await?;
        let deleted_to = seq_nr(stored_deleted_to.unwrap_or_default());
        let mut end = End {
            bounds: Bounds { deleted_to, highest: deleted_to },
            stored_deleted_to,
            last: None,
        };
        let size = self.settings.journal.target_partition_size;
        loop {
            let nominal = size.partition_of(end.bounds.highest.next());
            let known = end.last.map(|(partition, _)| partition);
            let unread = |partition: &Partition| known.is_none_or(|known| *partition > known);
            // The partition of what was deleted may be the one before: its head counts as well.
            let first = if known.is_none() && self.fencing_is_conditional() {
                size.partition_of(end.bounds.highest)
            } else {
                nominal
            };
            let mut candidates = vec![first, nominal, nominal.next()];
            candidates.dedup();
            candidates.retain(unread);
            let found = self.partition_ends(id, &candidates, look).await?;
            let Some((partition, partition_end)) = found else { return Ok(end) };
            let head_at = partition_end.head.map_or(SeqNr::ZERO, |head| head.at);
            let highest = partition_end.highest.max(head_at);
            end.bounds.highest = end.bounds.highest.max(highest);
            if let Some(Head { state: HeadState::Begun, at }) = partition_end.head {
                end.bounds.deleted_to = end.bounds.deleted_to.max(at);
            }
            end.last = Some((partition, partition_end));
        }
    }

    /// The last of the partitions that holds anything.
    async fn partition_ends(
        &self,
        id: &PersistenceId,
        partitions: &[Partition],
        look: Look,
    ) -> Result<Option<(Partition, PartitionEnd)>> {
        let mut last = None;
        for pair in partitions.chunks(2) {
            let found = match pair {
                [one, other] => {
                    let both =
                        (self.partition_end(id, *one, look), self.partition_end(id, *other, look));
                    let (first, second) = try_join(both.0, both.1).await?;
                    vec![(*one, first), (*other, second)]
                }
                _ => {
                    let mut found = Vec::new();
                    for partition in pair {
                        found.push((*partition, self.partition_end(id, *partition, look).await?));
                    }
                    found
                }
            };
            last = found.into_iter().rfind(|(_, end)| !end.is_empty()).or(last);
        }
        Ok(last)
    }

    pub(crate) async fn partition_end(
        &self,
        id: &PersistenceId,
        partition: Partition,
        look: Look,
    ) -> Result<PartitionEnd> {
        let what = || format!("reading the end of {id}");
        let statements = &self.connection.statements;
        let conditional = self.fencing_is_conditional();
        let statement = match look {
            Look::Serial if conditional => &statements.heads.select_serial,
            _ => &statements.heads.select,
        };
        let rows = self.connection.read(statement, (id.as_str(), partition.column()), what).await?;
        let (highest, timestamp, head) = if self.has_head {
            let row = rows.maybe_first_row::<(Option<i64>, Option<CqlTimeuuid>, Option<String>)>();
            row.map_err(|error| error::of_rows(what(), error))?.unwrap_or_default()
        } else {
            let row = rows.maybe_first_row::<(Option<i64>, Option<CqlTimeuuid>)>();
            let row = row.map_err(|error| error::of_rows(what(), error))?.unwrap_or_default();
            (row.0, row.1, None)
        };
        let timestamp = timestamp.map(|uuid| Uuid::from_bytes(*uuid.as_bytes()));
        timestamp.and_then(TimeUuid::new).into_iter().for_each(|last| self.uuids.follow(last));
        let highest = seq_nr(highest.unwrap_or_default());
        Ok(PartitionEnd { highest, head: head.as_deref().map(Head::parse).transpose()? })
    }

    /// The column `deleted_to`; `None` without a row.
    pub(crate) async fn stored_deleted_to(&self, id: &PersistenceId) -> Result<Option<i64>> {
        if !self.settings.journal.support_deletes {
            return Ok(None);
        }
        Ok(self.connection.recorded_deleted_to(id).await?.0)
    }
}

/// The number in a column; what is negative or null is none.
pub(crate) fn seq_nr(column: i64) -> SeqNr {
    u64::try_from(column).ok().and_then(SeqNr::new).unwrap_or_default()
}
