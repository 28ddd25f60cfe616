//! The events of one entity, page by page: partition after partition, without holes, each history once.

use std::time::Duration;

use annals_core::{Bounds, Error, PersistenceId, Result, SeqNr, SeqRange};
use scylla::response::PagingState;

use crate::end::{Look, seq_nr};
use crate::partition::Partition;
use crate::replay_filter::ReplayFilter;
use crate::row::{self, EventRow};
use crate::store::Inner;

/// How many rows the first page has; later ones are sized by what came.
const FIRST_PAGE_ROWS: usize = 100;
const PAGE_ROWS: std::ops::RangeInclusive<usize> = 8..=2_000;
/// What a page should hold.
const PAGE_BYTES: usize = 1 << 20;
/// How long a search for a missing event waits between two looks.
const SEARCH_PAUSE: Duration = Duration::from_millis(200);

/// Reads the events of a range that existed when it was made.
#[derive(Debug)]
pub(crate) struct EventReader {
    id: PersistenceId,
    /// What is still to be read from the store.
    expected: SeqNr,
    to: SeqNr,
    partition: Partition,
    /// Where the next page of the partition begins; `None` when it was read to its end.
    page: Option<PagingState>,
    /// The lower bound that the pages of this partition are read with.
    page_from: SeqNr,
    page_rows: usize,
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
        Self {
            id: id.clone(),
            expected: from,
            to,
            partition: journal.target_partition_size.partition_of(from),
            page: Some(PagingState::start()),
            page_from: from,
            last: None,
            page_rows: FIRST_PAGE_ROWS,
            filter: ReplayFilter::new(id.clone(), journal.replay_filter),
            finished: from > to || to.is_zero(),
        }
    }

    /// The reader's first page has no more than `rows` rows (and the one that tells that there are more).
    pub(crate) fn limit_rows(&mut self, rows: usize) {
        self.page_rows = self.page_rows.min(rows.saturating_add(1));
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
            match self.page.take() {
                Some(page) => self.read_page(inner, page, &mut out).await?,
                None => self.next_partition(inner).await?,
            }
        }
        out.retain(|row: &EventRow| !row.deleted);
        Ok((!out.is_empty()).then_some(out))
    }

    async fn next_partition(&mut self, inner: &Inner) -> Result<()> {
        self.partition = self.partition.next();
        let size = inner.settings.journal.target_partition_size;
        if self.partition > size.partition_of(self.expected).next() {
            // It lies in neither of the two places where it can be.
            self.search(inner).await?;
        }
        self.page = Some(PagingState::start());
        Ok(())
    }

    async fn read_page(
        &mut self,
        inner: &Inner,
        page: PagingState,
        out: &mut Vec<EventRow>,
    ) -> Result<()> {
        let id = self.id.clone();
        let what = || format!("reading events of {id}");
        let rows_max = i32::try_from(self.page_rows).unwrap_or(i32::MAX);
        if page.as_bytes_slice().is_none() {
            self.page_from = self.expected;
        }
        let range = (column(self.page_from), column(self.to));
        let values = (id.as_str(), self.partition.column(), range.0, range.1);
        let statement = &inner.connection.statements.events.select;
        let found = inner.connection.read_page(statement, values, rows_max, page, what).await?;
        self.size_next_page(found.rows.rows_num(), found.rows.rows_bytes_size());
        self.page = found.next;
        for row in row::events(&found.rows, id.as_str())? {
            let seq_nr = row.event.seq_nr;
            if seq_nr > self.expected {
                self.search(inner).await?;
                // What is behind the hole comes again.
                self.page = Some(PagingState::start());
                return Ok(());
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

    fn size_next_page(&mut self, rows: usize, bytes: usize) {
        let Some(row_bytes) = bytes.checked_div(rows) else { return };
        // Small pages grow step by step: a few small rows say little of those that follow.
        let most = self.page_rows.saturating_mul(4).min(*PAGE_ROWS.end());
        self.page_rows = (PAGE_BYTES / row_bytes.max(1)).max(*PAGE_ROWS.start()).min(most);
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
                    self.partition = partition;
                    self.page = Some(PagingState::start());
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

/// The column of a number.
pub(crate) fn column(seq_nr: SeqNr) -> i64 {
    seq_nr.get().cast_signed()
}
