//! What a store should hold, and what it does hold: read in every way there is, which must agree.

use std::collections::{BTreeMap, BTreeSet};

use annals_core::{
    Append, Bounds, Envelope, JournalExt, Offset, OffsetRevision, PersistenceId, Scope, SeqNr,
    SeqRange, SliceRange, Snapshot, SnapshotCriteria, StoredEvent, Tag,
};
use annals_core::{Journal, OffsetStore, ReadJournal, Result, SnapshotStore};
use annals_embedded::EmbeddedStore;

/// All that a store holds of one id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entity {
    pub(crate) bounds: Bounds,
    pub(crate) events: Vec<StoredEvent>,
    /// Ascending by number.
    pub(crate) snapshots: Vec<Snapshot>,
}

/// All that a store holds, by persistence id and by projection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    pub(crate) entities: BTreeMap<String, Entity>,
    pub(crate) offsets: BTreeMap<String, (OffsetRevision, Offset)>,
}

/// The id `text`.
pub(crate) fn id(text: &str) -> PersistenceId {
    PersistenceId::new(text).unwrap()
}

impl Entity {
    /// Adds the events of an append.
    pub(crate) fn append(&mut self, append: &Append) {
        assert_eq!(append.after(), self.bounds.highest, "the tests append what follows");
        for event in append.events() {
            self.bounds.highest = self.bounds.highest.next();
            self.events.push(StoredEvent {
                seq_nr: self.bounds.highest,
                writer: append.writer().clone(),
                timestamp: event.timestamp,
                payload: event.payload.clone(),
                event_manifest: event.event_manifest.clone(),
                tags: event.tags.clone(),
                metadata: event.metadata.clone(),
            });
        }
    }

    pub(crate) fn delete_to(&mut self, to: SeqNr) {
        self.bounds.deleted_to = self.bounds.deleted_to.max(to.min(self.bounds.highest));
        self.events.retain(|event| event.seq_nr > to);
    }

    pub(crate) fn save(&mut self, snapshot: Snapshot) {
        self.snapshots.retain(|other| other.seq_nr != snapshot.seq_nr);
        self.snapshots.push(snapshot);
        self.snapshots.sort_by_key(|snapshot| snapshot.seq_nr);
    }
}

/// Reads everything, in every way.
///
/// # Errors
/// The first error of the store.
///
/// # Panics
/// If two ways of reading disagree.
pub(crate) async fn read_everything(
    store: &EmbeddedStore,
    also: &BTreeSet<String>,
) -> Result<(Contents, Vec<Envelope>)> {
    let mut contents = Contents::default();
    let listed = list_ids(store).await?;
    let names: BTreeSet<String> = listed.iter().chain(also).cloned().collect();
    for name in names {
        let entity = read_entity(store, &name).await?;
        assert_eq!(listed.contains(&name), !entity.bounds.highest.is_zero(), "{name} is listed");
        if entity != Entity::default() {
            contents.entities.insert(name, entity);
        }
    }
    let all = read_scope(store, &Scope::All, 7).await?;
    let mut tags: BTreeMap<Tag, Vec<&Envelope>> = BTreeMap::new();
    let mut by_id: BTreeMap<&str, Vec<&StoredEvent>> = BTreeMap::new();
    for envelope in &all {
        by_id.entry(envelope.persistence_id.as_str()).or_default().push(&envelope.event);
        for tag in &envelope.event.tags {
            tags.entry(tag.clone()).or_default().push(envelope);
        }
    }
    for (name, entity) in &contents.entities {
        let walked = by_id.remove(name.as_str()).unwrap_or_default();
        assert!(entity.events.iter().eq(walked), "the replay and the log of {name} agree");
    }
    assert!(by_id.is_empty(), "every id in the log is listed");
    for (tag, tagged) in tags {
        let read = read_scope(store, &Scope::Tag(tag.clone()), 3).await?;
        assert!(read.iter().eq(tagged), "the log and the events of tag {tag} agree");
    }
    let slices = read_scope(store, &Scope::Slices(SliceRange::ALL), 50).await?;
    assert_eq!(slices, all, "all slices together are everything");
    for offset in store.list_offsets().await? {
        contents.offsets.insert(offset.name, (offset.revision, offset.offset));
    }
    Ok((contents, all))
}

async fn list_ids(store: &EmbeddedStore) -> Result<BTreeSet<String>> {
    let mut listed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.ids(after.as_ref(), 3).await?;
        for entry in page.ids {
            let name = entry.persistence_id.as_str().to_owned();
            assert!(listed.insert(name), "{} is listed once", entry.persistence_id);
        }
        if page.at_end {
            return Ok(listed);
        }
        after = page.next;
    }
}

/// All events of `scope`, by pages.
pub(crate) async fn read_scope(
    store: &EmbeddedStore,
    scope: &Scope,
    events_max: usize,
) -> Result<Vec<Envelope>> {
    let until = ReadJournal::end(store, scope).await?;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.page(scope, after.as_ref(), until.as_ref(), events_max).await?;
        found.extend_from_slice(page.events());
        if page.at_end() {
            return Ok(found);
        }
        after = page.next().cloned().or(after);
    }
}

async fn read_entity(store: &EmbeddedStore, name: &str) -> Result<Entity> {
    let id = id(name);
    let bounds = store.bounds(&id).await?;
    let events = store.read_all(&id, SeqRange::ALL).await?;
    let numbers: Vec<u64> = events.iter().map(|event| event.seq_nr.get()).collect();
    let stored = bounds.deleted_to.get() + 1..=bounds.highest.get();
    assert!(stored.eq(numbers), "the replay of {name} gives what its bounds say: {bounds:?}");
    let paged = read_scope(store, &Scope::Id(id.clone(), SeqRange::ALL), 5).await?;
    assert!(paged.iter().map(|envelope| &envelope.event).eq(&events), "the pages of {name}");
    let mut snapshots = Vec::new();
    for info in store.list(&id, &SnapshotCriteria::ALL, usize::MAX).await? {
        let snapshot = store.load(&id, &SnapshotCriteria::at(info.seq_nr)).await?;
        let snapshot = snapshot.expect("what is listed can be loaded");
        assert_eq!((snapshot.seq_nr, snapshot.timestamp), (info.seq_nr, info.timestamp));
        snapshots.push(snapshot);
    }
    snapshots.reverse();
    Ok(Entity { bounds, events, snapshots })
}
