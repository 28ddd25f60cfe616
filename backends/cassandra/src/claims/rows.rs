//! The rows of an entity, number by number, whichever partition they lie in: a number's own, or the
//! next one.

use std::collections::VecDeque;

use annals_core::{PersistenceId, Result, SeqNr, SeqRange};
use futures_util::future::try_join;

use super::claim::claim_of;
use super::history::{Mark, Marked};
use super::server::Server;
use crate::pages::{Asked, Pages};
use crate::row::EventRow;

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

/// The rows of one partition.
#[derive(Debug)]
struct Stream {
    pages: Pages,
    rows: VecDeque<EventRow>,
}

impl Stream {
    fn new(pages: Pages) -> Self {
        Self { pages, rows: VecDeque::new() }
    }

    /// The number of the next row; `None` at the end.
    async fn peek(&mut self, server: &Server) -> Result<Option<SeqNr>> {
        while self.rows.is_empty() {
            let Some(rows) = self.pages.next(&server.connection).await? else { return Ok(None) };
            self.rows = rows.into();
        }
        Ok(self.rows.front().map(|row| row.event.seq_nr))
    }

    /// The rows of a number, if it is the next one.
    async fn take(&mut self, server: &Server, number: SeqNr) -> Result<Vec<EventRow>> {
        let mut rows = Vec::new();
        while self.peek(server).await? == Some(number) {
            rows.extend(self.rows.pop_front().filter(is_whole));
        }
        Ok(rows)
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
    wanted: SeqNr,
    /// The nominal partition of the number that is read next, and the one after it.
    streams: [Stream; 2],
}

impl RowsUp {
    /// The rows of `range`, whose numbers have to be asked for one after the other; those up to `wanted` will
    /// be.
    pub(crate) fn new(server: &Server, id: PersistenceId, range: SeqRange, wanted: SeqNr) -> Self {
        let nominal = server.partition_of(range.from);
        let stream = |partition| Stream::new(Pages::up(id.clone(), partition, range, wanted));
        let streams = [nominal, nominal.next()].map(stream);
        Self { id, to: range.to, wanted, streams }
    }

    pub(crate) async fn take(&mut self, server: &Server, number: SeqNr) -> Result<Vec<EventRow>> {
        let nominal = server.partition_of(number);
        while self.streams[0].pages.partition() < nominal {
            let next = self.streams[1].pages.partition().next();
            let range = SeqRange::new(number, self.to);
            let pages = Pages::up(self.id.clone(), next, range, self.wanted);
            self.streams.swap(0, 1);
            self.streams[1] = Stream::new(pages);
        }
        let [own, next] = &mut self.streams;
        let (mut rows, more) =
            try_join(own.take(server, number), next.take(server, number)).await?;
        rows.extend(more);
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
    streams: Vec<Stream>,
}

impl RowsDown {
    /// The rows from `floor` on, which is a number of the history, or the first one after it.
    pub(crate) async fn new(
        server: &Server,
        id: PersistenceId,
        floor: SeqNr,
        asked: Asked,
    ) -> Result<Self> {
        let range = SeqRange::from(floor);
        let stream = |partition| Stream::new(Pages::down(id.clone(), partition, range, asked));
        let mut partition = server.partition_of(floor);
        let mut streams = Vec::new();
        let mut highest = floor;
        // The number after the highest lies in its nominal partition or in the next one, if anywhere.
        while partition <= server.partition_of(highest.next()).next() {
            let (mut one, mut two) = (stream(partition), stream(partition.next()));
            let (first, second) = try_join(one.peek(server), two.peek(server)).await?;
            for (stream, found) in [(one, first), (two, second)] {
                if let Some(number) = found {
                    highest = highest.max(number);
                    streams.push(stream);
                }
            }
            partition = partition.next().next();
        }
        Ok(Self { streams })
    }

    /// The highest number left, and its rows.
    pub(crate) async fn next(&mut self, server: &Server) -> Result<Option<(SeqNr, Vec<EventRow>)>> {
        let mut highest = None;
        for stream in &mut self.streams {
            highest = highest.max(stream.peek(server).await?);
        }
        let Some(number) = highest else { return Ok(None) };
        let mut rows = Vec::new();
        for stream in &mut self.streams {
            rows.extend(stream.take(server, number).await?);
        }
        Ok(Some((number, in_order(rows))))
    }
}
