//! Reading by tag: bucket after bucket, each entity's events by their counters, without gaps.
//!
//! ```text
//! row of an entity ─┬─ counter is the next one ──────────► deliver
//!                   ├─ seen already ─────────────────────► drop
//!                   └─ later than the next one: a gap ───► search both buckets, deliver what was
//!                                                          missing first; in the end an error
//! ```
//!
//! Readers stay behind the horizon: the earliest append under way in this handle, and (where others write
//! too) `eventual-consistency-delay` behind the clock. Rows that come later than that, of entities that
//! get no later event, are found by looking back. Unlike the plugin's, a stream never goes on over a gap,
//! and the offset of what was found late is where the stream stands.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use annals_core::{Envelope, Error, Offset, Page, PersistenceId, Result, SeqNr, Tag, Tags};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;
use scylla::value::CqlTimeuuid;

use super::in_flight::Horizon;
use super::sessions::Session;
use crate::end::seq_nr;
use crate::error;
use crate::journal::BATCH_BYTES;
use crate::partition::Bucket;
use crate::row::{self, EventRow};
use crate::settings::TagWriters;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;

/// Rows of a page of a bucket.
pub(super) const ROWS: i32 = 500;
/// How many buckets are asked at a time whether they hold anything.
const PROBES: usize = 128;
/// How many entities are asked at a time how far they are deleted.
const LOOKUPS: usize = 32;
const HORIZON_PAUSE: Duration = Duration::from_millis(5);

/// Where a page of a tag begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Behind the last event that was delivered.
    pub(super) position: TimeUuid,
    /// Before it everything is complete; not included.
    horizon: TimeUuid,
    /// The last event wanted.
    until: Option<TimeUuid>,
}

/// A reader before its page.
struct Before {
    position: TimeUuid,
    from_offset: bool,
    /// What it knew of the entities that the page delivers or forgets.
    seen: Vec<(PersistenceId, Option<(i64, Bucket)>)>,
}

/// A page on its way.
pub(super) struct TagPage<'a> {
    pub(super) inner: &'a Inner,
    pub(super) tag: &'a Tag,
    pub(super) window: Window,
    pub(super) session: Session,
    /// How many recovered rows the page has taken.
    pub(super) recovered_taken: usize,
    before: Option<Before>,
    rows: Vec<(TimeUuid, EventRow)>,
    bytes: usize,
    events_max: usize,
}

impl Drop for TagPage<'_> {
    /// A page that failed, or that nobody waited for, leaves its reader as it was: one that forgot what it
    /// has seen would not find out what is missing.
    fn drop(&mut self) {
        let Some(before) = self.before.take() else { return };
        let mut session =
            std::mem::replace(&mut self.session, Session::new(None, self.window.position));
        for (id, known) in before.seen.into_iter().rev() {
            match known {
                Some(known) => session.seen.insert(id, known),
                None => session.seen.remove(&id),
            };
        }
        session.from_offset = before.from_offset;
        self.inner.tag_sessions.put(self.tag, before.position, session);
    }
}

impl Inner {
    /// Behind everything that exists now.
    pub(crate) fn end_of_tag(&self) -> Offset {
        self.offsets().of_tag(self.draw_uuid())
    }

    pub(crate) async fn page_of_tag(
        &self,
        tag: &Tag,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let offsets = self.offsets();
        let after = after.map(|offset| offsets.tag(offset)).transpose()?;
        let until = until.map(|offset| offsets.tag(offset)).transpose()?;
        let first = self.settings.events_by_tag.first_time_bucket_millis;
        let position = after.unwrap_or(TimeUuid::start_of(first));
        if until.is_some_and(|until| until <= position) {
            return Ok(Page::new(Vec::new(), after.map(|after| offsets.of_tag(after)), true));
        }
        self.times.compare(self.connection.session()).await;
        let horizon = self.horizon_past(until).await?;
        let session = match self.tag_sessions.take(tag, position) {
            Some(session) => session,
            None => self.begin_session(tag, after, horizon.at).await?,
        };
        let window = Window { position, horizon: horizon.at, until };
        let mut page = TagPage::begin(self, tag, window, session, events_max);
        page.note_recovered(horizon.recovered);
        let at_end = page.fill().await?;
        let rows = std::mem::take(&mut page.rows);
        let events = self.not_deleted(tag, rows).await?;
        let position = page.hand_over();
        Ok(Page::new(events, Some(offsets.of_tag(position)), at_end))
    }

    /// What is complete; waits until that includes `until`.
    async fn horizon_past(&self, until: Option<TimeUuid>) -> Result<Horizon> {
        loop {
            let mut horizon = self.in_flight.horizon(&self.uuids);
            if self.settings.tag_writers == TagWriters::Any {
                let delay = self.settings.events_by_tag.eventual_consistency_delay.as_millis();
                let delay = i64::try_from(delay).unwrap_or(i64::MAX);
                let end = TimeUuid::end_of(self.times.now_millis().saturating_sub(delay));
                horizon.at = horizon.at.min(end);
            }
            if until.is_none_or(|until| until < horizon.at) {
                return Ok(horizon);
            }
            if self.is_closed() {
                return Err(Error::closed("the Cassandra store was closed"));
            }
            tokio::time::sleep(HORIZON_PAUSE).await;
        }
    }

