//! Rebuilding `all_persistence_ids`, the list of ids, from the events themselves. Only ever adds, so that it
//! may run beside writers; an id whose events are all deleted is listed too, if `metadata` says so.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use annals_core::{Error, PersistenceId, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;

use crate::error;
use crate::store::{CassandraStore, Inner};
use crate::tool::Execution;

/// How many partitions, or entities, are read at a time.
const ROWS: i32 = 1_000;
/// How many ids are looked up, and listed, at a time.
const LOOKUPS: usize = 32;

/// Where ids are found.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The partitions of events.
    Events,
    /// What is noted of deleted events.
    Deleted,
}

/// Rebuilds the list of ids, page by page.
#[derive(Debug)]
pub struct IdRebuild {
    store: CassandraStore,
    execution: Execution,
    next: Option<(Source, PagingState)>,
    /// What a dry run has told, hashed: an id has many partitions. Two that fall together would be told as
    /// one; both would be listed.
    told: HashSet<u64>,
}

/// What one page came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdRebuildPage {
    /// How many rows were looked at: partitions, or notes of deleted events.
    pub looked_at: u64,
    /// The ids that were not listed.
    pub missing: Vec<PersistenceId>,
}

impl CassandraStore {
    /// A rebuild of the list of ids.
    pub fn rebuild_ids(&self, execution: Execution) -> IdRebuild {
        let next = Some((Source::Events, PagingState::start()));
        IdRebuild { store: self.clone(), execution, next, told: HashSet::new() }
    }
}

impl IdRebuild {
    /// Looks at the next rows, and lists the ids that are missing; `None` at the end.
    ///
    /// # Errors
    /// `Unsupported` where ids are not listed; else as reading and writing. It can be run again.
    pub async fn next(&mut self) -> Result<Option<IdRebuildPage>> {
        let inner = self.store.inner.clone();
        let _request = inner.enter_as(self.execution).await?;
        if !inner.settings.journal.support_all_persistence_ids {
            return Err(Error::unsupported(
                "ids are not listed: journal.support-all-persistence-ids is off",
            ));
        }
        let Some((source, from)) = self.next.take() else { return Ok(None) };
        let (ids, looked_at, page) = inner.ids_of(source, from).await?;
        let after = match source {
            Source::Events => Some((Source::Deleted, PagingState::start())),
            Source::Deleted => None,
        };
        self.next = page.map(|page| (source, page)).or(after);
        let told = &self.told;
        let lookups = ids.into_iter().filter(|id| !told.contains(&hash(id))).map(|id| {
            let inner = &inner;
            async move { Result::Ok((!inner.is_listed(&id).await?).then_some(id)) }
        });
        let missing: Vec<Option<PersistenceId>> =
            stream::iter(lookups).buffered(LOOKUPS).try_collect().await?;
        let missing: Vec<PersistenceId> = missing.into_iter().flatten().collect();
        if self.execution.applies() {
            let writes = missing.iter().map(|id| inner.list_id(id));
            stream::iter(writes).buffer_unordered(LOOKUPS).try_collect::<()>().await?;
        } else {
            self.told.extend(missing.iter().map(hash));
        }
        Ok(Some(IdRebuildPage { looked_at, missing }))
    }
}

fn hash(id: &PersistenceId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Inner {
    /// Ids, how many rows named them, and where the next ones begin.
    async fn ids_of(
        &self,
        source: Source,
        from: PagingState,
    ) -> Result<(BTreeSet<PersistenceId>, u64, Option<PagingState>)> {
        let what = || "looking for ids that are not listed".to_owned();
        let statements = &self.connection.statements.entities;
        let statement = match source {
            Source::Events => &statements.scan_partitions,
            Source::Deleted => &statements.scan_deleted_to,
        };
        let found = self.connection.read_page(statement, (), ROWS, from, what).await?;
        let mut ids = BTreeSet::new();
        let rows = found.rows.rows::<(String, Option<i64>)>();
        for row in rows.map_err(|error| error::of_rows(what(), error))? {
            let (id, number) = row.map_err(|error| error::of_rows(what(), error))?;
            // The number of a partition may be 0; that of the last deleted event may not.
            if matches!(source, Source::Events) || number.is_some_and(|number| number > 0) {
                ids.insert(PersistenceId::new(id)?);
            }
        }
        Ok((ids, u64::try_from(found.rows.rows_num()).unwrap_or_default(), found.next))
    }

    async fn is_listed(&self, id: &PersistenceId) -> Result<bool> {
        let what = || format!("looking whether {id} is listed");
        let statement = &self.connection.statements.entities.select_id;
        let rows = self.connection.read(statement, (id.as_str(),), what).await?;
        Ok(rows.rows_num() > 0)
    }
}
