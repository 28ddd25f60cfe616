//! The tables of claims on a server.

use std::collections::HashSet;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Error, ErrorKind, Ids, PersistenceId, Result, RetryPolicy, SeqNr, SeqRange,
    WriterId,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::check::Question;
use super::claim::{Claim, ClaimRow, writer_text};
use super::claimant::{End, NewClaim, Written};
use super::driver::{Claims, Patience};
use super::history::{EndSearch, Found, Marked, mixed};
use super::owner::Attempt;
use super::rows::{RowsDown, RowsUp};
use super::statements::Statements;
use super::tables::{Inserted, Revocations, Strength, Tables};
use crate::connection::{Condition, Connection};
use crate::end::seq_nr;
use crate::entities;
use crate::error;
use crate::inserts::{Insert, Placed, of_append};
use crate::pages::{Asked, column};
use crate::partition::Partition;
use crate::row::EventRow;
use crate::settings::CassandraSettings;
use crate::tags::InFlight;
use crate::timeuuid::{TimeUuid, TimeUuids};
use crate::writes::Way;

/// The entity of the row that says that a process is alive.
const ALIVE: &str = "";

/// Jitter, and nothing else that could be drawn.
#[derive(Debug)]
struct RandomIds;

impl Ids for RandomIds {
    fn append_id(&self) -> AppendId {
        AppendId::new(rand::random())
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(Uuid::new_v4().to_string())
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}

/// The claims of this process, under a fresh name, which tells when it began.
pub(crate) fn start(
    server: Server,
    settings: &CassandraSettings,
    read_only: bool,
) -> Claims<Server> {
    let ids = Arc::new(RandomIds);
    let process: Arc<str> = server.uuids.draw().uuid().to_string().into();
    let patience = Patience { retry: RetryPolicy::default(), check: settings.request_timeout };
    let claims =
        Claims::new(process, Arc::new(server), patience, ids).after_jvm(settings.after_jvm);
    if read_only { claims.reading_only() } else { claims }
}

/// What claims need of the store.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) connection: Arc<Connection>,
    pub(super) statements: Statements,
    settings: CassandraSettings,
    uuids: Arc<TimeUuids>,
    in_flight: Arc<InFlight>,
}

/// The rows of an append, the same at each try.
#[derive(Debug)]
pub(crate) struct Rows {
    id: PersistenceId,
    range: SeqRange,
    attempt: entities::Attempt,
    way: Option<Way>,
    inserts: Arc<[Insert]>,
    /// Of an append with tags.
    hold: Option<Hold>,
}

impl Rows {
    /// The append is permanent: its tags are the caller's to write.
    pub(crate) fn acknowledged(mut self) -> entities::Attempt {
        if let Some(hold) = self.hold.take() {
            hold.hand_over();
        }
        self.attempt
    }
}

/// Keeps readers by tag from passing an append whose rows are not all written.
#[derive(Debug)]
struct Hold {
    in_flight: Arc<InFlight>,
    first: Option<TimeUuid>,
}

impl Hold {
    fn hand_over(mut self) {
        self.first = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(first) = self.first {
            self.in_flight.leave_unknown(first);
        }
    }
}

impl Server {
    pub(crate) fn new(
        connection: Arc<Connection>,
        settings: CassandraSettings,
        uuids: Arc<TimeUuids>,
        in_flight: Arc<InFlight>,
    ) -> Self {
        let statements = Statements::new(&settings);
        Self { connection, statements, settings, uuids, in_flight }
    }

    /// A process enters: it may claim once this has finished.
    pub(crate) async fn enter(&self, process: &str) -> Result<()> {
        let what = || "entering this process into annals_writers".to_owned();
        let values = (process, ALIVE, Claim::NONE.get());
        self.connection.write(&self.statements.insert_revocation, values, what).await
    }

    pub(super) fn partition_of(&self, number: SeqNr) -> Partition {
        self.settings.journal.target_partition_size.partition_of(number)
    }

