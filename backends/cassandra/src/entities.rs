//! What a store remembers of the entities it writes: where each one's next append goes, and the attempts
//! whose outcome somebody may ask for again. Losing any of it costs a read, or a receipt (then the answer
//! is `Conflict`), never an event.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use annals_core::{Append, AppendId, PersistenceId, SeqNr, WriterId};
use parking_lot::Mutex;

use crate::head::Head;
use crate::partition::Partition;
use crate::row::writer_of_run;
use crate::tags::TagState;
use crate::timeuuid::TimeUuid;

/// How many entities are remembered that were never ended.
const ENTITIES_MAX: usize = 100_000;

/// How many appends of one entity are recognised when they are repeated.
const ATTEMPTS_MAX: usize = 8;

/// Where the next append of an entity goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The highest number.
    pub(crate) at: SeqNr,
    /// The partition whose head says so.
    pub(crate) partition: Partition,
    /// What it says; `None` = null.
    pub(crate) head: Option<Head>,
}

/// An append as it was, or is being, written. The same append is written as the same rows again, by
/// which it is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    append_id: AppendId,
    /// One for each event.
    pub(crate) uuids: Arc<[TimeUuid]>,
    /// The column `writer_uuid`.
    pub(crate) writer_uuid: Arc<str>,
    run: Run,
}

impl Attempt {
    /// An attempt under a claim, which remembers its appends itself.
    pub(crate) fn claimed(append: &Append, uuids: Arc<[TimeUuid]>, writer_uuid: Arc<str>) -> Self {
        let range = append.range();
        let run = Run { writer: append.writer().clone(), first: range.from, last: range.to };
        Self { append_id: append.append_id(), uuids, writer_uuid, run }
    }
}

/// Appends of one writer, one directly after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    writer: WriterId,
    /// The number of its first event.
    first: SeqNr,
    /// The number of its last.
    last: SeqNr,
}

#[derive(Debug, Default)]
struct Entity {
    place: Option<Place>,
    run: Option<Run>,
    /// The last attempts, acknowledged or not, the newest first.
    attempts: VecDeque<Attempt>,
    /// Its tags; one append at a time writes them.
    tags: Arc<tokio::sync::Mutex<TagState>>,
}

#[derive(Debug, Default)]
pub(crate) struct Entities(Mutex<HashMap<PersistenceId, Entity>>);

impl Entities {
    /// Where the append after `after` goes, if it is known.
    pub(crate) fn place(&self, id: &PersistenceId, after: SeqNr) -> Option<Place> {
        let entities = self.0.lock();
        entities.get(id).and_then(|entity| entity.place).filter(|place| place.at == after)
    }

    pub(crate) fn forget_place(&self, id: &PersistenceId) {
        if let Some(entity) = self.0.lock().get_mut(id) {
            entity.place = None;
        }
    }

    pub(crate) fn tags(&self, id: &PersistenceId) -> Arc<tokio::sync::Mutex<TagState>> {
        self.with(id, |entity| Arc::clone(&entity.tags))
    }

    pub(crate) fn forget(&self, id: &PersistenceId) {
        self.0.lock().remove(id);
    }

    /// The attempt of `append`: the one that was made before, or a new one of fresh timeuuids. `runs`:
    /// whether each run of appends is a writer of its own.
    pub(crate) fn attempt(
        &self,
        append: &Append,
        runs: bool,
        mut draw: impl FnMut() -> TimeUuid,
    ) -> Attempt {
        self.with(append.id(), |entity| {
            let known = entity.attempts.iter().find(|attempt| {
                // The same id may name another append only by mistake; its events are not these.
                attempt.append_id == append.append_id()
                    && attempt.run.last == append.range().to
                    && attempt.uuids.len() == append.events().len()
            });
            if let Some(attempt) = known {
                return attempt.clone();
            }
            let range = append.range();
            let same = |run: &&Run| run.writer == *append.writer() && run.last == append.after();
            let first = entity.run.as_ref().filter(same).map_or(range.from, |run| run.first);
            let run = Run { writer: append.writer().clone(), first, last: range.to };
            let writer_uuid = if runs {
                writer_of_run(append.writer(), first)
            } else {
                append.writer().as_str().to_owned()
            };
            let attempt = Attempt {
                append_id: append.append_id(),
                uuids: append.events().iter().map(|_| draw()).collect(),
                writer_uuid: writer_uuid.into(),
                run,
            };
            entity.attempts.truncate(ATTEMPTS_MAX - 1);
            entity.attempts.push_front(attempt.clone());
            attempt
        })
    }

    /// The attempt was stored, and the entity goes on at `place`.
    pub(crate) fn stored(&self, id: &PersistenceId, attempt: &Attempt, place: Option<Place>) {
        self.with(id, |entity| {
            entity.run = Some(attempt.run.clone());
            entity.place = place;
        });
    }

    fn with<T>(&self, id: &PersistenceId, change: impl FnOnce(&mut Entity) -> T) -> T {
        let mut entities = self.0.lock();
        if entities.len() >= ENTITIES_MAX && !entities.contains_key(id) {
            entities.clear();
        }
        match entities.get_mut(id) {
            Some(entity) => change(entity),
            None => change(entities.entry(id.clone()).or_default()),
        }
    }
}
