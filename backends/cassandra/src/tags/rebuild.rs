//! Rebuilding the tag rows of entities from their events: what Pekko's `Reconciliation` does by removing all
//! rows and writing them anew. Here rows that are right stay, so that readers miss nothing meanwhile, and a
//! rebuild that was interrupted is simply run again.
//!
//! ```text
//! entity: history ─► rows as they should be ─► write those that differ ─► progress ─► scanning
//! sweep:  keys of all rows ─► those of these entities that should not be there ─► remove
//! ```
//!
//! What should be there is a function of the history, and of one thing more: events that were deleted had
//! counters too. How many is told by the stored progress, whose counter is kept. Their rows stay.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use annals_core::{Bounds, Error, PersistenceId, Result, SeqNr, SeqRange, Tag, WriterId};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use super::counters::{Counters, Epoch, Progress, TagState, TaggedEvent};
use super::progress::{Note, StoredProgress};
use super::views::{NewView, batches, by_partition};
use crate::claims::Claim;
use crate::end::Look;
use crate::replay::EntityReader;
use crate::row::{self, EventRow};
use crate::store::{CassandraStore, Inner};
use crate::timeuuid::TimeUuid;
use crate::tool::Execution;

/// How many partitions of `tag_views` are compared at a time.
const PARTITIONS_AT_A_TIME: usize = 8;
/// The most rows that are asked for by their times at once.
const ROWS_AT_A_TIME: usize = 64;
/// So many rows are remembered, eight bytes each and the room around them, until they are swept.
const ROWS_MAX: usize = 2_000_000;
/// So many entities are.
const ENTITIES_MAX: usize = 100_000;

/// Rebuilds the tag rows of entities: each first, and then, in one pass over the keys of all rows, what
/// should not be there of any of them.
///
/// Under claims an entity is taken for the time of its own rebuild, so that one that runs in another
/// process of annals is fenced, and starts again with what was rebuilt. Under the other fencings, and in a
/// JVM, entities must be stopped: they count in memory. Where events were appended meanwhile that is found
/// out, and refused.
#[derive(Debug)]
pub struct TagRebuild {
    pub(super) store: CassandraStore,
    pub(super) execution: Execution,
    rows_max: usize,
    pub(super) entities: Vec<Rebuilt>,
    pub(super) places: HashMap<PersistenceId, usize>,
    /// The keys of the rows that should be there, hashed.
    pub(super) wanted: HashSet<u64>,
    /// Entities that were swept and not told yet.
    pub(super) swept: Vec<RebuiltTags>,
}

/// What a rebuild came to, or would come to, for one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuiltTags {
    /// The entity.
    pub persistence_id: PersistenceId,
    /// Its last event.
    pub highest: SeqNr,
    /// The rows of its events.
    pub rows: u64,
    /// Those of them that were missing, or different.
    pub written: u64,
    /// Rows that were no event's, or had another counter.
    pub removed: u64,
    /// Notes of progress, and of what was scanned, that were missing or wrong.
    pub progress: u64,
}

impl RebuiltTags {
    /// Whether everything was as it should be.
    pub fn is_unchanged(&self) -> bool {
        self.written == 0 && self.removed == 0 && self.progress == 0
    }
}

/// One entity, or a part of a long one, until it is swept.
#[derive(Debug)]
pub(super) struct Rebuilt {
    pub(super) tags: RebuiltTags,
    pub(super) deleted_to: SeqNr,
    /// How many events of each tag were deleted.
    pub(super) bases: HashMap<Tag, i64>,
    /// The events whose rows are known: what is of others is judged with another part.
    pub(super) part: SeqRange,
    /// Up to where events were found when rows past the end were met.
    pub(super) seen_to: SeqNr,
}

impl CassandraStore {
    /// A rebuild of the tag rows of entities that are named one by one.
    pub fn rebuild_tags(&self, execution: Execution) -> TagRebuild {
        TagRebuild {
            store: self.clone(),
            execution,
            rows_max: ROWS_MAX,
            entities: Vec::new(),
            places: HashMap::new(),
            wanted: HashSet::new(),
            swept: Vec::new(),
        }
    }
}

