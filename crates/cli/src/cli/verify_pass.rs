//! The passes of `annals verify` over the store.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use annals::query::{Extent, Query};
use annals::{
    Bounds, Error, ErrorKind, Payload, PersistenceId, Result, Scope, Slice, SliceRange,
    SnapshotCriteria, Store, StoredEvent, Tag, Tags,
};
use annals_pekko::value::decode;
use futures_util::StreamExt;
use indicatif::ProgressBar;

use super::verify::Problem;
use crate::report::describe;

/// Snapshots of one entity that are listed at a time.
const INFOS_MAX: usize = 256;
/// Slice ranges read one after the other.
const SLICE_RANGES: u16 = 4;

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) ids: u64,
    pub(super) events: u64,
    pub(super) deleted_events: u64,
    pub(super) tags: u64,
    pub(super) snapshots: u64,
    pub(super) unknown_payloads: u64,
    pub(super) unreadable_payloads: u64,
    pub(super) deleted_without_snapshot: u64,
}

/// A set of events in a few bytes, whatever their order: their number and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Fingerprint {
    events: u64,
    sum: u64,
}

impl Fingerprint {
    /// Adds an event, with those of its tags that whoever reads it so is told.
    fn add(&mut self, id: &PersistenceId, event: &StoredEvent, tags: &Tags) {
        self.events += 1;
        self.sum = self.sum.wrapping_add(hash(id, event, tags));
    }
}

