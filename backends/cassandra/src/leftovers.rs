//! Clearing up what `fencing = claims` leaves behind: rows of events that are in no history, and processes
//! that are gone. Beside running writers; why that is safe stands where it is done.

use std::collections::HashSet;
use std::time::Duration;

use annals_core::{Error, PersistenceId, Result};
use scylla::response::PagingState;
use uuid::Uuid;

use crate::claims::Server;
use crate::store::{CassandraStore, Inner};
use crate::timeuuid::TimeUuid;
use crate::tool::Execution;

/// So many processes are compared with the claims of all entities at a time.
const PROCESSES_MAX: usize = 20_000;

/// Removes the rows of processes that are gone from `annals_writers`, part by part.
#[derive(Debug)]
pub struct ProcessCleanup {
    store: CassandraStore,
    execution: Execution,
    /// In milliseconds since 1970.
    opened_before: i64,
    page: Option<PagingState>,
}

impl CassandraStore {
    /// Removes rows of `id` that are in no history, whatever happens later: appends of writers that had
    /// lost the entity, and were never acknowledged. Pekko's readers may show them until then. Gives how many
    /// there are.
    ///
    /// # Errors
    /// `Unsupported` under another fencing. `Corrupt` where a JVM wrote beside annals. Else as
    /// reading and writing; it can be run again.
    pub async fn clean_void_rows(&self, id: &PersistenceId, execution: Execution) -> Result<u64> {
        let _request = self.inner.enter_as(execution).await?;
        self.inner.claimed_tables()?.clean_voids(id, execution).await
    }

    /// A clean-up of processes, each of which is a store that was opened for writing, that were opened
    /// longer ago than `age` and own no entity. One that still runs goes on, but each of its appends is
    /// then answered `OutcomeUnknown` first, until its store is opened again: let `age` be longer than the
    /// longest time for which a process of yours stays up without an entity of its own.
    pub fn clean_processes(&self, age: Duration, execution: Execution) -> ProcessCleanup {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let opened_before = self.inner.times.now_millis().saturating_sub(age);
        let page = Some(PagingState::start());
        ProcessCleanup { store: self.clone(), execution, opened_before, page }
    }
}

impl ProcessCleanup {
    /// Looks at the next processes, and gives the names of those that are removed; `None` at the end.
    ///
    /// # Errors
    /// `Unsupported` under another fencing; else as reading and writing. It can be run again.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>> {
        let inner = self.store.inner.clone();
        let _request = inner.enter_as(self.execution).await?;
        let tables = inner.claimed_tables()?;
        let own = inner.claims()?.process();
        let mut gone = HashSet::new();
        let mut any = false;
        while gone.len() < PROCESSES_MAX
            && let Some(from) = self.page.take()
        {
            any = true;
            let (names, page) = tables.processes(from).await?;
            self.page = page;
            let old = |name: &String| {
                **name != **own && opened_at(name).is_some_and(|at| at <= self.opened_before)
            };
            gone.extend(names.into_iter().filter(old));
        }
        if !any {
            return Ok(None);
        }
        tables.retain_without_claims(&mut gone).await?;
        let mut gone: Vec<String> = gone.into_iter().collect();
        gone.sort_unstable();
        if self.execution.applies() {
            for process in &gone {
                tables.forget_process(process).await?;
            }
        }
        Ok(Some(gone))
    }
}

/// When a process was opened, by its clock: its name is a timeuuid.
fn opened_at(name: &str) -> Option<i64> {
    Some(TimeUuid::new(Uuid::try_parse(name).ok()?)?.millis())
}

impl Inner {
    fn claimed_tables(&self) -> Result<&Server> {
        let claims = self.claims.as_ref().ok_or_else(|| {
            let fencing = self.fencing.name();
            Error::unsupported(format!(
                "fencing = {fencing} leaves no claims behind: there is nothing to clean"
            ))
        })?;
        Ok(claims.tables())
    }
}