impl TagRebuild {
    /// The same, which remembers at most about so many rows (eight bytes each and the room around them; two
    /// million unless set), and looks through the keys of all tag rows as often as that takes.
    #[must_use]
    pub fn with_rows_max(self, rows_max: usize) -> Self {
        Self { rows_max: rows_max.max(1), ..self }
    }

    /// Writes what is missing or different of `id`: rows, progress, scanning.
    ///
    /// # Errors
    /// `Conflict` if events were appended meanwhile: what was written stays, and it is to be run again
    /// when the entity is stopped. Else as reading and writing.
    pub async fn entity(&mut self, id: &PersistenceId) -> Result<()> {
        let inner = self.store.inner.clone();
        let _request = inner.enter_as(self.execution).await?;
        if !inner.settings.events_by_tag.enabled {
            return Err(Error::unsupported("there are no tag rows: events-by-tag.enabled is off"));
        }
        if self.places.contains_key(id) {
            return Ok(());
        }
        // Nothing of this store writes tag rows of it meanwhile.
        let state = inner.entities.tags(id);
        let mut state = state.lock().await;
        let mut run = Run::begin(&inner, id, self.execution).await?;
        run.count_deleted().await?;
        let mut reader = run.reader();
        while let Some(rows) = reader.next(&inner).await? {
            run.write_rows(rows, &mut self.wanted).await?;
            if self.is_full() {
                run.rebuilt.part.to = run.read_to;
                self.pass(Some(&mut run.rebuilt), |_| {}).await?;
                run.rebuilt.part = SeqRange::from(run.read_to.next());
            }
        }
        run.finish(&mut state).await?;
        self.places.insert(id.clone(), self.entities.len());
        self.entities.push(run.rebuilt);
        Ok(())
    }

    /// Whether so much is remembered that it is time to sweep.
    pub fn is_full(&self) -> bool {
        self.wanted.len() >= self.rows_max || self.entities.len() >= ENTITIES_MAX
    }
}

/// The rebuild of one entity.
struct Run<'a> {
    inner: &'a Inner,
    execution: Execution,
    id: PersistenceId,
    rebuilt: Rebuilt,
    bounds: Bounds,
    /// The last event that was read.
    read_to: SeqNr,
    claim: Option<Claim>,
    /// In microseconds since 1970.
    began: i64,
    stored: StoredProgress,
    counters: Counters,
}

impl<'a> Run<'a> {
    async fn begin(inner: &'a Inner, id: &PersistenceId, execution: Execution) -> Result<Self> {
        let began = inner.times.now_millis().saturating_mul(1_000);
        let (bounds, claim) = match (execution, &inner.claims) {
            (Execution::DryRun, _) => (inner.bounds(id).await?, None),
            (Execution::Apply, Some(claims)) => {
                let writer = WriterId::new(Uuid::new_v4().to_string());
                let (bounds, claim) = claims.begin(id, &writer).await?;
                (bounds, Some(claim))
            }
            (Execution::Apply, None) => (inner.find_end(id, Look::Serial).await?.bounds, None),
        };
        if execution.applies() {
            inner.backlog.forget(id).await;
        }
        let stored = inner.stored_progress_written(id).await?;
        let tags = RebuiltTags {
            persistence_id: id.clone(),
            highest: bounds.highest,
            rows: 0,
            written: 0,
            removed: 0,
            progress: 0,
        };
        let rebuilt = Rebuilt {
            tags,
            deleted_to: bounds.deleted_to,
            bases: HashMap::new(),
            part: SeqRange::new(SeqNr::ZERO, SeqNr::MAX),
            seen_to: bounds.highest,
        };
        Ok(Self {
            inner,
            execution,
            id: id.clone(),
            rebuilt,
            bounds,
            read_to: SeqNr::ZERO,
            claim,
            began,
            stored,
            counters: Counters::default(),
        })
    }

