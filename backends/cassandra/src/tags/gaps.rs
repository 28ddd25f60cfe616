//! Events that a reader by tag finds missing: an entity's counter went on by more than one.

use std::time::Duration;

use annals_core::{Error, PersistenceId, Result};
use scylla::response::PagingState;
use tokio::time::Instant;

use super::reading::{ROWS, TagPage, cql};
use crate::partition::Bucket;
use crate::row::{self, EventRow};
use crate::timeuuid::TimeUuid;

const SEARCH_PAUSE: Duration = Duration::from_millis(200);

impl TagPage<'_> {
    /// Delivers the events `first ..` of `id` that come before `before`, once they have all been found.
    pub(super) async fn search(
        &mut self,
        id: &PersistenceId,
        first: i64,
        before: &EventRow,
        patience: Duration,
    ) -> Result<()> {
        let wanted = before.tag_counter - first;
        let max = self.inner.settings.events_by_tag.max_missing_to_search;
        let size = self.inner.settings.events_by_tag.bucket_size;
        let demanded = !patience.is_zero();
        if demanded && u64::try_from(wanted).is_ok_and(|wanted| wanted > max) {
            return Err(self.missing(id, first, before, "more than max-missing-to-search"));
        }
        let bucket = size.bucket_of(before.timestamp);
        let deadline = Instant::now() + patience;
        loop {
            let mut found = Vec::new();
            // Also behind it: the clock of who wrote them may have been ahead.
            for bucket in [bucket.previous(), bucket, bucket.next()] {
                let window = whole(bucket);
                let missing = |row: &EventRow| {
                    row.persistence_id.as_deref() == Some(id.as_str())
                        && (first..before.tag_counter).contains(&row.tag_counter)
                };
                found.extend(self.rows_of(bucket, window, missing).await?);
            }
            found.sort_by_key(|row| row.tag_counter);
            found.dedup_by_key(|row| row.tag_counter);
            let whole = i64::try_from(found.len()).is_ok_and(|found| found == wanted);
            if whole || Instant::now() >= deadline {
                if demanded && !whole {
                    return Err(self.missing(id, first, before, "not found in gap-timeout"));
                }
                for row in found {
                    let position = self.window.position;
                    self.deliver(id.clone(), row, bucket, position);
                }
                return Ok(());
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
        }
    }

    fn missing(&self, id: &PersistenceId, first: i64, before: &EventRow, why: &str) -> Error {
        Error::unavailable(format!(
            "events {first}-{} of tag {} of {id}, before its event {}, are missing ({why}): beginning \
             the entity, or `tags repair`, writes them",
            before.tag_counter - 1,
            self.tag,
            before.event.seq_nr
        ))
    }

    /// Those rows of a bucket after the one time and before the other that are `wanted`.
    pub(super) async fn rows_of(
        &self,
        bucket: Bucket,
        (after, before): (TimeUuid, TimeUuid),
        wanted: impl Fn(&EventRow) -> bool,
    ) -> Result<Vec<EventRow>> {
        let tag = self.tag;
        let what = || format!("searching events of tag {tag}");
        let values = (tag.as_str(), bucket.column(), cql(after), cql(before));
        let statement = &self.inner.connection.statements.tags.select_views;
        let mut rows = Vec::new();
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let connection = &self.inner.connection;
            let found = connection.read_page(statement, values, ROWS, from, what).await?;
            rows.extend(row::events(&found.rows, tag.as_str())?.into_iter().filter(&wanted));
            page = found.next;
        }
        Ok(rows)
    }
}

/// Behind what the rows of a bucket lie, and before what.
pub(super) fn whole(bucket: Bucket) -> (TimeUuid, TimeUuid) {
    let start = TimeUuid::start_of(bucket.column()).just_before();
    (start, TimeUuid::start_of(bucket.next().column()))
}