    /// How far an entity is deleted: the larger of what the claim row and `metadata` say.
    pub(super) async fn deleted_to(&self, id: &PersistenceId, row: &ClaimRow) -> Result<SeqNr> {
        if !self.settings.journal.support_deletes {
            return Ok(row.deleted_to);
        }
        let (recorded, _) = self.connection.recorded_deleted_to(id).await?;
        Ok(row.deleted_to.max(recorded.map_or(SeqNr::ZERO, seq_nr)))
    }

    /// Whether a conditional write happened. One that was refused before it was sent is not known to have
    /// happened either: reading the row back tells.
    fn written(answer: Result<Condition>) -> Written {
        match answer {
            Ok(Condition::Applied) => Written::Applied,
            Ok(Condition::NotApplied) => Written::Refused,
            Err(error) => {
                tracing::debug!(%error, "a conditional write's outcome is looked up");
                Written::Unknown
            }
        }
    }
}

/// Rows that make it impossible to tell what happened.
pub(super) fn refuse_mixed(
    id: &PersistenceId,
    claim_row: &ClaimRow,
    number: SeqNr,
    rows: &[EventRow],
) -> Result<()> {
    let Some(old) = mixed(claim_row, number, rows) else { return Ok(()) };
    Err(Error::corrupt(format!(
        "event {number} of {id} is there without a claim and under claim {old}, while claim {} begins at \
         {}: a JVM wrote beside annals, and which one counts is not known",
        claim_row.claim, claim_row.from_seq
    )))
}

#[async_trait]
impl Tables for Server {
    type Prepared = Rows;

    async fn read_claim(&self, id: &PersistenceId, strength: Strength) -> Result<ClaimRow> {
        let what = || format!("reading the claim on {id}");
        let statement = match strength {
            Strength::Quorum => &self.statements.select_claim,
            Strength::Serial => &self.statements.select_claim_serial,
        };
        let rows = self.connection.read(statement, (id.as_str(),), what).await?;
        let row = rows.maybe_first_row::<(Option<i64>, Option<String>, Option<i64>, Option<i64>)>();
        let row = row.map_err(|error| error::of_rows(what(), error))?;
        let Some((claim, process, from_seq, deleted_to)) = row else { return Ok(ClaimRow::none()) };
        let (Some(claim), Some(process), Some(from_seq)) =
            (claim.and_then(Claim::new), process, from_seq)
        else {
            return Err(Error::corrupt(format!("the row of {id} in annals_claims lacks a column")));
        };
        Ok(ClaimRow {
            claim,
            process: process.into(),
            from_seq: seq_nr(from_seq),
            deleted_to: seq_nr(deleted_to.unwrap_or_default()),
        })
    }

    async fn revoke(&self, process: &str, id: &PersistenceId, claim: Claim) -> Result<()> {
        let what = || format!("revoking claim {claim} on {id}");
        let values = (process, id.as_str(), claim.get());
        self.connection.write(&self.statements.insert_revocation, values, what).await
    }

    async fn find_end(
        &self,
        id: &PersistenceId,
        claim_row: &ClaimRow,
        asked: Asked,
    ) -> Result<Option<End>> {
        let deleted_to = self.deleted_to(id, claim_row).await?;
        let mut search = EndSearch::new(claim_row.clone(), deleted_to);
        let floor = search.nothing().highest.max(SeqNr::FIRST);
        let mut rows = RowsDown::new(self, id.clone(), floor, asked).await?;
        while let Some((number, rows)) = rows.next(self).await? {
            rows.iter().for_each(|row| self.uuids.follow(row.timestamp));
            refuse_mixed(id, claim_row, number, &rows)?;
            match search.take(number, rows) {
                Found::More => {}
                Found::End(end) => return Ok(Some(end)),
                Found::Outdated => return Ok(None),
            }
        }
        Ok(Some(search.nothing()))
    }

    async fn claim_at(
        &self,
        id: &PersistenceId,
        claim_row: &ClaimRow,
        number: SeqNr,
    ) -> Result<Option<Option<Claim>>> {
        let mut rows = RowsUp::new(self, id.clone(), SeqRange::new(number, number), number);
        let rows = rows.take(self, number).await?;
        let claims = rows.iter().filter_map(|row| row.mark().claim);
        let counts = claims.filter(|claim| *claim <= claim_row.claim).max();
        Ok((!rows.is_empty()).then_some(counts))
    }