    fn reader(&self) -> EntityReader {
        EntityReader::new(self.inner, &self.id, SeqRange::ALL, self.bounds)
    }

    /// Where events were deleted: how many of each tag, as far as the progress tells.
    async fn count_deleted(&mut self) -> Result<()> {
        if self.bounds.deleted_to.is_zero() || self.stored.tags.is_empty() {
            return Ok(());
        }
        let mut reader = self.reader();
        let mut left: HashMap<Tag, i64> = HashMap::new();
        while let Some(rows) = reader.next(self.inner).await? {
            for event in rows.iter().map(|row| &row.event) {
                for tag in &event.tags {
                    let last = self.stored.tags.get(tag).map(|note| note.progress.seq_nr);
                    if last.is_some_and(|last| event.seq_nr <= last) {
                        *left.entry(tag.clone()).or_default() += 1;
                    }
                }
            }
        }
        for (tag, note) in &self.stored.tags {
            let left = left.get(tag).copied().unwrap_or_default();
            let base = (note.progress.counter - left).max(0);
            let seq_nr = SeqNr::ZERO;
            self.counters.set(tag.clone(), Progress { seq_nr, counter: base, timestamp: None });
            self.rebuilt.bases.insert(tag.clone(), base);
        }
        Ok(())
    }

    /// Writes those rows of these events that are missing or different.
    async fn write_rows(&mut self, rows: Vec<EventRow>, wanted: &mut HashSet<u64>) -> Result<()> {
        let events: Vec<TaggedEvent> = rows.into_iter().map(TaggedEvent::from).collect();
        self.read_to = events.last().map_or(self.read_to, |event| event.seq_nr);
        let rows = self.counters.assign(&events);
        let size = self.inner.settings.events_by_tag.bucket_size;
        let partitions = by_partition(size, &events, &rows);
        for ((tag, bucket), rows) in &partitions {
            let key = |(row, event): &NewView<'_>| {
                key(tag, *bucket, event.timestamp, &self.id, row.counter)
            };
            wanted.extend(rows.iter().map(key));
        }
        let written = self.write(&partitions).await?;
        self.rebuilt.tags.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.rebuilt.tags.written += written;
        Ok(())
    }

    async fn write(&self, partitions: &BTreeMap<(Tag, i64), Vec<NewView<'_>>>) -> Result<u64> {
        let id = &self.id;
        let rows_max = self.inner.settings.events_by_tag.max_message_batch_size;
        let rows_max = rows_max.clamp(1, ROWS_AT_A_TIME);
        let written = stream::iter(partitions.iter().map(|((tag, bucket), rows)| async move {
            let mut written = 0_u64;
            for batch in batches(rows, rows_max) {
                let times = batch.iter().map(|(_, event)| event.timestamp);
                let found = self.inner.views_at(id, tag, *bucket, times).await?;
                let differs = |view: &&NewView<'_>| !found.iter().any(|row| is_same(row, view));
                let batch: Vec<NewView<'_>> = batch.iter().filter(differs).copied().collect();
                written += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                if self.execution.applies() && !batch.is_empty() {
                    self.inner.write_view_batch(id, tag, *bucket, &batch).await?;
                }
            }
            Result::Ok(written)
        }));
        let written = written.buffer_unordered(PARTITIONS_AT_A_TIME);
        written.try_fold(0, |sum, written| async move { Ok(sum + written) }).await
    }

    /// When the newest of the notes that were found was written.
    fn written_last(&self) -> i64 {
        let written = self.stored.tags.values().map(|note| note.written);
        written.fold(self.stored.scanned_written, i64::max)
    }

    /// Notes progress, then scanning; and finds out whether anything was appended meanwhile.
    async fn finish(&mut self, state: &mut TagState) -> Result<()> {
        let id = &self.id;
        let found = Epoch(self.written_last()).max(Epoch::default());
        // Whoever counted on from what was found writes behind it.
        let at = self.began.max(found.0.saturating_add(1));
        // Progress of a tag that no event carries, and none that was deleted.
        let wanted: HashMap<&Tag, Progress> =
            self.counters.iter().filter(|(_, progress)| progress.counter > 0).collect();
        let mut notes = Vec::new();
        for (tag, progress) in &wanted {
            // Where all events of the tag are deleted, its note stays what it is.
            let stored = self.stored.tags.get(*tag);
            let is_right = |note: &Note| {
                let same = note.progress.counter == progress.counter
                    && note.progress.seq_nr == progress.seq_nr;
                // Nobody reads the time: of writes as of one time the largest bytes stay, not the last.
                progress.seq_nr.is_zero() || same
            };
            if !stored.is_some_and(is_right) {
                notes.push((*tag, Some(*progress)));
            }
        }
        for tag in self.stored.tags.keys() {
            if !wanted.contains_key(tag) {
                notes.push((tag, None));
            }
        }
        let scanned = Some(self.bounds.highest).filter(|highest| !highest.is_zero());
        let scanning_differs = self.stored.scanned != scanned;
        self.rebuilt.tags.progress = u64::try_from(notes.len()).unwrap_or(u64::MAX);
        self.rebuilt.tags.progress += u64::from(scanning_differs);
        if !self.execution.applies() {
            return Ok(());
        }
        let changed = !notes.is_empty() || scanning_differs;
        for (tag, progress) in notes {
            match progress {
                Some(progress) => self.inner.note_progress(id, tag, progress, at).await?,
                None => self.inner.forget_progress(id, tag, at).await?,
            }
        }
        if changed {
            // Also where it stays: it tells the next ones as of when to write.
            match scanned {
                Some(to) => self.inner.note_scanned(id, to, at).await?,
                None => self.inner.forget_scanned(id, at).await?,
            }
        }
        self.check_undisturbed().await?;
        *state = TagState {
            counters: std::mem::take(&mut self.counters),
            known_to: Some(self.bounds.highest),
            epoch: if changed { Epoch(at) } else { found },
            claim: self.claim,
        };
        Ok(())
    }

    async fn check_undisturbed(&self) -> Result<()> {
        let id = &self.id;
        let highest = self.inner.bounds(id).await?.highest;
        let holds = match (&self.inner.claims, self.claim) {
            (Some(claims), Some(claim)) => claims.holds(id, claim).await?,
            _ => true,
        };
        if highest == self.bounds.highest && holds {
            return Ok(());
        }
        Err(Error::conflict(
            highest,
            format!(
                "{id} ran while its tags were rebuilt: stop it, and rebuild them again; its events are not \
                 touched"
            ),
        ))
    }
}

