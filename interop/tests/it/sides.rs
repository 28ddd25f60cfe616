//! The two sides of one journal: an actor system with a plugin, and a store of annals on the same tables.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use annals_core::{
    Append, AppendId, Bounds, JournalExt, NewEvent, PersistenceId, Result, SeqNr, SeqRange,
    Snapshot, SnapshotCriteria, Store, Tag, Tags, Timestamp, WriterId,
};
use annals_interop::{PekkoSystem, Recovered, Recovery, Replayed};
use serde_json::Value;

use crate::kinds::{meaning, payload};

/// Both sides.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) pekko: PekkoSystem,
    pub(crate) annals: Annals,
}

impl Sides {
    /// What a new incarnation of the entity recovers on Pekko's side.
    pub(crate) async fn pekko_recovers(&self, id: &str) -> Recovered {
        self.pekko.recover(id, Recovery::default()).await.unwrap()
    }

    /// Ends both; what either still holds is in the store.
    pub(crate) async fn close(self) {
        self.pekko.close().await.unwrap();
        self.annals.0.close().await.unwrap();
    }
}

/// Our side, in the terms of the other one.
#[derive(Debug)]
pub(crate) struct Annals(pub(crate) Store);

impl Annals {
    /// The events of the entity, in order and with their meaning.
    pub(crate) async fn events(&self, id: &str) -> Vec<Replayed> {
        self.events_in(id, SeqRange::ALL).await.unwrap()
    }

    pub(crate) async fn events_in(&self, id: &str, range: SeqRange) -> Result<Vec<Replayed>> {
        let events = self.0.journal.read_all(&persistence_id(id), range).await?;
        let replayed = |event: annals_core::StoredEvent| Replayed {
            seq_nr: event.seq_nr.get(),
            value: meaning(&event.payload, &event.event_manifest),
        };
        Ok(events.into_iter().map(replayed).collect())
    }

    pub(crate) async fn bounds(&self, id: &str) -> Bounds {
        self.0.journal.bounds(&persistence_id(id)).await.unwrap()
    }

    /// A new incarnation of the entity: it recovers, and makes one append of each of `appends`.
    pub(crate) async fn persist(&self, id: &str, appends: &[&[Value]]) -> u64 {
        let writer = Incarnation::begin(self, id).await;
        let mut after = writer.highest;
        for events in appends {
            after = writer.append(self, after, events).await.unwrap();
        }
        self.0.journal.end(&writer.id, &writer.writer).await.unwrap();
        after.get()
    }

    /// A new incarnation of the entity deletes: it knows what the other side wrote meanwhile.
    pub(crate) async fn delete(&self, id: &str, to: u64) {
        let Incarnation { id, writer, .. } = Incarnation::begin(self, id).await;
        self.0.journal.delete_to(&id, seq_nr(to)).await.unwrap();
        self.0.journal.end(&id, &writer).await.unwrap();
    }

    pub(crate) async fn save_snapshot(&self, id: &str, at: u64, value: &Value) {
        let (payload, _) = payload(value);
        let snapshot = Snapshot {
            persistence_id: persistence_id(id),
            seq_nr: seq_nr(at),
            timestamp: now(),
            payload,
            metadata: None,
        };
        self.0.snapshots.save(snapshot).await.unwrap();
    }

    /// The newest snapshot: its number and its meaning.
    pub(crate) async fn snapshot(&self, id: &str) -> Option<(u64, Value)> {
        let snapshots = &self.0.snapshots;
        let newest = snapshots.load(&persistence_id(id), &SnapshotCriteria::ALL).await.unwrap()?;
        Some((newest.seq_nr.get(), meaning(&newest.payload, "")))
    }

    /// All ids, sorted.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.read_journal.ids(after.as_ref(), 100).await.unwrap();
            ids.extend(page.ids.iter().map(|entry| entry.persistence_id.as_str().to_owned()));
            after = page.next.or(after);
            if page.at_end {
                ids.sort();
                return ids;
            }
        }
    }
}

/// A writer of annals that has recovered an entity.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) id: PersistenceId,
    pub(crate) writer: WriterId,
    pub(crate) highest: SeqNr,
}

impl Incarnation {
    pub(crate) async fn begin(annals: &Annals, id: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = persistence_id(id);
        let process = std::process::id();
        let writer = WriterId::new(format!("{process:08x}-0000-4000-8000-{count:012x}"));
        let bounds = annals.0.journal.begin(&id, &writer).await.unwrap();
        Self { id, writer, highest: bounds.highest }
    }

    /// One append after `after`; gives its last number.
    pub(crate) async fn append(
        &self,
        annals: &Annals,
        after: SeqNr,
        events: &[Value],
    ) -> Result<SeqNr> {
        let events = events.iter().map(|event| {
            let (payload, manifest) = payload(event);
            let tags = event["tags"].as_array().into_iter().flatten();
            let tags = tags.map(|tag| Tag::new(tag.as_str().unwrap()).unwrap()).collect::<Tags>();
            NewEvent::new(payload, now()).with_event_manifest(manifest).with_tags(tags)
        });
        let (id, writer) = (self.id.clone(), self.writer.clone());
        let append = Append::new(append_id(), id, after, writer, events.collect())?;
        annals.0.journal.append(append).await.map(|receipt| receipt.last)
    }
}

pub(crate) fn persistence_id(id: &str) -> PersistenceId {
    PersistenceId::new(id).unwrap()
}

pub(crate) fn seq_nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

fn append_id() -> AppendId {
    let random = || u128::from(RandomState::new().hash_one(0));
    AppendId::new(random() << 64 | random())
}

/// Events with their numbers, the first of them `first`.
pub(crate) fn numbered(first: u64, events: impl IntoIterator<Item = Value>) -> Vec<Replayed> {
    (first..).zip(events).map(|(seq_nr, value)| Replayed { seq_nr, value }).collect()
}
