//! A seeded workload: rounds of operations that are under way together, each on an entity or a
//! projection of its own, with a record of what was asked for and acknowledged when.

use std::collections::BTreeSet;

use annals_core::{
    Append, AppendId, Error, Journal, NewEvent, OffsetRevision, OffsetSave, OffsetStore, Payload,
    ReadJournal, Result, Scope, SeqNr, SerializerId, Snapshot, SnapshotCriteria, SnapshotStore,
    Tag, Timestamp, WriterId,
};
use annals_embedded::EmbeddedStore;
use futures_util::future::join_all;

use crate::model::{Contents, Entity, id};
use crate::seed::Random;

/// An operation.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Append(Append),
    Delete { name: String, to: SeqNr },
    Save(Snapshot),
    DeleteSnapshots { name: String, criteria: SnapshotCriteria },
    SaveOffset(OffsetSave),
}

/// What was asked for, and what became of it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) round: usize,
    pub(crate) operation: Operation,
    /// The place in the history of the storage when it was asked for.
    pub(crate) asked: usize,
    /// The place when it was acknowledged.
    pub(crate) acknowledged: Option<usize>,
    pub(crate) error: Option<Error>,
}

impl Operation {
    /// What it is about: an entity, a projection, or one of each.
    fn keys(&self) -> Vec<String> {
        let projection = |name: &str| format!("projection {name}");
        match self {
            Self::Append(append) => {
                let saved = append.offset_save().map(|save| projection(&save.name));
                saved.into_iter().chain([append.id().to_string()]).collect()
            }
            Self::Delete { name, .. } | Self::DeleteSnapshots { name, .. } => vec![name.clone()],
            Self::Save(snapshot) => vec![snapshot.persistence_id.to_string()],
            Self::SaveOffset(save) => vec![projection(&save.name)],
        }
    }

    /// Does it to the model.
    pub(crate) fn apply(&self, contents: &mut Contents) {
        let mut entity = |name: &str, change: &mut dyn FnMut(&mut Entity)| {
            change(contents.entities.entry(name.to_owned()).or_default());
            contents.entities.retain(|_, entity| *entity != Entity::default());
        };
        match self {
            Self::Append(append) => {
                entity(append.id().as_str(), &mut |entity| entity.append(append));
                if let Some(save) = append.offset_save() {
                    contents.save_offset(save);
                }
            }
            Self::Delete { name, to } => entity(name, &mut |entity| entity.delete_to(*to)),
            Self::Save(snapshot) => {
                entity(snapshot.persistence_id.as_str(), &mut |entity| {
                    entity.save(snapshot.clone());
                });
            }
            Self::DeleteSnapshots { name, criteria } => entity(name, &mut |entity| {
                entity
                    .snapshots
                    .retain(|snapshot| !criteria.matches(snapshot.seq_nr, snapshot.timestamp));
            }),
            Self::SaveOffset(save) => contents.save_offset(save),
        }
    }

    /// Does it to the store.
    pub(crate) async fn run(&self, store: &EmbeddedStore) -> Result<()> {
        match self {
            Self::Append(append) => {
                let receipt = store.append(append.clone()).await?;
                assert_eq!(receipt, append.receipt(), "the receipt tells the numbers");
                Ok(())
            }
            Self::Delete { name, to } => store.delete_to(&id(name), *to).await,
            Self::Save(snapshot) => store.save(snapshot.clone()).await,
            Self::DeleteSnapshots { name, criteria } => {
                SnapshotStore::delete(store, &id(name), criteria).await
            }
            Self::SaveOffset(save) => {
                let OffsetSave { name, expected, offset } = save.clone();
                let revision = store.save_offset(&name, expected, offset).await?;
                assert_eq!(revision, expected.next(), "the revision counts");
                Ok(())
            }
        }
    }
}

/// Makes and runs operations.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) random: Random,
    /// What the store holds if all that was asked for was done.
    pub(crate) contents: Contents,
    pub(crate) records: Vec<Record>,
    round: usize,
    /// How many of a hundred events are short.
    pub(crate) short_percent: usize,
}