    /// The session of a reader that comes with an offset, or with none. Within the current bucket, where
    /// rows may show up in another order than that of their times, the lowest counter behind the offset
    /// tells what the reader saw before it.
    async fn begin_session(
        &self,
        tag: &Tag,
        after: Option<TimeUuid>,
        horizon: TimeUuid,
    ) -> Result<Session> {
        let first = self.settings.events_by_tag.first_time_bucket_millis;
        let mut session = Session::new(after, TimeUuid::start_of(first));
        let size = self.settings.events_by_tag.bucket_size;
        let Some(after) = after else { return Ok(session) };
        if self.settings.tag_writers == TagWriters::Own
            || size.bucket_of(after).is_before(size.bucket_at(self.times.now_millis()))
        {
            return Ok(session);
        }
        let bucket = size.bucket_of(after);
        self.each_counter(tag, bucket, (after, horizon), |id, counter| {
            let lowest = session.seen.entry(id).or_insert((counter - 1, bucket));
            lowest.0 = lowest.0.min(counter - 1);
        })
        .await?;
        Ok(session)
    }

    /// Tells of each row of a bucket in (`after`, `to`] its id and counter.
    pub(super) async fn each_counter(
        &self,
        tag: &Tag,
        bucket: Bucket,
        (after, to): (TimeUuid, TimeUuid),
        mut told: impl FnMut(PersistenceId, i64),
    ) -> Result<()> {
        let what = || format!("reading the counters of tag {tag}");
        let values = (tag.as_str(), bucket.column(), cql(after), cql(to));
        let statement = &self.connection.statements.tags.select_counters;
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let found = self.connection.read_page(statement, values, ROWS * 10, from, what).await?;
            let rows = found.rows.rows::<(String, i64)>();
            for row in rows.map_err(|error| error::of_rows(what(), error))? {
                let (id, counter) = row.map_err(|error| error::of_rows(what(), error))?;
                told(PersistenceId::new(id)?, counter);
            }
            page = found.next;
        }
        Ok(())
    }

    /// The events of rows, without those that their entities have deleted: tag rows outlive their events.
    async fn not_deleted(
        &self,
        tag: &Tag,
        rows: Vec<(TimeUuid, EventRow)>,
    ) -> Result<Vec<Envelope>> {
        let ids: HashSet<PersistenceId> =
            rows.iter().map(|(_, row)| row::id_of(row)).collect::<Result<_>>()?;
        let lookups = stream::iter(ids.into_iter().map(|id| async move {
            let deleted_to = self.stored_deleted_to(&id).await?.map_or(SeqNr::ZERO, seq_nr);
            Result::Ok((id, deleted_to))
        }));
        let deleted_to: HashMap<PersistenceId, SeqNr> =
            lookups.buffer_unordered(LOOKUPS).try_collect().await?;
        let offsets = self.offsets();
        let mut events = Vec::with_capacity(rows.len());
        for (position, row) in rows {
            let persistence_id = row::id_of(&row)?;
            let gone = deleted_to.get(&persistence_id).copied().unwrap_or_default();
            if row.event.seq_nr > gone {
                let mut event = row.event;
                // The table keeps the one tag that the row is of.
                event.tags = std::iter::once(tag.clone()).collect::<Tags>();
                events.push(Envelope { offset: offsets.of_tag(position), persistence_id, event });
            }
        }
        Ok(events)
    }

    /// Whether a bucket of a tag holds anything.
    async fn holds_any(&self, tag: &Tag, bucket: Bucket, after: TimeUuid) -> Result<bool> {
        let what = || format!("looking into a bucket of tag {tag}");
        let next = TimeUuid::start_of(bucket.next().column());
        let values = (tag.as_str(), bucket.column(), cql(after), cql(next));
        let statement = &self.connection.statements.tags.select_counters;
        let found =
            self.connection.read_page(statement, values, 1, PagingState::start(), what).await?;
        Ok(found.rows.rows_num() > 0)
    }
}

impl<'a> TagPage<'a> {
    fn begin(
        inner: &'a Inner,
        tag: &'a Tag,
        window: Window,
        session: Session,
        events_max: usize,
    ) -> Self {
        let (position, from_offset) = (window.position, session.from_offset);
        let before = Some(Before { position, from_offset, seen: Vec::new() });
        let (rows, bytes, recovered_taken) = (Vec::new(), 0, 0);
        Self { inner, tag, window, session, recovered_taken, before, rows, bytes, events_max }
    }

    /// The reader stands behind the page; gives where.
    fn hand_over(mut self) -> TimeUuid {
        self.before = None;
        self.session.recovered.drain(..self.recovered_taken);
        let session =
            std::mem::replace(&mut self.session, Session::new(None, self.window.position));
        self.inner.tag_sessions.put(self.tag, self.window.position, session);
        self.window.position
    }

