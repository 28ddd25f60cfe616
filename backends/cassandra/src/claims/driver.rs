//! Carries out what the machines decide: claims entities, appends under claims, resolves what was
//! left open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendMode, Appended, Bounds, Error, ErrorKind, Ids, PersistenceId, Result, Retry,
    RetryPolicy, SeqNr, SeqRange, WriterId,
};
use parking_lot::Mutex;

use super::check::Verdict;
use super::checks::Checks;
use super::claim::{Claim, ClaimRow};
use super::claimant::{Ask, Claimant, End, Progress, Told, Won, Written};
use super::owner::{Admission, Attempt, Outcome, Owner};
use super::tables::{Inserted, Strength, Tables};
use crate::pages::Asked;
use crate::settings::AfterJvm;

/// How many entities are remembered that nobody uses.
const OWNERS_MAX: usize = 100_000;

/// How long and how often things are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Between the tries of a claim, of a revocation and of an insert.
    pub(crate) retry: RetryPolicy,
    /// How long an append waits for a check.
    pub(crate) check: Duration,
}

/// The entities of one process, whose name is fresh each time.
pub(crate) struct Claims<T> {
    process: Arc<str>,
    tables: Arc<T>,
    checks: Arc<Checks<T>>,
    owners: Mutex<HashMap<PersistenceId, Arc<tokio::sync::Mutex<Owner>>>>,
    patience: Patience,
    ids: Arc<dyn Ids>,
    /// Whether a reader may claim an entity whose last append its owner left open.
    settles: bool,
    after_jvm: AfterJvm,
}

impl<T: Tables> Claims<T> {
    /// The claims of `process`, whose row in `annals_writers` is there already.
    pub(crate) fn new(
        process: Arc<str>,
        tables: Arc<T>,
        patience: Patience,
        ids: Arc<dyn Ids>,
    ) -> Self {
        let checks = Checks::new(process.clone(), tables.clone());
        let (owners, after_jvm) = (Mutex::default(), AfterJvm::All);
        Self { process, tables, checks, owners, patience, ids, settles: true, after_jvm }
    }

    /// The same, of a process that only reads.
    pub(crate) fn reading_only(self) -> Self {
        Self { settles: false, ..self }
    }

    /// The same, which looks so for what a JVM left.
    pub(crate) fn after_jvm(self, after_jvm: AfterJvm) -> Self {
        Self { after_jvm, ..self }
    }