impl Workload {
    pub(crate) fn new(random: Random, contents: Contents) -> Self {
        Self { random, contents, records: Vec::new(), round: 0, short_percent: 70 }
    }

    /// The ids that it may use.
    pub(crate) fn ids() -> BTreeSet<String> {
        (0..7).map(|number| format!("account|{number}")).collect()
    }

    /// Runs `rounds` rounds; `place` tells the place in the history. Ends after a round in which
    /// something failed.
    pub(crate) async fn run(
        &mut self,
        store: &EmbeddedStore,
        rounds: usize,
        place: impl Fn() -> usize,
    ) {
        for _ in 0..rounds {
            self.round += 1;
            let operations = self.draw_round(store).await;
            let asked = place();
            let place = &place;
            let running = operations.into_iter().map(|operation| async move {
                let result = operation.run(store).await;
                (operation, result, place())
            });
            let mut failed = false;
            for (operation, result, at) in join_all(running).await {
                failed |= result.is_err();
                let acknowledged = result.is_ok().then_some(at);
                if result.is_ok() {
                    operation.apply(&mut self.contents);
                }
                let (round, error) = (self.round, result.err());
                self.records.push(Record { round, operation, asked, acknowledged, error });
            }
            if failed {
                return;
            }
        }
    }

    async fn draw_round(&mut self, store: &EmbeddedStore) -> Vec<Operation> {
        let count = if self.random.percent(40) { 1 } else { 1 + self.random.below(4) };
        let mut operations: Vec<Operation> = Vec::new();
        let mut keys = BTreeSet::new();
        for _ in 0..count {
            let operation = self.draw(store).await;
            if operation.keys().iter().all(|key| !keys.contains(key)) {
                keys.extend(operation.keys());
                operations.push(operation);
            }
        }
        operations
    }

    async fn draw(&mut self, store: &EmbeddedStore) -> Operation {
        let name = format!("account|{}", self.random.below(7));
        let entity = self.contents.entities.get(&name).cloned().unwrap_or_default();
        let highest = entity.bounds.highest;
        let some = |random: &mut Random| {
            SeqNr::new(1 + random.below(highest.get().max(1) as usize) as u64).unwrap()
        };
        match self.random.below(20) {
            0 if entity.bounds.deleted_to < highest => {
                Operation::Delete { to: some(&mut self.random), name }
            }
            1 | 2 if !highest.is_zero() => Operation::Save(self.draw_snapshot(&name, highest)),
            3 if !entity.snapshots.is_empty() => {
                let criteria = SnapshotCriteria::up_to(some(&mut self.random));
                Operation::DeleteSnapshots { name, criteria }
            }
            4 => Operation::SaveOffset(self.draw_offset(store).await),
            5 | 6 => {
                let save = self.draw_offset(store).await;
                Operation::Append(self.draw_append(&name, highest).with_offset_save(save))
            }
            _ => Operation::Append(self.draw_append(&name, highest)),
        }
    }

    async fn draw_offset(&mut self, store: &EmbeddedStore) -> OffsetSave {
        let name = format!("board {}", self.random.below(2));
        let saved = self.contents.offsets.get(&name);
        let expected = saved.map_or(OffsetRevision::NONE, |(revision, _)| *revision);
        let end = ReadJournal::end(store, &Scope::All).await.unwrap();
        let offset = end.expect("an embedded store has an end");
        OffsetSave { name, expected, offset }
    }

    fn draw_snapshot(&mut self, name: &str, highest: SeqNr) -> Snapshot {
        Snapshot {
            persistence_id: id(name),
            seq_nr: highest,
            timestamp: Timestamp::from_millis(self.random.below(1_000_000) as i64),
            payload: self.draw_payload(),
            metadata: None,
        }
    }

