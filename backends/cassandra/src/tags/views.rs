//! Writing tag rows: with their append, and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::{Append, PersistenceId, Result, SeqNr, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::counters::{TagRow, TaggedEvent};
use crate::claims::claim_of;
use crate::entities::Attempt;
use crate::inserts::{Insert, ViewInsert};
use crate::partition::BucketSize;
use crate::store::Inner;

/// How many partitions of `tag_views` one append writes at a time.
const PARTITIONS_AT_A_TIME: usize = 8;
/// The most bytes of one batch of tag rows.
const BATCH_BYTES: usize = 1 << 20;

impl Inner {
    /// Writes the tag rows of an append whose events are stored; waits for them as long as
    /// `tag-write-timeout` says, and leaves what is not written by then to the background.
    pub(crate) async fn write_tags(&self, append: &Append, attempt: &Attempt) {
        if !self.settings.events_by_tag.enabled {
            return;
        }
        let id = append.id();
        let state = self.entities.tags(id);
        let tagged = append.events().iter().any(|event| !event.tags.is_empty());
        let claim = claim_of(&attempt.writer_uuid).1;
        if !tagged {
            // Where the tags are not known, or are just being written, the next tagged event finds out.
            if let Ok(mut state) = state.try_lock()
                && state.known_to == Some(append.after())
                && state.claim == claim
            {
                state.known_to = Some(append.range().to);
                self.backlog.covered(id, append.range().to, state.epoch);
            }
            return;
        }
        let first = attempt.uuids.first().copied();
        let timeout = self.settings.events_by_tag.tag_write_timeout;
        let written = tokio::time::timeout(timeout, async {
            let mut state = state.lock().await;
            state.under(claim);
            self.write_tags_in_order(append, attempt, &mut state).await
        });
        match written.await {
            Ok(Ok(())) => first.into_iter().for_each(|first| self.in_flight.leave(first)),
            late => {
                let error = late.ok().and_then(Result::err);
                tracing::warn!(%id, ?error, "tag rows are late; the events are stored, and it is repaired");
                self.backlog.repair(id, first);
            }
        }
    }

    async fn write_tags_in_order(
        &self,
        append: &Append,
        attempt: &Attempt,
        state: &mut super::TagState,
    ) -> Result<()> {
        let (id, range) = (append.id(), append.range());
        if state.known_to.is_some_and(|known_to| known_to >= range.to) {
            // A recovery was faster.
            return Ok(());
        }
        if state.known_to != Some(append.after()) {
            self.recover_tags(id, append.after(), state).await?;
        }
        let events = tagged_events(append, attempt);
        self.write_missing(id, &events, range.to, state).await
    }

    /// Writes the rows of `events`, which are all that were not covered up to `to`.
    pub(super) async fn write_missing(
        &self,
        id: &PersistenceId,
        events: &[TaggedEvent],
        to: SeqNr,
        state: &mut super::TagState,
    ) -> Result<()> {
        // Whoever is cut off in between leaves the counters as they were, and they are recovered.
        let mut counters = state.counters.clone();
        state.known_to = None;
        let rows = counters.assign(events);
        self.write_views(id, events, &rows).await?;
        for row in &rows {
            if let Some(progress) = counters.get(&row.tag) {
                self.backlog.progress(id, &row.tag, progress, state.epoch);
            }
        }
        state.counters = counters;
        state.known_to = Some(to);
        self.backlog.covered(id, to, state.epoch);
        Ok(())
    }

    async fn write_views(
        &self,
        id: &PersistenceId,
        events: &[TaggedEvent],
        rows: &[TagRow],
    ) -> Result<()> {
        let tags = &self.settings.events_by_tag;
        let partitions = by_partition(tags.bucket_size, events, rows);
        let writes: Vec<_> = partitions
            .iter()
            .map(|((tag, bucket), rows)| async move {
                for batch in batches(rows, tags.max_message_batch_size.max(1)) {
                    self.write_view_batch(id, tag, *bucket, batch).await?;
                }
                Ok(())
            })
            .collect();
        stream::iter(writes).buffer_unordered(PARTITIONS_AT_A_TIME).try_collect().await
    }

    /// Writes rows of one partition of `tag_views`.
    pub(super) async fn write_view_batch(
        &self,
        id: &PersistenceId,
        tag: &Tag,
        bucket: i64,
        rows: &[NewView<'_>],
    ) -> Result<()> {
        let way = self.connection.way_of_views(tag.as_str(), bucket);
        let inserts = rows.iter().map(|(row, event)| {
            Insert::View(ViewInsert {
                id: id.clone(),
                tag: tag.clone(),
                time_bucket: bucket,
                counter: row.counter,
                event: TaggedEvent::clone(event),
            })
        });
        let inserts = inserts.collect();
        let what = || format!("writing rows of tag {tag} of {id}");
        self.connection.insert(way, &inserts, what).await
    }
}

/// A row to be written, and its event.
pub(super) type NewView<'a> = (&'a TagRow, &'a TaggedEvent);

/// The rows of `events`, by their partitions: tag and column `timebucket`.
pub(super) fn by_partition<'a>(
    size: BucketSize,
    events: &'a [TaggedEvent],
    rows: &'a [TagRow],
) -> BTreeMap<(Tag, i64), Vec<NewView<'a>>> {
    let mut partitions: BTreeMap<(Tag, i64), Vec<NewView<'_>>> = BTreeMap::new();
    for row in rows {
        let Some(event) = events.get(row.index) else { continue };
        let bucket = size.bucket_of(event.timestamp).column();
        partitions.entry((row.tag.clone(), bucket)).or_default().push((row, event));
    }
    partitions
}

/// Parts of at most so many rows, and about so many bytes.
pub(super) fn batches<'a, 'b>(
    rows: &'a [NewView<'b>],
    rows_max: usize,
) -> impl Iterator<Item = &'a [NewView<'b>]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0_usize;
        let fits = rest.iter().take(rows_max).take_while(|(_, event)| {
            let fits = bytes < BATCH_BYTES;
            bytes = bytes.saturating_add(event.payload.size_bytes());
            fits
        });
        let (batch, next) = rest.split_at_checked(fits.count())?;
        rest = next;
        (!batch.is_empty()).then_some(batch)
    })
}

fn tagged_events(append: &Append, attempt: &Attempt) -> Vec<TaggedEvent> {
    let events = append.events().iter().zip(attempt.uuids.iter()).zip(0_u64..);
    let events = events.map(|((event, timestamp), index)| TaggedEvent {
        seq_nr: append.range().from.plus(index),
        timestamp: *timestamp,
        writer_uuid: Arc::clone(&attempt.writer_uuid),
        payload: event.payload.clone(),
        event_manifest: Arc::clone(&event.event_manifest),
        metadata: event.metadata.clone(),
        tags: event.tags.clone(),
    });
    events.collect()
}
