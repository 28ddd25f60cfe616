//! The rows of an entity, number by number, whichever partition they lie in: a number's own, or the
//! next one.

use std::collections::VecDeque;

use annals_core::{PersistenceId, Result, SeqNr, SeqRange};
use scylla::response::PagingState;

use super::claim::claim_of;
use super::history::{Mark, Marked};
use super::server::Server;
use crate::partition::Partition;
use crate::reader::column;
use crate::row::{self, EventRow};

/// What a page should hold, and how many rows that may be.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: std::ops::RangeInclusive<usize> = 8..=2_000;
/// The first page on the way up, and on the way down.
const UP_ROWS: usize = 100;
const DOWN_ROWS: usize = 8;

impl Marked for EventRow {
    fn mark(&self) -> Mark {
        let (idx, cnt) = self.place.unwrap_or_default();
        let claim = claim_of(&self.writer_uuid).1;
        let place = claim.map_or((0, 0), |_| (idx.unsigned_abs(), cnt.unsigned_abs()));
        Mark { seq_nr: self.event.seq_nr, claim, idx: place.0, cnt: place.1 }
    }
}

/// Whether a row was seen whole: one of a claim says where it stands in its append.
fn is_whole(row: &EventRow) -> bool {
    row.place.is_some() || claim_of(&row.writer_uuid).1.is_none()
}

/// The way through a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// The rows of one partition.
#[derive(Debug)]
struct Stream {
    partition: Partition,
    range: SeqRange,
    page: Option<PagingState>,
    page_rows: usize,
    rows: VecDeque<EventRow>,
}

impl Stream {
    fn new(partition: Partition, range: SeqRange, way: Way) -> Self {
        let page_rows = if way == Way::Up { UP_ROWS } else { DOWN_ROWS };
        let page = Some(PagingState::start());
        Self { partition, range, page, page_rows, rows: VecDeque::new() }
    }

    /// The number of the next row; `None` at the end.
    async fn peek(
        &mut self,
        server: &Server,
        id: &PersistenceId,
        way: Way,
    ) -> Result<Option<SeqNr>> {
        while self.rows.is_empty() {
            let Some(page) = self.page.take() else { return Ok(None) };
            let statement = match way {
                Way::Up => &server.statements.select_rows,
                Way::Down => &server.statements.select_rows_down,
            };
            let range = (column(self.range.from), column(self.range.to));
            let values = (id.as_str(), self.partition.column(), range.0, range.1);
            let rows_max = i32::try_from(self.page_rows).unwrap_or(i32::MAX);
            let what = || format!("reading events of {id}");
            let connection = &server.connection;
            let found = connection.read_page(statement, values, rows_max, page, what).await?;
            self.size_next_page(found.rows.rows_num(), found.rows.rows_bytes_size());
            self.page = found.next;
            self.rows.extend(row::events(&found.rows, id.as_str())?);
        }
        Ok(self.rows.front().map(|row| row.event.seq_nr))
    }

    /// The rows of a number, if it is the next one.
    async fn take(
        &mut self,
        server: &Server,
        id: &PersistenceId,
        way: Way,
        number: SeqNr,
        to: &mut Vec<EventRow>,
    ) -> Result<()> {
        while self.peek(server, id, way).await? == Some(number) {
            to.extend(self.rows.pop_front().filter(is_whole));
        }
        Ok(())
    }

    fn size_next_page(&mut self, rows: usize, bytes: usize) {
        let Some(row_bytes) = bytes.checked_div(rows) else { return };
        let most = self.page_rows.saturating_mul(4).min(*PAGE_ROWS.end());
        let rows = PAGE_BYTES / row_bytes.max(1);
        self.page_rows = rows.clamp(*PAGE_ROWS.start(), most);
    }
}

/// Of rows of one number without a claim, Pekko's replay filter keeps the newer writer's: it stands last.
fn in_order(mut rows: Vec<EventRow>) -> Vec<EventRow> {
    rows.sort_by_key(|row| row.timestamp);
    rows
}

/// Upwards from a number.
#[derive(Debug)]
pub(crate) struct RowsUp {
    id: PersistenceId,
    to: SeqNr,
    /// The nominal partition of the number that is read next, and the one after it.
    streams: VecDeque<Stream>,
}

impl RowsUp {
    /// The rows of `range`, whose numbers have to be asked for one after the other.
    pub(crate) fn new(server: &Server, id: PersistenceId, range: SeqRange) -> Self {
        let nominal = server.partition_of(range.from);
        let stream = |partition| Stream::new(partition, range, Way::Up);
        Self { id, to: range.to, streams: [nominal, nominal.next()].map(stream).into() }
    }

    pub(crate) async fn take(&mut self, server: &Server, number: SeqNr) -> Result<Vec<EventRow>> {
        let nominal = server.partition_of(number);
        while self.streams.front().is_some_and(|stream| stream.partition < nominal) {
            self.streams.pop_front();
        }
        while self.streams.len() < 2 {
            let last = self.streams.back().map_or(nominal, |stream| stream.partition.next());
            self.streams.push_back(Stream::new(last, SeqRange::new(number, self.to), Way::Up));
        }
        let mut rows = Vec::new();
        for stream in &mut self.streams {
            stream.take(server, &self.id, Way::Up, number, &mut rows).await?;
        }
        Ok(in_order(rows))
    }

    /// Whether rows of higher numbers were met than the last one that was asked for.
    pub(crate) fn go_on(&self) -> bool {
        self.streams.iter().any(|stream| !stream.rows.is_empty())
    }
}

/// Downwards from the end.
#[derive(Debug)]
pub(crate) struct RowsDown {
    id: PersistenceId,
    streams: Vec<Stream>,
}

impl RowsDown {
    /// The rows from `floor` on, which is a number of the history, or the first one after it.
    pub(crate) async fn new(server: &Server, id: PersistenceId, floor: SeqNr) -> Result<Self> {
        let range = SeqRange::from(floor);
        let mut partition = server.partition_of(floor);
        let mut streams = Vec::new();
        let mut highest = floor;
        // The number after the highest lies in its nominal partition or in the next one, if anywhere.
        while partition <= server.partition_of(highest.next()).next() {
            let mut one = Stream::new(partition, range, Way::Down);
            let mut two = Stream::new(partition.next(), range, Way::Down);
            let both = futures_util::future::try_join(
                one.peek(server, &id, Way::Down),
                two.peek(server, &id, Way::Down),
            );
            let (first, second) = both.await?;
            for (stream, found) in [(one, first), (two, second)] {
                if let Some(number) = found {
                    highest = highest.max(number);
                    streams.push(stream);
                }
            }
            partition = partition.next().next();
        }
        Ok(Self { id, streams })
    }

    /// The highest number left, and its rows.
    pub(crate) async fn next(&mut self, server: &Server) -> Result<Option<(SeqNr, Vec<EventRow>)>> {
        let mut highest = None;
        for stream in &mut self.streams {
            highest = highest.max(stream.peek(server, &self.id, Way::Down).await?);
        }
        let Some(number) = highest else { return Ok(None) };
        let mut rows = Vec::new();
        for stream in &mut self.streams {
            stream.take(server, &self.id, Way::Down, number, &mut rows).await?;
        }
        Ok(Some((number, in_order(rows))))
    }
}