    /// An append to `name`.
    pub(crate) fn draw_append(&mut self, name: &str, after: SeqNr) -> Append {
        let count = if self.random.percent(60) { 1 } else { 1 + self.random.below(4) };
        let mut room = 14_000_usize;
        let mut events = Vec::new();
        for _ in 0..count {
            let payload = self.draw_payload();
            let bytes = payload.bytes.len() + 200;
            if !events.is_empty() && bytes > room {
                break;
            }
            room = room.saturating_sub(bytes);
            let timestamp = Timestamp::from_millis(self.random.below(1_000_000) as i64);
            let tags = ["red", "green", "blue"]
                .into_iter()
                .filter(|_| self.random.percent(30))
                .map(|tag| Tag::new(tag).unwrap())
                .collect();
            events.push(NewEvent::new(payload, timestamp).with_tags(tags));
        }
        let append_id = AppendId::new(u128::from(self.random.next()) << 64 | 7);
        let writer = WriterId::new(format!("writer {}", self.random.below(3)));
        Append::new(append_id, id(name), after, writer, events).unwrap()
    }

    /// Between 100 bytes and several pages, most of them short.
    fn draw_payload(&mut self) -> Payload {
        let most = if self.random.percent(self.short_percent) { 600 } else { 9_000 };
        let bytes = 100 + self.random.below(most - 100);
        // Zeroes make pages that cannot be told from those that were never written.
        let bytes = if self.random.percent(20) { vec![0; bytes] } else { self.random.bytes(bytes) };
        Payload::new(SerializerId::BYTES, "", bytes)
    }
}

/// What a store may hold at `place` in the history: each key as it was when its last acknowledged
/// operation was done, or with the one that was asked for and not acknowledged.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// With all that was acknowledged.
    pub(crate) acknowledged: Contents,
    /// The operations that may have been done as well, each on its own.
    pub(crate) open: Vec<usize>,
}

impl Allowed {
    /// What is allowed at `place`, after a start from `start`.
    pub(crate) fn at(start: &Contents, records: &[Record], place: usize) -> Self {
        let mut acknowledged = start.clone();
        let mut open = Vec::new();
        for (number, record) in records.iter().enumerate() {
            if record.acknowledged.is_some_and(|at| at <= place) {
                record.operation.apply(&mut acknowledged);
            } else if record.asked <= place {
                open.push(number);
            }
        }
        Self { acknowledged, open }
    }

    /// Checks that `found` is allowed; gives the operations that were not done.
    pub(crate) fn check(&self, records: &[Record], found: &Contents) -> Vec<usize> {
        let mut expected = self.acknowledged.clone();
        let mut missing = Vec::new();
        for number in &self.open {
            let record = &records[*number];
            let mut with = expected.clone();
            record.operation.apply(&mut with);
            let keys = record.operation.keys();
            if keys.iter().all(|key| agree(&with, found, key)) {
                expected = with;
            } else {
                missing.push(*number);
            }
        }
        for key in expected.keys().chain(found.keys()) {
            assert!(
                agree(&expected, found, &key),
                "{key} is not as it should be\nexpected {}\nfound    {}",
                expected.describe(&key),
                found.describe(&key),
            );
        }
        missing
    }
}

fn agree(left: &Contents, right: &Contents, key: &str) -> bool {
    match key.strip_prefix("projection ") {
        Some(projection) => left.offsets.get(projection) == right.offsets.get(projection),
        None => left.entities.get(key) == right.entities.get(key),
    }
}

impl Contents {
    fn save_offset(&mut self, save: &OffsetSave) {
        self.offsets.insert(save.name.clone(), (save.expected.next(), save.offset.clone()));
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        let projections = self.offsets.keys().map(|name| format!("projection {name}"));
        self.entities.keys().cloned().chain(projections)
    }

    fn describe(&self, key: &str) -> String {
        match key.strip_prefix("projection ") {
            Some(projection) => format!("{:?}", self.offsets.get(projection)),
            None => match self.entities.get(key) {
                Some(entity) => {
                    let sizes = entity.events.iter().map(|event| event.payload.bytes.len());
                    let snapshots = entity.snapshots.iter().map(|snapshot| snapshot.seq_nr.get());
                    let (sizes, snapshots): (Vec<_>, Vec<_>) =
                        (sizes.collect(), snapshots.collect());
                    format!(
                        "{:?}, events of {sizes:?} bytes, snapshots {snapshots:?}",
                        entity.bounds
                    )
                }
                None => "nothing".to_owned(),
            },
        }
    }
}
