//! Reads an entity under claims: what is permanent, as far as it goes, in bounded batches.

use std::time::Duration;

use annals_core::{Bounds, Error, PersistenceId, Result, SeqNr, SeqRange};

use super::claim::{Claim, ClaimRow};
use super::driver::Claims;
use super::history::{History, Next};
use super::rows::RowsUp;
use super::server::Server;
use super::tables::{Strength, Tables};
use crate::pages::Asked;
use crate::row::EventRow;

/// Rows past the end of a range that may belong to an append within it.
const APPEND_EVENTS_MAX: u64 = 1_000;
/// Between two looks at a last append whose owner was revoked.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a revoked owner's successor may take until a reader settles the last append itself.
const SETTLE_AFTER: Duration = Duration::from_secs(2);
/// How much is read before it is handed over.
const BATCH_BYTES: usize = 1 << 20;

/// A reading under way.
#[derive(Debug)]
pub(crate) struct ClaimReader {
    id: PersistenceId,
    range: SeqRange,
    /// The last number that was delivered, or that precedes the range.
    delivered: SeqNr,
    reading: Option<Reading>,
    /// Since when the same revoked claim is met.
    waiting: Option<(Claim, tokio::time::Instant)>,
    /// The event that was missing below the end of the history, when it was read last.
    missing: Option<SeqNr>,
    finished: bool,
}

#[derive(Debug)]
struct Reading {
    row: ClaimRow,
    history: History<EventRow>,
    rows: RowsUp,
}

impl ClaimReader {
    pub(crate) fn new(id: PersistenceId, range: SeqRange) -> Self {
        // Number 0 means the same as 1.
        let range = SeqRange::new(range.from.max(SeqNr::FIRST), range.to);
        let (delivered, finished) = (range.from.previous(), range.is_empty());
        Self { id, range, delivered, reading: None, waiting: None, missing: None, finished }
    }