/// What was read until now.
pub(super) struct Pass<'a> {
    store: &'a Store,
    pub(super) progress: ProgressBar,
    order: Vec<PersistenceId>,
    bounds: HashMap<PersistenceId, Bounds>,
    all: Fingerprint,
    tags: HashMap<Tag, Fingerprint>,
    /// Ids whose history could not be read to its end: nothing can be compared with it.
    broken: HashSet<PersistenceId>,
    unlisted: HashSet<PersistenceId>,
    pub(super) counts: Counts,
    pub(super) found: u64,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(store: &'a Store, progress: ProgressBar) -> Self {
        Self {
            store,
            progress,
            order: Vec::new(),
            bounds: HashMap::new(),
            all: Fingerprint::default(),
            tags: HashMap::new(),
            broken: HashSet::new(),
            unlisted: HashSet::new(),
            counts: Counts::default(),
            found: 0,
            problems: Vec::new(),
        }
    }

    /// Takes damage as a problem, and gives any other error back.
    pub(super) fn damage(
        &mut self,
        clause: &'static str,
        id: Option<&str>,
        error: Error,
    ) -> Result<()> {
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        self.problem(clause, id, describe(&error));
        Ok(())
    }

    /// Lists the ids and how far each reaches.
    pub(super) async fn ids(&mut self) -> Result<()> {
        let mut ids = Query::new(self.store.read_journal.clone()).ids(Extent::Current, None);
        while let Some(entry) = ids.next().await {
            let id = match entry {
                Ok(entry) => entry.persistence_id,
                Err(error) => return self.damage("Q6", None, error),
            };
            if self.bounds.contains_key(&id) {
                self.problem("Q6", Some(id.as_str()), "the id is listed twice".to_owned());
                continue;
            }
            match self.store.journal.bounds(&id).await {
                Ok(bounds) if bounds.highest.is_zero() || bounds.deleted_to > bounds.highest => {
                    let message = format!(
                        "a listed id is deleted to {} and ends at {}",
                        bounds.deleted_to, bounds.highest
                    );
                    self.problem("Q6", Some(id.as_str()), message);
                }
                Ok(bounds) => {
                    self.counts.ids += 1;
                    self.counts.deleted_events += bounds.deleted_to.get();
                    self.bounds.insert(id.clone(), bounds);
                    self.order.push(id);
                }
                Err(error) => self.damage("J8", Some(id.as_str()), error)?,
            }
        }
        Ok(())
    }

    /// Reads the history of each id.
    pub(super) async fn histories(&mut self) -> Result<()> {
        for id in self.order.clone() {
            if !self.history(&id).await? {
                self.broken.insert(id);
            }
        }
        self.counts.tags = u64::try_from(self.tags.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Whether the history of `id` is whole.
    async fn history(&mut self, id: &PersistenceId) -> Result<bool> {
        let range = self.bounds.get(id).copied().unwrap_or_default().stored();
        let mut batches = self.store.journal.replay(id, range);
        let mut expected = range.from;
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    self.damage("J8", Some(id.as_str()), error)?;
                    return Ok(false);
                }
            };
            for event in &batch.events {
                if event.seq_nr != expected {
                    let message = format!("event {} comes where {expected} should", event.seq_nr);
                    self.problem("J8", Some(id.as_str()), message);
                    return Ok(false);
                }
                expected = expected.next();
                self.take(id, event);
            }
        }
        if expected != range.to.next() {
            let message = format!("the history ends before {expected}, but {} is stored", range.to);
            self.problem("J8", Some(id.as_str()), message);
            return Ok(false);
        }
        Ok(true)
    }

    fn take(&mut self, id: &PersistenceId, event: &StoredEvent) {
        self.counts.events += 1;
        self.progress.inc(1);
        self.all.add(id, event, &event.tags);
        for tag in &event.tags {
            // Some stores keep with a tag's row that tag alone.
            self.tags.entry(tag.clone()).or_default().add(id, event, &Tags::NONE);
        }
        match decode(&event.payload) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.counts.unknown_payloads += 1;
            }
            Err(_) => self.counts.unreadable_payloads += 1,
        }
    }

    /// Reads across entities, each way that the store has.
    pub(super) async fn across(&mut self) -> Result<()> {
        if !self.broken.is_empty() {
            // The histories are what the rest is compared with.
            return Ok(());
        }
        let limits = self.store.read_journal.capabilities();
        if limits.all_events {
            let seen = self.read("Q2", Scope::All, |_, _| true).await?;
            self.compare("Q2", "the stream of all events", seen, self.all);
        }
        if limits.slices {
            let mut seen = Some(Fingerprint::default());
            for part in 0..SLICE_RANGES {
                let range = slice_range(part)?;
                let part = self
                    .read("Q5", Scope::Slices(range), |id, _| range.contains(id.slice()))
                    .await?;
                seen = seen.zip(part).map(|(seen, part)| Fingerprint {
                    events: seen.events + part.events,
                    sum: seen.sum.wrapping_add(part.sum),
                });
            }
            self.compare("Q5", "the slices together", seen, self.all);
        }
        if limits.tags {
            for (tag, expected) in std::mem::take(&mut self.tags) {
                let scope = Scope::Tag(tag.clone());
                let seen = self.read("Q2", scope, |_, event| event.tags.contains(&tag)).await?;
                self.compare("Q2", &format!("the stream of tag {tag:?}"), seen, expected);
            }
        }
        self.unlisted().await
    }

    /// The events of `scope` among those looked at; `None` if it could not be read.
    async fn read(
        &mut self,
        clause: &'static str,
        scope: Scope,
        belongs: impl Fn(&PersistenceId, &StoredEvent) -> bool,
    ) -> Result<Option<Fingerprint>> {
        let mut seen = Fingerprint::default();
        let by_tag = matches!(scope, Scope::Tag(_));
        let query = Query::new(self.store.read_journal.clone());
        let mut events = query.events(scope.clone(), Extent::Current, None);
        while let Some(envelope) = events.next().await {
            let envelope = match envelope {
                Ok(envelope) => envelope,
                Err(error) => {
                    self.damage(clause, None, error.context(format!("{scope:?}")))?;
                    return Ok(None);
                }
            };
            self.progress.inc(1);
            let (id, event) = (&envelope.persistence_id, &envelope.event);
            let Some(bounds) = self.bounds.get(id) else {
                self.unlisted.insert(id.clone());
                continue;
            };
            if !bounds.stored().contains(event.seq_nr) {
                continue;
            }
            if !belongs(id, event) {
                let message = format!("event {} does not belong to {scope:?}", event.seq_nr);
                self.problem(clause, Some(id.as_str()), message);
            }
            let tags = if by_tag { &Tags::NONE } else { &event.tags };
            seen.add(id, event, tags);
        }
        Ok(Some(seen))
    }

    fn compare(
        &mut self,
        clause: &'static str,
        what: &str,
        seen: Option<Fingerprint>,
        expected: Fingerprint,
    ) {
        if let Some(seen) = seen
            && seen != expected
        {
            let message = match seen.events == expected.events {
                true => format!("{what} holds other events than the histories"),
                false => format!(
                    "{what} holds {} events, the histories {}",
                    seen.events, expected.events
                ),
            };
            self.problem(clause, None, message);
        }
    }

    /// Ids that have events and were not listed: new ones are listed by now.
    async fn unlisted(&mut self) -> Result<()> {
        if self.unlisted.is_empty() {
            return Ok(());
        }
        let mut ids = Query::new(self.store.read_journal.clone()).ids(Extent::Current, None);
        while let Some(entry) = ids.next().await {
            self.unlisted.remove(&entry?.persistence_id);
        }
        for id in std::mem::take(&mut self.unlisted) {
            let message = "the id has events, but is not listed".to_owned();
            self.problem("Q6", Some(id.as_str()), message);
        }
        Ok(())
    }

    /// Reads the snapshots of each id.
    pub(super) async fn snapshots(&mut self) -> Result<()> {
        for id in self.order.clone() {
            let bounds = match self.store.journal.bounds(&id).await {
                Ok(bounds) => bounds,
                Err(error) => {
                    self.damage("J8", Some(id.as_str()), error)?;
                    continue;
                }
            };
            let mut criteria = SnapshotCriteria::ALL;
            let mut newest = None;
            loop {
                let infos = match self.store.snapshots.list(&id, &criteria, INFOS_MAX).await {
                    Ok(infos) => infos,
                    Err(error) => {
                        self.damage("S1", Some(id.as_str()), error)?;
                        break;
                    }
                };
                for info in &infos {
                    newest = newest.max(Some(info.seq_nr));
                    self.counts.snapshots += 1;
                    let at = SnapshotCriteria::at(info.seq_nr);
                    if let Err(error) = self.store.snapshots.load(&id, &at).await {
                        self.damage("S2", Some(id.as_str()), error)?;
                    }
                    if info.seq_nr > bounds.highest {
                        let message = format!(
                            "a snapshot stands at {}, past the highest event {}",
                            info.seq_nr, bounds.highest
                        );
                        self.problem("S5", Some(id.as_str()), message);
                    }
                }
                match infos.last() {
                    Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                        criteria.max_seq_nr = oldest.seq_nr.previous();
                    }
                    _ => break,
                }
            }
            if newest.unwrap_or_default() < bounds.deleted_to {
                self.counts.deleted_without_snapshot += 1;
            }
        }
        Ok(())
    }

    /// Whether problems were found while events were being deleted, which may be their cause.
    pub(super) async fn changed(&self) -> Result<bool> {
        if self.found == 0 {
            return Ok(false);
        }
        for (id, before) in &self.bounds {
            if let Ok(now) = self.store.journal.bounds(id).await
                && now.deleted_to > before.deleted_to
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn slice_range(part: u16) -> Result<SliceRange> {
    let size = Slice::COUNT / SLICE_RANGES;
    let slice = |number| Slice::new(number).ok_or_else(|| Error::internal("a slice is too high"));
    SliceRange::new(slice(part * size)?, slice(part * size + size - 1)?)
}

fn hash(id: &PersistenceId, event: &StoredEvent, tags: &Tags) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, event.seq_nr, event.timestamp, &event.writer, &event.event_manifest).hash(&mut hasher);
    tags.hash(&mut hasher);
    let payload = |payload: &Payload, hasher: &mut DefaultHasher| {
        (payload.serializer, &payload.manifest, &payload.bytes).hash(hasher);
    };
    payload(&event.payload, &mut hasher);
    if let Some(metadata) = &event.metadata {
        payload(metadata, &mut hasher);
    }
    hasher.finish()
}
