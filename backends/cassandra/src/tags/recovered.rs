//! Rows that a recovery wrote, where the store alone writes tags: its readers go as far as it has written,
//! and may have passed the times of events whose rows an earlier process left out.
//!
//! ```text
//! ───── time of the event ────────────── time of the recovery ─────► where the reader stood then
//!  reads it in its order    takes it as of the recovery      has it
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::{PersistenceId, Result, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::counters::{Counters, TaggedEvent};
use super::reading::TagPage;
use crate::partition::Bucket;
use crate::row::EventRow;
use crate::settings::TagWriters;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;

/// How many such rows are remembered.
const ROWS_MAX: usize = 100_000;
/// How many rows are looked for at a time.
const LOOKUPS: usize = 32;

/// A row that was missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingRow {
    tag: Tag,
    id: PersistenceId,
    counter: i64,
    bucket: Bucket,
    timestamp: TimeUuid,
}

/// A row that was missing, and when it was written.
#[derive(Debug)]
pub(crate) struct RecoveredRow {
    row: MissingRow,
    written: TimeUuid,
}

/// What recoveries of this store wrote, in the order of time.
#[derive(Debug, Default)]
pub(super) struct RecoveredRows {
    rows: VecDeque<Arc<RecoveredRow>>,
    /// Of all that there were.
    count: u64,
}

impl RecoveredRows {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, row: MissingRow, written: TimeUuid) {
        if self.rows.len() >= ROWS_MAX {
            self.rows.pop_front();
            tracing::warn!(
                "very many tag rows were recovered: readers that passed some may miss them"
            );
        }
        self.rows.push_back(Arc::new(RecoveredRow { row, written }));
        self.count += 1;
    }

    fn contains(&self, row: &MissingRow) -> bool {
        self.rows.iter().any(|recovered| recovered.row == *row)
    }

    /// Those of a tag, from the `from`-th to before the `to`-th.
    fn between(&self, tag: &Tag, from: u64, to: u64) -> Vec<Arc<RecoveredRow>> {
        let newest_first = (0..self.count).rev().zip(self.rows.iter().rev());
        let wanted = newest_first.skip_while(|(index, _)| *index >= to);
        let wanted = wanted.take_while(|(index, _)| *index >= from);
        let mut rows: Vec<_> =
            wanted.map(|(_, row)| row).filter(|row| row.row.tag == *tag).cloned().collect();
        rows.reverse();
        rows
    }
}

/// Rows that are being recovered. However that ends, readers that passed them look for them.
pub(super) struct Recovering<'a> {
    inner: &'a Inner,
    first: TimeUuid,
    rows: Vec<MissingRow>,
}

impl Drop for Recovering<'_> {
    fn drop(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.inner.in_flight.leave_recovered(self.first, rows, &self.inner.uuids);
    }
}

impl Inner {
    /// Before rows of `events` are written that should have been there: keeps readers from passing them
    /// meanwhile, and takes down for the others which ones are missing.
    pub(super) async fn recovering(
        &self,
        id: &PersistenceId,
        events: &[TaggedEvent],
        counters: &Counters,
    ) -> Result<Option<Recovering<'_>>> {
        let size = self.settings.events_by_tag.bucket_size;
        let mut rows = Vec::new();
        for row in counters.clone().assign(events) {
            let Some(event) = events.get(row.index) else { continue };
            let (timestamp, bucket) = (event.timestamp, size.bucket_of(event.timestamp));
            let id = id.clone();
            rows.push(MissingRow { tag: row.tag, id, counter: row.counter, bucket, timestamp });
        }
        let Some(first) = rows.iter().map(|row| row.timestamp).min() else { return Ok(None) };
        if self.settings.tag_writers != TagWriters::Own {
            return Ok(None);
        }
        self.in_flight.enter_drawn(|| ((), Some(first)));
        let mut recovering = Recovering { inner: self, first, rows: Vec::new() };
        let missing = stream::iter(rows).map(|row| async move {
            let missing = self.in_flight.with_recovered(|recovered| recovered.contains(&row))
                || !self.is_there(&row).await?;
            Result::Ok(missing.then_some(row))
        });
        let missing = missing.buffered(LOOKUPS).try_filter_map(async |row| Ok(row));
        recovering.rows = missing.try_collect().await?;
        Ok(Some(recovering))
    }

    async fn is_there(&self, row: &MissingRow) -> Result<bool> {
        let window = (row.timestamp.just_before(), row.timestamp);
        let mut there = false;
        let told = |id, counter| there |= id == row.id && counter == row.counter;
        self.each_counter(&row.tag, row.bucket, window, told).await?;
        Ok(there)
    }
}

impl TagPage<'_> {
    /// Notes which rows that were recovered until `count` the reader has passed.
    pub(super) fn note_recovered(&mut self, count: u64) {
        if self.inner.settings.tag_writers != TagWriters::Own {
            return;
        }
        let (session, position) = (&mut self.session, self.window.position);
        let rows = self
            .inner
            .in_flight
            .with_recovered(|recovered| recovered.between(self.tag, session.recovered_to, count));
        session.recovered_to = count.max(session.recovered_to);
        let passed =
            |row: &Arc<RecoveredRow>| row.row.timestamp <= position && position < row.written;
        session.recovered.extend(rows.into_iter().filter(passed));
    }

    /// Delivers what was recovered until `to`; whether there is room for more.
    pub(super) async fn take_recovered(&mut self, to: TimeUuid) -> Result<bool> {
        while let Some(recovered) = self.session.recovered.get(self.recovered_taken).cloned() {
            let RecoveredRow { row, written } = &*recovered;
            if *written > to {
                break;
            }
            if self.is_full() {
                return Ok(false);
            }
            let seen = self.session.seen.get(&row.id).map(|(last, _)| *last);
            if seen.is_none_or(|seen| seen < row.counter) {
                let window = (row.timestamp.just_before(), row.timestamp.just_after());
                let is_it = |found: &EventRow| {
                    found.persistence_id.as_deref() == Some(row.id.as_str())
                        && found.tag_counter == row.counter
                };
                for found in self.rows_of(row.bucket, window, is_it).await? {
                    self.deliver(row.id.clone(), found, row.bucket, *written);
                }
            }
            self.recovered_taken += 1;
            self.window.position = self.window.position.max(*written);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::BucketSize;

    #[test]
    fn a_reader_gets_those_of_its_tag_since_its_last_page() {
        let mut rows = RecoveredRows::default();
        for number in 1..=6 {
            let timestamp = TimeUuid::start_of(number);
            let row = MissingRow {
                tag: Tag::new(if number % 2 == 0 { "even" } else { "odd" }).unwrap(),
                id: PersistenceId::new("id").unwrap(),
                counter: number,
                bucket: BucketSize::Hour.bucket_of(timestamp),
                timestamp,
            };
            rows.push(row, timestamp);
        }
        let between = |from, to| -> Vec<i64> {
            let found = rows.between(&Tag::new("even").unwrap(), from, to);
            found.iter().map(|found| found.row.counter).collect()
        };
        assert_eq!(between(0, rows.count()), [2, 4, 6]);
        assert_eq!(between(2, 5), [4]);
        assert_eq!(between(6, 6), [0; 0]);
    }
}
