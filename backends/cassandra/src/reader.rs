//! The events of one entity, page by page: partition after partition, without holes, each history once.

use std::time::Duration;

use annals_core::{Bounds, Error, PersistenceId, Result, SeqNr, SeqRange};

use crate::end::{Look, seq_nr};
use crate::pages::{Pages, column};
use crate::partition::Partition;
use crate::replay_filter::ReplayFilter;
use crate::row::{self, EventRow};
use crate::store::Inner;

/// How long a search for a missing event waits between two looks.
const SEARCH_PAUSE: Duration = Duration::from_millis(200);

/// Reads the events of a range that existed when it was made.
#[derive(Debug)]
pub(crate) struct EventReader {
    id: PersistenceId,
    /// What is still to be read from the store.
    expected: SeqNr,
    to: SeqNr,
    /// Of the partition that is read.
    pages: Pages,
    /// The number and the writer of the last row.
    last: Option<(SeqNr, String)>,
    filter: ReplayFilter<EventRow>,
    finished: bool,
}

impl EventReader {
    /// A reader of `range` of `id`, whose history has `bounds`.
    pub(crate) fn new(inner: &Inner, id: &PersistenceId, range: SeqRange, bounds: Bounds) -> Self {
        let from = range.from.max(bounds.deleted_to.next());
        let to = range.to.min(bounds.highest);
        let journal = &inner.settings.journal;
        let partition = journal.target_partition_size.partition_of(from);
        Self {
            id: id.clone(),
            expected: from,
            to,
            pages: Pages::up(id.clone(), partition, SeqRange::new(from, to), to),
            last: None,
            filter: ReplayFilter::new(id.clone(), journal.replay_filter),
            finished: from > to || to.is_zero(),
        }
    }

    /// The next events; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` for an event that is missing; `Unavailable` if a delete overtook the reading.
    pub(crate) async fn next(&mut self, inner: &Inner) -> Result<Option<Vec<EventRow>>> {
        let mut out = Vec::new();
        while out.is_empty() && !self.finished {
            if self.expected > self.to {
                self.filter.finish(&mut out);
                self.finished = true;
                break;
            }
            match self.pages.next(&inner.connection).await? {
                Some(rows) => self.take(inner, rows, &mut out).await?,
                None => self.next_partition(inner).await?,
            }
        }
        out.retain(|row: &EventRow| !row.deleted);
        Ok((!out.is_empty()).then_some(out))
    }

    /// What is expected is read from `partition` on.
    fn go_to(&mut self, partition: Partition) {
        let range = SeqRange::new(self.expected, self.to);
        self.pages = Pages::up(self.id.clone(), partition, range, self.to);
    }

    async fn next_partition(&mut self, inner: &Inner) -> Result<()> {
        let next = self.pages.partition().next();
        let size = inner.settings.journal.target_partition_size;
        if next > size.partition_of(self.expected).next() {
            // It lies in neither of the two places where it can be.
            return self.search(inner).await;
        }
        self.go_to(next);
        Ok(())
    }

    async fn take(
        &mut self,
        inner: &Inner,
        rows: Vec<EventRow>,
        out: &mut Vec<EventRow>,
    ) -> Result<()> {
        for row in rows {
            let seq_nr = row.event.seq_nr;
            if seq_nr > self.expected {
                // What is behind the hole comes again.
                return self.search(inner).await;
            }
            if seq_nr == self.expected {
                self.expected = seq_nr.next();
            }
            let place = (seq_nr, row.writer_uuid.clone());
            if self.last.as_ref() == Some(&place) {
                // A plain append that was repeated after its writer had forgotten the first attempt.
                continue;
            }
            self.last = Some(place);
            self.filter.push(row, out)?;
        }
        Ok(())
    }

    /// Looks for the event that is expected, in both partitions where it can be, until it shows up; the
    /// reading goes on there.
    async fn search(&mut self, inner: &Inner) -> Result<()> {
        let nominal = inner.settings.journal.target_partition_size.partition_of(self.expected);
        let deadline = tokio::time::Instant::now() + inner.hole_patience();
        loop {
            let deleted_to = inner.stored_deleted_to(&self.id).await?.map_or(SeqNr::ZERO, seq_nr);
            if deleted_to >= self.expected {
                return Err(Error::unavailable(format!(
                    "events of {} up to {deleted_to} were deleted while they were being read: read \
                     anew",
                    self.id
                )));
            }
            for partition in [nominal, nominal.next()] {
                // Completes a conditional write that only some replicas know of.
                inner.partition_end(&self.id, partition, Look::Serial).await?;
                if self.is_in(inner, partition).await? {
                    self.go_to(partition);
                    return Ok(());
                }
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::corrupt(format!(
                    "event {} of {} is missing, though the history goes on to {}",
                    self.expected, self.id, self.to
                )));
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
        }
    }

    async fn is_in(&self, inner: &Inner, partition: Partition) -> Result<bool> {
        let what = || format!("searching event {} of {}", self.expected, self.id);
        let expected = column(self.expected);
        let values = (self.id.as_str(), partition.column(), expected, expected);
        let statement = &inner.connection.statements.events.select;
        let rows = inner.connection.read(statement, values, what).await?;
        Ok(!row::events(&rows, self.id.as_str())?.is_empty())
    }
}