    /// The next events, ascending and without a hole; `None` at the end.
    pub(crate) async fn next(&mut self, claims: &Claims<Server>) -> Result<Option<Vec<EventRow>>> {
        while !self.finished {
            let mut reading = match self.reading.take() {
                Some(reading) => reading,
                None => self.begin(claims, self.delivered.next()).await?,
            };
            let events = match self.read(claims.tables(), &mut reading).await? {
                Step::Batch(rows) => {
                    self.reading = Some(reading);
                    self.deliver(rows)?
                }
                Step::Check => {
                    if claims.stands(&self.id, &reading.row).await? {
                        reading.history.settle();
                        self.reading = Some(reading);
                    } else {
                        self.wait(claims, &reading.row).await?;
                    }
                    Vec::new()
                }
                Step::Earlier(first) => {
                    self.reading = Some(self.begin(claims, first).await?);
                    Vec::new()
                }
                Step::Outdated => Vec::new(),
                Step::End => self.end(claims, reading).await?,
            };
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
        Ok(None)
    }

    async fn begin(&self, claims: &Claims<Server>, from: SeqNr) -> Result<Reading> {
        let server = claims.tables();
        let row = server.read_claim(&self.id, Strength::Quorum).await?;
        let deleted_to = server.deleted_to(&self.id, &row).await?;
        let from = from.max(deleted_to.next());
        let to = self.range.to.plus(APPEND_EVENTS_MAX);
        let rows = RowsUp::new(server, self.id.clone(), SeqRange::new(from, to), self.range.to);
        let history = History::after(row.clone(), deleted_to, from.previous());
        Ok(Reading { row, history, rows })
    }

    async fn read(&self, server: &Server, reading: &mut Reading) -> Result<Step> {
        let mut bytes = 0_usize;
        loop {
            let Reading { history, rows, .. } = reading;
            // The range may end within an append, which has to be whole all the same.
            if history.next() > self.range.to && !history.is_open() {
                return Ok(Step::End);
            }
            let found = rows.take(server, history.next()).await?;
            let size = found.iter().map(|row| row.event.size_bytes());
            bytes = size.fold(bytes, usize::saturating_add);
            match history.take(found) {
                Next::More if bytes >= BATCH_BYTES => {
                    let permanent = history.permanent();
                    if !permanent.is_empty() {
                        return Ok(Step::Batch(permanent));
                    }
                    if history.is_doubtful() {
                        return Ok(Step::Check);
                    }
                }
                Next::More => {}
                Next::End => return Ok(Step::End),
                Next::Earlier(first) => return Ok(Step::Earlier(first)),
                Next::Outdated => return Ok(Step::Outdated),
            }
        }
    }

    /// The rows were read to their end: what of them is permanent, and whether that is all.
    async fn end(
        &mut self,
        claims: &Claims<Server>,
        mut reading: Reading,
    ) -> Result<Vec<EventRow>> {
        let (server, row) = (claims.tables(), &reading.row);
        let doubtful = reading.history.is_doubtful();
        let stands = !doubtful || claims.stands(&self.id, row).await?;
        let now = server.read_claim(&self.id, Strength::Quorum).await?;
        let claimed_since = row.claim.is_none() && !now.claim.is_none();
        let deleted_to = server.deleted_to(&self.id, &now).await?.min(self.range.to);
        if claimed_since || reading.history.end() < deleted_to {
            // Rows were deleted or written while they were read: anew, after what was delivered.
            return Ok(Vec::new());
        }
        if reading.history.end().next() < row.from_seq && reading.history.end() < self.range.to {
            return Err(Error::corrupt(format!(
                "event {} of {} is missing, though claim {} begins at {}",
                reading.history.next(),
                self.id,
                row.claim,
                row.from_seq
            )));
        }
        if reading.rows.go_on()
            && reading.history.end() < self.range.to
            && self.is_hole(server, &reading.history, &now).await?
        {
            return Ok(Vec::new());
        }
        if reading.history.is_foreign() && row.process == *claims.process() {
            claims.met_foreign(&self.id).await;
        }
        let mut rows = reading.history.permanent();
        if stands {
            rows.extend(reading.history.doubtful());
            self.finished = true;
        } else {
            self.wait(claims, row).await?;
        }
        self.deliver(rows)
    }

    /// Whether an event is missing below the end of the history. That is to be read anew: rows may have come
    /// while they were read.
    ///
    /// # Errors
    /// `Corrupt` if it was missing before: an append is begun when the one before it is acknowledged.
    async fn is_hole(
        &mut self,
        server: &Server,
        history: &History<EventRow>,
        row: &ClaimRow,
    ) -> Result<bool> {
        let Some(end) = server.find_end(&self.id, row, Asked::Quorum).await? else {
            return Ok(true);
        };
        let missing = history.end().next();
        if end.highest < missing {
            return Ok(false);
        }
        if self.missing.replace(missing) == Some(missing) {
            return Err(Error::corrupt(format!(
                "event {missing} of {} is missing, though its history goes on to {}",
                self.id, end.highest
            )));
        }
        Ok(true)
    }

    /// The newest claim is revoked: its last append is decided by whoever claims next, which in the end is
    /// this reader.
    async fn wait(&mut self, claims: &Claims<Server>, row: &ClaimRow) -> Result<()> {
        let now = tokio::time::Instant::now();
        let since = match self.waiting {
            Some((claim, since)) if claim == row.claim => since,
            _ => now,
        };
        self.waiting = Some((row.claim, since));
        if now.duration_since(since) >= SETTLE_AFTER {
            return claims.settle(&self.id).await;
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// What was not delivered before, of the range.
    fn deliver(&mut self, rows: Vec<EventRow>) -> Result<Vec<EventRow>> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let seq_nr = row.event.seq_nr;
            if seq_nr <= self.delivered || seq_nr > self.range.to {
                continue;
            }
            if seq_nr != self.delivered.next() && self.delivered >= self.range.from {
                return Err(Error::unavailable(format!(
                    "events of {} up to {} were deleted while they were being read: read anew",
                    self.id,
                    seq_nr.previous()
                )));
            }
            self.delivered = seq_nr;
            if !row.deleted {
                events.push(row);
            }
        }
        Ok(events)
    }
}

enum Step {
    Batch(Vec<EventRow>),
    /// Much is read that a check has to pass before: it is done now.
    Check,
    /// The range begins within an append, whose first number this is.
    Earlier(SeqNr),
    Outdated,
    End,
}

/// How far an entity's history reaches, as everyone may be told.
pub(crate) async fn bounds(claims: &Claims<Server>, id: &PersistenceId) -> Result<Bounds> {
    let mut waiting = ClaimReader::new(id.clone(), SeqRange::ALL);
    loop {
        let row = claims.tables().read_claim(id, Strength::Quorum).await?;
        let Some(end) = claims.tables().find_end(id, &row, Asked::Quorum).await? else { continue };
        let newest = end.last.is_some_and(|last| last.claim == Some(row.claim));
        if !newest || claims.stands(id, &row).await? {
            return Ok(Bounds { deleted_to: end.deleted_to, highest: end.highest });
        }
        waiting.wait(claims, &row).await?;
    }
}