/// The key of a row, hashed. Two that fall together would at worst let a row stay that should go.
pub(super) fn key(tag: &Tag, bucket: i64, at: TimeUuid, id: &PersistenceId, counter: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (tag.as_str(), bucket, at, id.as_str(), counter).hash(&mut hasher);
    hasher.finish()
}

/// Whether a row is as it should be.
fn is_same(row: &EventRow, (wanted, event): &NewView<'_>) -> bool {
    row.timestamp == event.timestamp
        && row.tag_counter == wanted.counter
        && row.event.seq_nr == event.seq_nr
        && row.writer_uuid == *event.writer_uuid
        && row.event.payload == event.payload
        && row.event.event_manifest == event.event_manifest
        && row.event.metadata == event.metadata
}

impl Inner {
    /// The rows of `id` in a bucket of a tag at these times.
    pub(super) async fn views_at(
        &self,
        id: &PersistenceId,
        tag: &Tag,
        bucket: i64,
        times: impl Iterator<Item = TimeUuid>,
    ) -> Result<Vec<EventRow>> {
        let what = || format!("reading rows of tag {tag} of {id}");
        let times: Vec<CqlTimeuuid> =
            times.map(|time| CqlTimeuuid::from_bytes(*time.uuid().as_bytes())).collect();
        let values = (tag.as_str(), bucket, times, id.as_str());
        let statement = &self.connection.statements.tag_rebuild.select_views_at;
        let rows = self.connection.read(statement, values, what).await?;
        row::events(&rows, id.as_str())
    }
}