    async fn write_claim(&self, id: &PersistenceId, new: &NewClaim) -> Written {
        let what = || format!("claiming {id}");
        let (claim, from_seq) = (new.claim.get(), column(new.from_seq));
        let process: &str = &new.process;
        let answer = if new.expected.is_none() {
            let values = (id.as_str(), claim, process, from_seq);
            self.connection.write_if(&self.statements.first_claim, values, what).await
        } else {
            let expected = (new.expected.get(), column(new.expected_deleted_to));
            let values = (claim, process, from_seq, id.as_str(), expected.0, expected.1);
            self.connection.write_if(&self.statements.next_claim, values, what).await
        };
        Self::written(answer)
    }

    async fn write_deleted(&self, id: &PersistenceId, claim: Claim, to: SeqNr) -> Written {
        let what = || format!("deleting events of {id} up to {to}");
        let values = (column(to), id.as_str(), claim.get(), column(to));
        let statement = &self.statements.raise_deleted_to;
        Self::written(self.connection.write_if(statement, values, what).await)
    }

    async fn publish_deleted(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let what = || format!("recording for Pekko that events of {id} up to {to} are deleted");
        self.connection.record_deleted_to(id, to, what).await
    }

    fn prepare(&self, attempt: &Attempt, append: &Append) -> Result<Rows> {
        let tagged = self.settings.events_by_tag.enabled
            && append.events().iter().any(|event| !event.tags.is_empty());
        let uuids: Arc<[TimeUuid]> = self.in_flight.enter_drawn(|| {
            let drawn = append.events().iter().map(|_| self.uuids.draw());
            let uuids: Arc<[TimeUuid]> = drawn.collect();
            let first = uuids.first().copied().filter(|_| tagged);
            (uuids, first)
        });
        let first = uuids.first().copied().filter(|_| tagged);
        let hold =
            first.map(|first| Hold { in_flight: self.in_flight.clone(), first: Some(first) });
        let writer_uuid = writer_text(append.writer(), attempt.claim).into();
        let attempt_of_rows = entities::Attempt::claimed(append, uuids, writer_uuid);
        let partition = self.partition_of(attempt.range.to);
        let bucket_size = self.settings.events_by_tag.bucket_size;
        Ok(Rows {
            inserts: of_append(append, &attempt_of_rows, partition, bucket_size, Placed::Yes),
            way: self.connection.way_of_events(append.id(), partition),
            id: append.id().clone(),
            range: attempt.range,
            attempt: attempt_of_rows,
            hold,
        })
    }

    async fn insert(&self, prepared: &Rows) -> Inserted {
        let Rows { id, range, .. } = prepared;
        let what = || format!("inserting events {}-{} of {id}", range.from, range.to);
        match self.connection.insert(prepared.way, &prepared.inserts, what).await {
            Ok(()) => Inserted::Finished,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Inserted::Unknown(error),
            Err(error) => Inserted::Refused(error),
        }
    }

    async fn check(&self, process: &str, question: &Question) -> Result<Revocations> {
        let what = || "reading the revocations of a process".to_owned();
        let rows = match question {
            Question::All => {
                let statement = &self.statements.select_revocations;
                self.connection.read(statement, (process,), what).await?
            }
            Question::Only(ids) => {
                let ids: Vec<&str> =
                    std::iter::once(ALIVE).chain(ids.iter().map(PersistenceId::as_str)).collect();
                let statement = &self.statements.select_revocations_of;
                self.connection.read(statement, (process, ids), what).await?
            }
        };
        let mut found = Revocations { alive: false, revoked: HashSet::new() };
        let rows = rows.rows::<(String, i64)>().map_err(|error| error::of_rows(what(), error))?;
        for row in rows {
            let (id, claim) = row.map_err(|error| error::of_rows(what(), error))?;
            if id == ALIVE {
                found.alive = true;
            } else if let Some(claim) = Claim::new(claim) {
                found.revoked.insert((PersistenceId::new(id)?, claim));
            }
        }
        Ok(found)
    }
}