    /// The process's name.
    pub(crate) fn process(&self) -> &Arc<str> {
        &self.process
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &Arc<T> {
        &self.tables
    }

    /// The entity starts under `writer`: it is claimed, or goes on under the claim that this process
    /// holds, if that is not revoked. Gives the claim, too.
    pub(crate) async fn begin(
        &self,
        id: &PersistenceId,
        writer: &WriterId,
    ) -> Result<(Bounds, Claim)> {
        let owner = self.owner(id);
        let mut owner = owner.lock().await;
        owner.begin(writer);
        let held = self.still_holds(id, &mut owner).await?;
        let claim = match owner.settled_claim() {
            Some(claim) if held && self.ends_as_known(id, &owner).await? => claim,
            _ => self.claim(id, &mut owner).await?,
        };
        let end = owner.end();
        Ok((Bounds { deleted_to: end.deleted_to, highest: end.highest }, claim))
    }

    /// Whether `claim` still stands now.
    pub(crate) async fn holds(&self, id: &PersistenceId, claim: Claim) -> Result<bool> {
        let owner = self.owner(id);
        let mut owner = owner.lock().await;
        let held = self.still_holds(id, &mut owner).await?;
        Ok(held && owner.settled_claim() == Some(claim))
    }

    /// Appends under a claim, which is taken first where none is held. Gives the rows too, unless an
    /// earlier try had stored them.
    pub(crate) async fn append(&self, append: &Append) -> Result<(Appended, Option<T::Prepared>)> {
        let (id, range) = (append.id(), append.range());
        let owner = self.owner(id);
        let mut owner = owner.lock().await;
        let mut verified = false;
        loop {
            match owner.admit(append.append_id(), append.writer(), range) {
                Admission::Stored(range) => return Ok((receipt(range), None)),
                Admission::Fenced => return Err(replaced(append)),
                Admission::Claim => {
                    self.claim(id, &mut owner).await?;
                    verified = true;
                }
                Admission::Conflict(highest) if verified => {
                    let after = append.after();
                    if append.mode() == AppendMode::Ingest && highest.is_zero() {
                        self.begin_after(id, &mut owner, after).await?;
                        continue;
                    }
                    let message =
                        format!("an append to {id} after {after}, which ends at {highest}");
                    return Err(Error::conflict(highest, message));
                }
                // What is known here may be old, if another process has claimed the entity.
                Admission::Conflict(_) => verified = self.still_holds(id, &mut owner).await?,
                Admission::Insert(attempt) => {
                    return self.insert(&mut owner, attempt, append).await;
                }
            }
        }
    }

    /// Records that the entity is deleted up to `to`, which is capped at its last number: gives how
    /// far it was deleted before, and the capped number. The rows are the caller's to remove.
    pub(crate) async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<(SeqNr, SeqNr)> {
        let owner = self.owner(id);
        let mut owner = owner.lock().await;
        let mut retry = self.retry();
        loop {
            let claim = match owner.settled_claim() {
                // A JVM may have appended and deleted meanwhile, and what it says is not to be lowered.
                Some(claim) if self.ends_as_known(id, &owner).await? => claim,
                _ => self.claim(id, &mut owner).await?,
            };
            let (before, to) = (owner.end().deleted_to, to.min(owner.end().highest));
            if to <= before {
                // An earlier delete may have been interrupted here.
                self.tables.publish_deleted(id, before).await?;
                return Ok((before, to));
            }
            if self.tables.write_deleted(id, claim, to).await != Written::Applied {
                let row = self.tables.read_claim(id, Strength::Serial).await?;
                if row.claim != claim {
                    owner.lost();
                    continue;
                }
                if row.deleted_to < to {
                    let what =
                        || format!("whether {id} is deleted up to {to} is not known; repeat it");
                    pause(&mut retry).await.ok_or_else(|| Error::outcome_unknown(what()))?;
                    continue;
                }
            }
            owner.deleted(to);
            self.tables.publish_deleted(id, to).await?;
            return Ok((before, to));
        }
    }

    /// Whether a claim stands that a reader met: of this process or of another.
    pub(crate) async fn stands(&self, id: &PersistenceId, row: &ClaimRow) -> Result<bool> {
        if row.claim.is_none() {
            return Ok(true);
        }
        if row.process == self.process {
            let verdict = self.checks.verdict(id, row.claim, self.patience.check).await?;
            return Ok(verdict == Verdict::Passed);
        }
        let question = super::check::Question::Only(vec![id.clone()]);
        let found = self.tables.check(&row.process, &question).await?;
        Ok(found.alive && !found.revoked.contains(&(id.clone(), row.claim)))
    }

    /// Claims the entity and appends nothing, so that a last append whose owner died is settled.
    pub(crate) async fn settle(&self, id: &PersistenceId) -> Result<()> {
        if !self.settles {
            return Err(Error::unavailable(format!(
                "the owner of {id} lost its claim before it answered its last append, and whether that counts \
                 is not decided: who opens the store for writing and starts {id} decides it; nothing is lost"
            )));
        }
        let owner = self.owner(id);
        let mut owner = owner.lock().await;
        self.claim(id, &mut owner).await.map(|_| ())
    }

    /// A reader of this process met rows of a JVM past the claim's begin.
    pub(crate) async fn met_foreign(&self, id: &PersistenceId) {
        self.owner(id).lock().await.met_foreign();
    }

    fn owner(&self, id: &PersistenceId) -> Arc<tokio::sync::Mutex<Owner>> {
        let mut owners = self.owners.lock();
        if owners.len() >= OWNERS_MAX && !owners.contains_key(id) {
            // Those that nobody uses now: forgetting one costs a claim when it comes back.
            owners.retain(|_, owner| Arc::strong_count(owner) > 1);
        }
        owners.entry(id.clone()).or_default().clone()
    }

    /// Lets an empty history begin after `after`, which the claim row records as deleted.
    async fn begin_after(&self, id: &PersistenceId, owner: &mut Owner, after: SeqNr) -> Result<()> {
        let claim = owner.settled_claim().unwrap_or_default();
        if self.tables.write_deleted(id, claim, after).await != Written::Applied {
            let row = self.tables.read_claim(id, Strength::Serial).await?;
            if row.claim != claim || row.deleted_to != after {
                owner.lost();
                let message =
                    format!("beginning {id} after {after} was not recorded; nothing was written");
                return Err(Error::unavailable(message));
            }
        }
        owner.begins_after(after);
        self.tables.publish_deleted(id, after).await
    }

    fn retry(&self) -> Retry {
        self.patience.retry.start(self.ids.clone())
    }

    /// Whether the claim that is held, if any, stands; it is given up if it does not.
    async fn still_holds(&self, id: &PersistenceId, owner: &mut Owner) -> Result<bool> {
        let Some(claim) = owner.settled_claim() else { return Ok(false) };
        let verdict = self.checks.verdict(id, claim, self.patience.check).await?;
        if verdict == Verdict::Revoked {
            owner.lost();
        }
        Ok(verdict == Verdict::Passed)
    }

    /// Whether the history ends where this process left it, also if a JVM, which knows no claims, wrote
    /// since. If it does not, the entity has to be claimed anew: from its new end on.
    async fn ends_as_known(&self, id: &PersistenceId, owner: &Owner) -> Result<bool> {
        let Some(row) = owner.claim_row(&self.process) else { return Ok(false) };
        let (found, known) = (self.find_end(id, &row).await?, owner.end());
        Ok(found.is_some_and(|found| {
            (found.highest, found.deleted_to) == (known.highest, known.deleted_to)
        }))
    }

    /// Where the history ends, for who is to write behind it. A JVM whose event is the last one may have been
    /// killed with another on its way, which some replica has and a quorum need not show: this look could miss
    /// it, and a later one find it. So each replica is asked then.
    async fn find_end(&self, id: &PersistenceId, row: &ClaimRow) -> Result<Option<End>> {
        let found = self.tables.find_end(id, row, Asked::Quorum).await?;
        let last = found.as_ref().and_then(|end| end.last);
        if self.after_jvm == AfterJvm::Quorum || last.is_none_or(|last| last.claim.is_some()) {
            return Ok(found);
        }
        self.tables.find_end(id, row, Asked::All).await.map_err(|error| {
            error.context(format!(
                "{id} was last written by a JVM, so that every replica is asked whether it left anything (unless \
                 after-jvm = quorum); nothing is lost"
            ))
        })
    }

    async fn claim(&self, id: &PersistenceId, owner: &mut Owner) -> Result<Claim> {
        owner.lost();
        let mut retry = self.retry();
        let (mut claimant, mut ask) = Claimant::start(self.process.clone());
        let won = loop {
            let told = match ask {
                Ask::ReadRow => Told::Row(self.tables.read_claim(id, Strength::Quorum).await?),
                Ask::Revoke { process, claim } => self.revoke(&process, id, claim).await?,
                Ask::FindEnd(row) => Told::End(self.find_end(id, &row).await?),
                Ask::Write(claim) => Told::Written(self.tables.write_claim(id, &claim).await),
                Ask::ReadBack => Told::Row(self.tables.read_claim(id, Strength::Serial).await?),
                Ask::BackOff => {
                    let what = || format!("{id} is claimed by others again and again");
                    pause(&mut retry).await.ok_or_else(|| Error::unavailable(what()))?;
                    Told::Waited
                }
            };
            match claimant.told(told) {
                Progress::Ask(next) => ask = next,
                Progress::Won(won) => break won,
            }
        };
        owner.won(won);
        self.tell(id, owner, won).await?;
        Ok(won.claim)
    }

    /// A revocation has to finish, or there is no claim.
    async fn revoke(&self, process: &str, id: &PersistenceId, claim: Claim) -> Result<Told> {
        let mut retry = self.retry();
        loop {
            match self.tables.revoke(process, id, claim).await {
                Ok(()) => return Ok(Told::Revoked),
                Err(error) => {
                    let what =
                        || format!("revoking claim {claim} on {id}, of which nothing is lost");
                    pause(&mut retry).await.ok_or_else(|| error.context(what()))?;
                }
            }
        }
    }

    /// Tells what became of the appends that were left open, now that a claim has settled them.
    async fn tell(&self, id: &PersistenceId, owner: &mut Owner, won: Won) -> Result<()> {
        let Won { claim, from_seq, end } = won;
        let process = self.process.clone();
        let row = ClaimRow { claim, process, from_seq, deleted_to: end.deleted_to };
        for attempt in owner.open().to_vec() {
            let outcome = match Owner::outcome(&end, &attempt) {
                Some(outcome) => outcome,
                None => {
                    let found = self.tables.claim_at(id, &row, attempt.range.from).await?;
                    Owner::outcome_at(found.flatten(), &attempt)
                }
            };
            owner.settle(&attempt, outcome == Outcome::Stored);
        }
        Ok(())
    }

    async fn insert(
        &self,
        owner: &mut Owner,
        attempt: Attempt,
        append: &Append,
    ) -> Result<(Appended, Option<T::Prepared>)> {
        let id = append.id();
        let rows = match self.tables.prepare(&attempt, append) {
            Ok(rows) => rows,
            Err(error) => {
                owner.not_written(&attempt);
                return Err(error);
            }
        };
        let mut retry = self.retry();
        let mut perhaps_written = false;
        loop {
            let failure = match self.tables.insert(&rows).await {
                Inserted::Finished => break,
                Inserted::Refused(error) if !perhaps_written => {
                    owner.not_written(&attempt);
                    return Err(error);
                }
                Inserted::Refused(error) => error,
                Inserted::Unknown(error) => {
                    perhaps_written = true;
                    error
                }
            };
            // The very same rows again: that is harmless, whatever became of them.
            if pause(&mut retry).await.is_none() {
                return Err(unknown(append, &failure));
            }
        }
        let verdict = match self.checks.verdict(id, attempt.claim, self.patience.check).await {
            Ok(verdict) => verdict,
            Err(error) => return Err(unknown(append, &error)),
        };
        if verdict == Verdict::Revoked {
            owner.lost();
            let receipt = self.after_revocation(owner, &attempt, append).await?;
            return Ok((receipt, Some(rows)));
        }
        owner.acknowledged(&attempt);
        Ok((receipt(attempt.range), Some(rows)))
    }

    /// What became of an append whose claim was revoked before it was acknowledged.
    async fn after_revocation(
        &self,
        owner: &mut Owner,
        attempt: &Attempt,
        append: &Append,
    ) -> Result<Appended> {
        let id = append.id();
        let outcome = async {
            let row = self.tables.read_claim(id, Strength::Serial).await?;
            if row.claim == attempt.claim {
                return Ok(Outcome::Open);
            }
            if attempt.range.from >= row.from_seq {
                return Ok(Outcome::Void);
            }
            // Deleted meanwhile, so that nothing tells whose it was.
            if attempt.range.from <= row.deleted_to {
                return Ok(Outcome::Open);
            }
            // The history holds this number: where no row is left, it was deleted since the claim was read.
            let found = self.tables.claim_at(id, &row, attempt.range.from).await?;
            Ok(found.map_or(Outcome::Open, |found| Owner::outcome_at(found, attempt)))
        };
        match outcome.await {
            Ok(Outcome::Stored) => {
                owner.settle(attempt, true);
                Ok(receipt(attempt.range))
            }
            Ok(Outcome::Void) => {
                owner.settle(attempt, false);
                let message =
                    format!("{id} was claimed by another process; nothing of the append is stored");
                Err(Error::new(ErrorKind::Fenced, message))
            }
            Ok(Outcome::Open) => {
                let open = Error::unavailable("its claim was revoked");
                Err(unknown(append, &open))
            }
            Err(error) => Err(unknown(append, &error)),
        }
    }
}

/// Waits for the next try; `None` when there is none.
async fn pause(retry: &mut Retry) -> Option<()> {
    tokio::time::sleep(retry.next_delay()?).await;
    Some(())
}

fn receipt(range: SeqRange) -> Appended {
    Appended { first: range.from, last: range.to }
}

fn replaced(append: &Append) -> Error {
    let (id, writer) = (append.id(), append.writer());
    let message = format!("{id}: writer {writer} was replaced by a newer one; nothing was written");
    Error::new(ErrorKind::Fenced, message)
}

fn unknown(append: &Append, cause: &Error) -> Error {
    let (id, after) = (append.id(), append.after());
    let cause = cause.message();
    Error::outcome_unknown(format!(
        "whether the append to {id} after {after} is stored is not known; repeat it ({cause})"
    ))
}