    /// Reads until the page is full, or to the end of what is complete; whether it came there.
    async fn fill(&mut self) -> Result<bool> {
        let size = self.inner.settings.events_by_tag.bucket_size;
        self.track_back().await?;
        let last = size.bucket_of(self.window.horizon);
        let mut bucket = size.bucket_of(self.window.position);
        loop {
            if !self.read_bucket(bucket).await? {
                return Ok(self.is_past_until());
            }
            if !bucket.is_before(last) {
                break;
            }
            bucket = self.next_bucket(bucket, last).await?;
            let next = TimeUuid::start_of(bucket.column()).just_before();
            if !self.take_recovered(next).await? {
                return Ok(false);
            }
            self.window.position = self.window.position.max(next);
            let forgotten = self.session.clean_up(bucket);
            if let Some(before) = &mut self.before {
                before.seen.extend(forgotten.into_iter().map(|(id, known)| (id, Some(known))));
            }
        }
        if self.inner.settings.tag_writers == TagWriters::Own {
            // Nothing can come before the horizon any more.
            let end = self.window.until.map_or(self.window.horizon.just_before(), |until| {
                until.min(self.window.horizon.just_before())
            });
            if !self.take_recovered(end).await? {
                return Ok(false);
            }
            self.window.position = self.window.position.max(end);
        }
        Ok(true)
    }

    fn is_past_until(&self) -> bool {
        self.window.until.is_some_and(|until| self.window.position >= until)
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.events_max || self.bytes >= BATCH_BYTES
    }

    /// The next bucket that holds anything, or the last one.
    async fn next_bucket(&self, from: Bucket, last: Bucket) -> Result<Bucket> {
        let buckets = std::iter::successors(Some(from.next()), |bucket| Some(bucket.next()));
        let buckets = buckets.take_while(move |bucket| bucket.is_before(last));
        let position = self.window.position;
        let probes = stream::iter(buckets).map(|bucket| async move {
            let any = self.inner.holds_any(self.tag, bucket, position).await?;
            Result::Ok(any.then_some(bucket))
        });
        let mut probes = std::pin::pin!(probes.buffered(PROBES));
        while let Some(found) = probes.try_next().await? {
            if let Some(bucket) = found {
                return Ok(bucket);
            }
        }
        Ok(last)
    }

    /// Reads on in `bucket`; whether it was read to its end.
    async fn read_bucket(&mut self, bucket: Bucket) -> Result<bool> {
        let tag = self.tag;
        let what = || format!("reading events of tag {tag}");
        let (after, horizon) = (self.window.position, self.window.horizon);
        let values = (tag.as_str(), bucket.column(), cql(after), cql(horizon));
        let statement = &self.inner.connection.statements.tags.select_views;
        let rows_max = i32::try_from(self.events_max.saturating_add(1)).unwrap_or(ROWS).min(ROWS);
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let connection = &self.inner.connection;
            let found = connection.read_page(statement, values, rows_max, from, what).await?;
            for row in row::events(&found.rows, tag.as_str())? {
                let to = self.window.until.map_or(row.timestamp, |until| until.min(row.timestamp));
                if !self.take_recovered(to).await? || self.is_full() {
                    return Ok(false);
                }
                if self.window.until.is_some_and(|until| row.timestamp > until) {
                    self.window.position = self.window.until.unwrap_or(self.window.position);
                    return Ok(false);
                }
                self.take(row, bucket).await?;
            }
            page = found.next;
        }
        Ok(true)
    }

    /// Takes the next row in the order of time.
    async fn take(&mut self, row: EventRow, bucket: Bucket) -> Result<()> {
        let (id, timestamp, counter) = (row::id_of(&row)?, row.timestamp, row.tag_counter);
        let last = self.session.seen.get(&id).map(|(last, _)| *last);
        match last {
            Some(last) if counter <= last => {
                tracing::debug!(tag = %self.tag, %id, counter, "a row that was delivered before");
            }
            Some(last) if counter > last + 1 => {
                let patience = self.inner.settings.events_by_tag.gap_timeout;
                self.search(&id, last + 1, &row, patience).await?;
                self.deliver(id, row, bucket, timestamp);
            }
            None if counter > 1 && !self.session.from_offset => {
                // The first that shows up: what came before is gone, or was late.
                self.search(&id, 1, &row, Duration::ZERO).await?;
                self.deliver(id, row, bucket, timestamp);
            }
            _ => self.deliver(id, row, bucket, timestamp),
        }
        self.window.position = timestamp;
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        id: PersistenceId,
        row: EventRow,
        bucket: Bucket,
        position: TimeUuid,
    ) {
        let known = self.session.seen.insert(id.clone(), (row.tag_counter, bucket));
        if let Some(before) = &mut self.before {
            before.seen.push((id, known));
        }
        self.bytes = self.bytes.saturating_add(row.event.size_bytes());
        self.rows.push((position, row));
    }
}

pub(super) fn cql(uuid: TimeUuid) -> CqlTimeuuid {
    CqlTimeuuid::from_bytes(*uuid.uuid().as_bytes())
}
