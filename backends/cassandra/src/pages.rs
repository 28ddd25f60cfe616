//! The rows of an entity in one partition, page by page. On the way up the next page is asked for before the
//! one at hand is worked on: finding rows takes a server longer than reading them takes us.

use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_core::{Error, PersistenceId, Result, SeqNr, SeqRange};
use scylla::response::PagingState;
use tokio::task::JoinSet;

use crate::connection::{Connection, RowPage};
use crate::partition::Partition;
use crate::row::{self, EventRow};

/// What a page should hold, and how many rows that may be.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: RangeInclusive<usize> = 8..=2_000;
/// How many rows the first page has; later ones are sized by what came.
const FIRST_UP: usize = 100;
const FIRST_DOWN: usize = 8;

/// Which replicas are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Quorum,
    /// Each one, and then each has what any of them had.
    All,
}

/// The way through a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down(Asked),
}

/// The pages of a range in a partition.
#[derive(Debug)]
pub(crate) struct Pages {
    id: PersistenceId,
    partition: Partition,
    range: SeqRange,
    way: Way,
    /// So many rows are wanted in any case, and asked for ahead.
    ahead: u64,
    page_rows: usize,
    /// Where the next page begins; `None` when all were read.
    from: Option<PagingState>,
    /// The next page, if it was asked for.
    asked: JoinSet<Result<RowPage>>,
}

impl Pages {
    /// The pages of `range`, upwards; of its numbers those up to `wanted` are asked for ahead.
    pub(crate) fn up(
        id: PersistenceId,
        partition: Partition,
        range: SeqRange,
        wanted: SeqNr,
    ) -> Self {
        let ahead = wanted.get().saturating_sub(range.from.previous().get());
        // One more tells that they are all.
        let first = usize::try_from(ahead.saturating_add(1)).unwrap_or(FIRST_UP).min(FIRST_UP);
        let (from, asked) = (Some(PagingState::start()), JoinSet::new());
        Self { id, partition, range, way: Way::Up, ahead, page_rows: first, from, asked }
    }

    /// The pages of `range`, downwards; none is asked for ahead.
    pub(crate) fn down(
        id: PersistenceId,
        partition: Partition,
        range: SeqRange,
        asked: Asked,
    ) -> Self {
        let up = Self::up(id, partition, range, SeqNr::ZERO);
        Self { way: Way::Down(asked), page_rows: FIRST_DOWN, ..up }
    }

    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    /// The rows of the next page, which may be none; `None` behind the last page.
    ///
    /// # Errors
    /// `Unavailable`; the page is read anew when it is asked for again.
    pub(crate) async fn next(
        &mut self,
        connection: &Arc<Connection>,
    ) -> Result<Option<Vec<EventRow>>> {
        if self.asked.is_empty() {
            let Some(from) = self.from.clone() else { return Ok(None) };
            self.ask(connection, from);
        }
        let Some(found) = self.asked.join_next().await else { return Ok(None) };
        let found = found.map_err(|error| {
            Error::internal(format!("a read of {} ended early: {error}", self.id))
        })??;
        let (rows, bytes) = (found.rows.rows_num(), found.rows.rows_bytes_size());
        self.size_next(rows, bytes);
        self.ahead = self.ahead.saturating_sub(u64::try_from(rows).unwrap_or(u64::MAX));
        self.from = found.next;
        if let Some(from) = self.from.clone().filter(|_| self.ahead > 0) {
            self.ask(connection, from);
        }
        row::events(&found.rows, self.id.as_str()).map(Some)
    }

    fn ask(&mut self, connection: &Arc<Connection>, from: PagingState) {
        let (connection, id) = (connection.clone(), self.id.clone());
        let (partition, range, way) = (self.partition, self.range, self.way);
        let rows_max = i32::try_from(self.page_rows).unwrap_or(i32::MAX);
        self.asked.spawn(async move {
            let statement = match way {
                Way::Up => &connection.statements.events.select,
                Way::Down(Asked::Quorum) => &connection.statements.events.select_down,
                Way::Down(Asked::All) => &connection.statements.events.select_down_all,
            };
            let values = (id.as_str(), partition.column(), column(range.from), column(range.to));
            let what = || format!("reading events of {id}");
            connection.read_page(statement, values, rows_max, from, what).await
        });
    }

    fn size_next(&mut self, rows: usize, bytes: usize) {
        let Some(row_bytes) = bytes.checked_div(rows) else { return };
        // Small pages grow step by step: a few small rows say little of those that follow.
        let most = self.page_rows.saturating_mul(4).min(*PAGE_ROWS.end());
        self.page_rows = (PAGE_BYTES / row_bytes.max(1)).max(*PAGE_ROWS.start()).min(most);
    }
}

/// The column of a number.
pub(crate) fn column(seq_nr: SeqNr) -> i64 {
    seq_nr.get().cast_signed()
}
