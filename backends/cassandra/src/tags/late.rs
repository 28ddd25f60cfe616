//! Rows that show up behind where a reader stands: their writer was away, or its clock is behind. Where the
//! entity is tagged again, the gap tells; these are of those that are not.
//!
//! As the plugin does, a reader looks back a little often, and far now and then. One that began at an offset
//! takes what it finds first for what was delivered before it began.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use annals_core::{PersistenceId, Result};
use tokio::time::Instant;

use super::gaps::whole;
use super::reading::TagPage;
use crate::partition::Bucket;
use crate::row::{self, EventRow};
use crate::settings::TagWriters;
use crate::timeuuid::TimeUuid;

/// What a look back found.
struct Look {
    /// The entities with rows that the reader has not seen.
    late: HashSet<PersistenceId>,
    /// The last counters of entities that it does not know.
    unknown: HashMap<PersistenceId, (i64, Bucket)>,
}

impl TagPage<'_> {
    /// Delivers rows that came late.
    pub(super) async fn track_back(&mut self) -> Result<()> {
        let settings = &self.inner.settings;
        let back = settings.events_by_tag.back_track;
        let near = is_due(self.session.looked_near, back.interval);
        let first = near && self.session.began.is_none() && back.long_interval.is_some();
        let far = first || is_due(self.session.looked_far, back.long_interval);
        if settings.tag_writers == TagWriters::Own || !near && !far {
            return Ok(());
        }
        let current = settings.events_by_tag.bucket_size.bucket_of(self.window.position);
        let period = if far { back.long_period } else { back.period };
        let from = self.look_from(period, current.previous());
        let earlier = self.look(current.previous(), from).await?;
        let later = self.look(current, from).await?;
        self.session.looked_near = Instant::now();
        if far {
            self.session.looked_far = Instant::now();
        }
        if self.session.began.is_none() {
            self.session.began = Some(from);
            for (id, (counter, bucket)) in earlier.unknown.into_iter().chain(later.unknown) {
                let last = self.session.seen.entry(id).or_insert((counter, bucket));
                *last = (counter.max(last.0), bucket);
            }
        }
        self.deliver_late(current.previous(), &earlier.late).await?;
        self.deliver_late(current, &later.late).await
    }

    /// Behind what rows are looked at: the beginning of a bucket, or less far back; never behind where the
    /// reader began.
    fn look_from(&self, period: Option<Duration>, earliest: Bucket) -> TimeUuid {
        let earliest = earliest.column();
        let from = period.map_or(earliest, |period| {
            let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
            self.window.position.millis().saturating_sub(period).max(earliest)
        });
        let from = TimeUuid::start_of(from).just_before();
        self.session.began.map_or(from, |began| began.max(from))
    }

    async fn look(&self, bucket: Bucket, from: TimeUuid) -> Result<Look> {
        let mut look = Look { late: HashSet::new(), unknown: HashMap::new() };
        let window = (from, self.window.position);
        let told = |id: PersistenceId, counter: i64| match self.session.seen.get(&id) {
            Some((last, _)) if counter <= *last => {}
            None if self.session.began.is_none() => {
                let last = look.unknown.entry(id).or_insert((counter, bucket));
                last.0 = counter.max(last.0);
            }
            _ => {
                look.late.insert(id);
            }
        };
        self.inner.each_counter(self.tag, bucket, window, told).await?;
        Ok(look)
    }

    async fn deliver_late(&mut self, bucket: Bucket, late: &HashSet<PersistenceId>) -> Result<()> {
        if late.is_empty() {
            return Ok(());
        }
        let position = self.window.position;
        let is_late = |row: &EventRow| row::id_of(row).is_ok_and(|id| late.contains(&id));
        let window = (whole(bucket).0, position.just_after());
        let mut rows = self.rows_of(bucket, window, is_late).await?;
        rows.sort_by_key(|row| row.tag_counter);
        for row in rows {
            let id = row::id_of(&row)?;
            let next = match self.session.seen.get(&id) {
                Some((last, _)) => row.tag_counter == last + 1,
                // What comes before its first one may be late as well.
                None => row.tag_counter == 1 || self.session.from_offset,
            };
            if next {
                self.deliver(id, row, bucket, position);
            }
        }
        Ok(())
    }
}

fn is_due(last: Instant, interval: Option<Duration>) -> bool {
    interval.is_some_and(|interval| last.elapsed() >= interval)
}
