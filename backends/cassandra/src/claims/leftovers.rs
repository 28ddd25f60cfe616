//! What claims leave behind, and when it may go. Safe beside writers and readers, by the protocol alone:
//!
//! **Void rows.** A row of claim *r* is void at *n* >= `from_seq` if *r* is older than the newest claim, and below
//! if a newer claim has a row at *n*. It stays so: claims only grow, `from_seq` never falls, and a later
//! claim begins above what it keeps, so that at *n* a row of the newest claim, or of a later one, is kept, or
//! none. Nobody who acts on a newer reading than that looks at it; and who acts on an older one (a
//! claimant that paused, a reader) finds its condition, or its check, failed. A row of the newest claim is
//! never void here, so an append under way is never touched. Rows without a claim are a JVM's, and stay.
//!
//! **Processes.** The partition of a process goes with one mutation, so that each replica has all of it or
//! nothing: whoever sees it without a revocation sees it without the row that says that the process is
//! alive. From the moment at which one replica forgot it, a check that asks that replica fails; one that does
//! not sees the revocations as before. So a process that was there after all acknowledges nothing by a
//! check, and is fenced; it claims anew, and what a claim finds is kept, whoever's it is. A revocation that
//! comes later lies under the tombstone, and is not needed. That no claim names the process is not for
//! safety: readers need not settle the last append of its entities.
//!
//! Both rest on tombstones that outlive delayed writes, as everywhere.

use std::collections::HashSet;

use annals_core::{Error, PersistenceId, Result, SeqNr};
use scylla::response::PagingState;
use scylla::value::CqlTimeuuid;

use super::claim::Claim;
use super::history::voids;
use super::rows::RowsDown;
use super::server::{Server, refuse_mixed};
use super::tables::{Strength, Tables};
use crate::error;
use crate::pages::{Asked, column};
use crate::timeuuid::TimeUuid;
use crate::tool::Execution;

/// How many rows of claims, or processes, are read at a time.
const ROWS: i32 = 5_000;
/// How often an entity is begun anew whose claim changed meanwhile.
const TRIES_MAX: usize = 10;

impl Server {
    /// Removes the void rows of an entity; gives how many there were.
    ///
    /// # Errors
    /// `Corrupt` where a JVM's row stands beside one that would be void: which of them counts is not known.
    pub(crate) async fn clean_voids(
        &self,
        id: &PersistenceId,
        execution: Execution,
    ) -> Result<u64> {
        let mut removed = 0;
        'again: for _ in 0..TRIES_MAX {
            let claim_row = self.read_claim(id, Strength::Serial).await?;
            if claim_row.claim <= Claim::NONE.next() {
                // Nobody ever lost it.
                return Ok(removed);
            }
            let mut found = 0;
            let floor = self.deleted_to(id, &claim_row).await?.next();
            let mut rows = RowsDown::new(self, id.clone(), floor, Asked::Quorum).await?;
            while let Some((number, rows)) = rows.next(self).await? {
                refuse_mixed(id, &claim_row, number, &rows)?;
                let Some(voids) = voids(&claim_row, number, rows) else { continue 'again };
                for row in voids {
                    found += 1;
                    if execution.applies() {
                        self.remove(id, number, row.timestamp).await?;
                        removed += 1;
                    }
                }
            }
            return Ok(found.max(removed));
        }
        Err(Error::unavailable(format!("{id} is claimed by others again and again")))
    }

    /// A row lies in its nominal partition, or in the next one.
    async fn remove(&self, id: &PersistenceId, number: SeqNr, timestamp: TimeUuid) -> Result<()> {
        let what = || format!("removing a void row of event {number} of {id}");
        let nominal = self.partition_of(number);
        let at = CqlTimeuuid::from_bytes(*timestamp.uuid().as_bytes());
        for partition in [nominal, nominal.next()] {
            let values = (id.as_str(), partition.column(), column(number), at);
            self.connection.write(&self.statements.delete_row, values, what).await?;
        }
        Ok(())
    }

    /// Processes that have rows, and where the next ones begin.
    pub(crate) async fn processes(
        &self,
        from: PagingState,
    ) -> Result<(Vec<String>, Option<PagingState>)> {
        let what = || "reading the processes in annals_writers".to_owned();
        let statement = &self.statements.scan_processes;
        let page = self.connection.read_page(statement, (), ROWS, from, what).await?;
        let rows = page.rows.rows::<(String,)>();
        let rows = rows.map_err(|error| error::of_rows(what(), error))?;
        let names = rows.map(|row| row.map(|row| row.0)).collect::<std::result::Result<_, _>>();
        Ok((names.map_err(|error| error::of_rows(what(), error))?, page.next))
    }

    /// Leaves of `processes` those that no claim names.
    pub(crate) async fn retain_without_claims(
        &self,
        processes: &mut HashSet<String>,
    ) -> Result<()> {
        let what = || "reading whose the claims in annals_claims are".to_owned();
        let statement = &self.statements.scan_claimants;
        let mut page = Some(PagingState::start());
        while let Some(from) = page.filter(|_| !processes.is_empty()) {
            let found = self.connection.read_page(statement, (), ROWS, from, what).await?;
            let rows = found.rows.rows::<(Option<String>,)>();
            for row in rows.map_err(|error| error::of_rows(what(), error))? {
                let (process,) = row.map_err(|error| error::of_rows(what(), error))?;
                if let Some(process) = process {
                    processes.remove(&process);
                }
            }
            page = found.next;
        }
        Ok(())
    }

    /// Removes all rows of a process.
    pub(crate) async fn forget_process(&self, process: &str) -> Result<()> {
        let what = || format!("removing the rows of process {process} from annals_writers");
        self.connection.write(&self.statements.delete_process, (process,), what).await
    }
}
