//! Compaction gives room back and changes no answer: whatever fails meanwhile, whoever reads meanwhile,
//! and whatever is lost afterwards.

use std::path::Path;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Envelope, ErrorKind, Journal, JournalExt, NewEvent, Offset, Payload,
    ReadJournal, Scope, SeqNr, SeqRange, SerializerId, Snapshot, SnapshotCriteria, SnapshotStore,
    Tag, Timestamp, WriterId,
};
use annals_embedded::{Compaction, EmbeddedStore, Settings};

use crate::model::{Contents, Entity, id, read_everything, read_scope};
use crate::seed::{Named, Random, long, seeds};
use crate::sim::{SimDisk, SimStorage};
use crate::workload::{Operation, Workload};

/// Small segments that are compacted when it is asked for alone.
pub(crate) fn settings() -> Settings {
    let by_hand = Compaction::default().with_automatic(false).with_bytes_per_second_max(u32::MAX);
    Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN).with_compaction(by_hand)
}

pub(crate) fn open(storage: &SimStorage) -> annals_core::Result<Arc<EmbeddedStore>> {
    EmbeddedStore::builder("simulation")
        .settings(settings())
        .storage(Arc::new(storage.clone()))
        .open()
}

pub(crate) fn read_only(storage: &SimStorage) -> annals_core::Result<Arc<EmbeddedStore>> {
    EmbeddedStore::builder("simulation").storage(Arc::new(storage.clone())).open_read_only()
}

/// Does `operation` to the store and the model.
async fn run(store: &EmbeddedStore, contents: &mut Contents, operation: Operation) {
    operation.run(store).await.expect("nothing fails");
    operation.apply(contents);
}

/// The segment that is being written.
async fn active(store: &EmbeddedStore) -> usize {
    let end = ReadJournal::end(store, &Scope::All).await.unwrap().unwrap();
    u32::from_be_bytes(end.as_bytes()[8..12].try_into().unwrap()) as usize
}

/// Appends to an id that is no part of the workload until what was written before lies in a full segment,
/// and waits until that is sealed.
pub(crate) async fn seal(store: &EmbeddedStore, contents: &mut Contents) {
    let filler = "filler";
    let last = active(store).await;
    let mut random = Random::new(5);
    while active(store).await == last {
        let entity = contents.entities.get(filler).cloned().unwrap_or_default();
        let payload = Payload::new(SerializerId::BYTES, "", random.bytes(9_000));
        let event = NewEvent::new(payload, Timestamp::from_millis(1));
        let after = entity.bounds.highest;
        let append_id = AppendId::new(after.get().into());
        let writer = WriterId::new("filler");
        let append = Append::new(append_id, id(filler), after, writer, vec![event]).unwrap();
        run(store, contents, Operation::Append(append)).await;
    }
    for _ in 0..60_000 {
        if store.stats().sealed_segments >= last {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("segment {last} is not sealed: {:?}", store.stats());
}

/// A closed store of several segments, in which much of what was written is deleted, and what it holds.
pub(crate) async fn deleted(seed: u64, rounds: usize) -> (SimDisk, Contents) {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    let mut random = Random::new(seed);
    let mut workload = Workload::new(random.clone(), Contents::default());
    workload.run(&store, rounds, || 0).await;
    let mut contents = workload.contents;
    let entities: Vec<(String, Entity)> = contents.entities.clone().into_iter().collect();
    for (name, entity) in entities {
        let highest = entity.bounds.highest.get();
        let keep = if random.percent(30) { 0 } else { random.below(4) as u64 };
        let to = SeqNr::new(highest.saturating_sub(keep)).unwrap();
        if to > entity.bounds.deleted_to {
            run(&store, &mut contents, Operation::Delete { name: name.clone(), to }).await;
        }
        if let Some(newest) = entity.snapshots.last() {
            let criteria = SnapshotCriteria::up_to(newest.seq_nr.previous());
            run(&store, &mut contents, Operation::DeleteSnapshots { name, criteria }).await;
        }
    }
    seal(&store, &mut contents).await;
    store.close().await.unwrap();
    (storage.disk(), contents)
}

/// The store holds `expected`, and every byte of it is as it should be.
pub(crate) async fn check(store: &EmbeddedStore, expected: &Contents) -> Vec<Envelope> {
    let (found, log) = read_everything(store, &Workload::ids()).await.expect("it reads");
    for key in expected.entities.keys().chain(found.entities.keys()) {
        assert!(found.entities.get(key) == expected.entities.get(key), "{key} is as it was");
    }
    assert!(found == *expected);
    store.verify().await.expect("every byte is as it should be");
    log
}

/// The bytes of the segments: what is made ahead, or sealed meanwhile, comes and goes.
fn file_bytes(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    let segments = files.filter(|file| file.file_name().to_str().unwrap().ends_with(".seg"));
    segments.map(|file| file.metadata().unwrap().len()).sum()
}

fn event(bytes: usize, number: u64) -> NewEvent {
    let payload = Payload::new(SerializerId::BYTES, "", Random::new(number).bytes(bytes));
    let tag = Tag::new(format!("tag {}", number % 3)).unwrap();
    NewEvent::new(payload, Timestamp::from_millis(number as i64))
        .with_tags([tag].into_iter().collect())
}

fn append(name: &str, after: u64, count: u64) -> Append {
    let events = (1..=count).map(|number| event(700, after + number)).collect();
    let append_id = AppendId::new(u128::from(after) << 64 | name.len() as u128);
    let after = SeqNr::new(after).unwrap();
    Append::new(append_id, id(name), after, WriterId::new("writer"), events).unwrap()
}

async fn numbers(store: &EmbeddedStore, name: &str) -> Vec<u64> {
    let events = store.read_all(&id(name), SeqRange::ALL).await.unwrap();
    events.iter().map(|event| event.seq_nr.get()).collect()
}

/// Ten entities with 200 events each, of which the last five stay.
async fn deleted_on_disk(directory: &Path, settings: Settings) -> Arc<EmbeddedStore> {
    let store = EmbeddedStore::builder(directory).settings(settings).open().unwrap();
    for after in (0..200).step_by(4) {
        for number in 0..10 {
            store.append(append(&format!("entity|{number}"), after, 4)).await.unwrap();
        }
    }
    for number in 0..10 {
        let id = id(&format!("entity|{number}"));
        store.delete_to(&id, SeqNr::new(195).unwrap()).await.unwrap();
    }
    for after in 0..120 {
        store.append(append("other", after, 1)).await.unwrap();
    }
    store
}

#[tokio::test]
async fn what_is_deleted_gives_its_room_back_and_no_answer_changes() {
    let directory = tempfile::tempdir().unwrap();
    let store = deleted_on_disk(directory.path(), settings()).await;
    let before = file_bytes(directory.path());
    let (contents, log) = read_everything(&store, &Workload::ids()).await.unwrap();

    let compacted = store.compact(10).await.unwrap();

    let after = file_bytes(directory.path());
    assert!(compacted.segments_rewritten > 10, "{compacted:?}");
    assert!(after < before / 2, "{after} bytes are left of {before}");
    assert_eq!(before - after, compacted.bytes_given_back);
    assert_eq!(check(&store, &contents).await, log, "the offsets are the same, too");
    let verified = store.verify().await.unwrap();
    assert_eq!(verified.segments_compacted, compacted.segments_rewritten);

    let again = store.append(append("entity|3", 190, 1)).await.unwrap_err();
    let highest = SeqNr::new(200).unwrap();
    assert_eq!(again.kind(), ErrorKind::Conflict { highest }, "no number is used again");
    store.close().await.unwrap();
    let store = EmbeddedStore::builder(directory.path()).settings(settings()).open().unwrap();
    assert_eq!(check(&store, &contents).await, log);
    store.append(append("entity|3", 200, 1)).await.unwrap();
    assert_eq!(numbers(&store, "entity|3").await, [196, 197, 198, 199, 200, 201]);
    // One segment may have been sealed since.
    assert!(store.compact(10).await.unwrap().segments_rewritten <= 1);
    let nothing = store.compact(10).await.unwrap();
    assert_eq!(nothing.segments_rewritten, 0, "there is nothing more to be had");
}

#[tokio::test]
async fn it_happens_by_itself_when_half_of_a_segment_is_dead() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings().with_compaction(Compaction::default());
    let store = deleted_on_disk(directory.path(), settings).await;
    let expected = |number: u64| if number < 10 { 5 } else { 120 };
    for _ in 0..1_000 {
        if store.stats().segments_compacted > 10 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let stats = store.stats();
    assert!(stats.segments_compacted > 10 && stats.bytes_given_back > 1 << 19, "{stats:?}");
    for number in 0..10 {
        assert_eq!(numbers(&store, &format!("entity|{number}")).await.len(), expected(number));
    }
    store.verify().await.unwrap();
    store.close().await.unwrap();

    let store = EmbeddedStore::builder(directory.path()).settings(settings).open().unwrap();
    for number in 0..10 {
        let id = id(&format!("entity|{number}"));
        store.delete_to(&id, SeqNr::new(200).unwrap()).await.unwrap();
    }
    store.verify().await.unwrap();
    for number in 0..10 {
        assert_eq!(numbers(&store, &format!("entity|{number}")).await, [0; 0]);
    }
}

#[tokio::test]
async fn any_history_is_the_same_after_it_and_after_the_next_opening() {
    for seed in seeds(8, 200) {
        let _named = Named(seed);
        let (disk, mut contents) = deleted(seed, 60).await;
        let storage = SimStorage::of(disk);
        let store = open(&storage).unwrap();
        let log = check(&store, &contents).await;
        let before = storage.disk().used();
        let first = store.compact(1).await.unwrap();
        assert!(first.segments_rewritten > 0, "seed {seed}: {first:?}");
        assert!(storage.disk().used() < before);
        assert_eq!(check(&store, &contents).await, log);
        drop(store);

        let store = open(&storage).unwrap();
        assert_eq!(check(&store, &contents).await, log);
        // It goes on, dies, and is compacted once more.
        let mut workload = Workload::new(Random::new(seed), contents);
        workload.run(&store, 30, || 0).await;
        contents = workload.contents;
        let names: Vec<String> = Workload::ids().into_iter().collect();
        for name in names {
            let Some(entity) = contents.entities.get(&name) else { continue };
            let to = entity.bounds.highest;
            if to > entity.bounds.deleted_to {
                run(&store, &mut contents, Operation::Delete { name, to }).await;
            }
        }
        seal(&store, &mut contents).await;
        let second = store.compact(1).await.unwrap();
        assert!(second.segments_rewritten > 0, "seed {seed}: {second:?}");
        check(&store, &contents).await;
        store.close().await.unwrap();
        check(&open(&storage).unwrap(), &contents).await;
        check(&read_only(&storage).unwrap(), &contents).await;
    }
}

#[tokio::test]
async fn indexes_that_are_lost_afterwards_are_made_anew() {
    for seed in seeds(2, 100) {
        let _named = Named(seed);
        let (disk, contents) = deleted(seed, 60).await;
        let storage = SimStorage::of(disk);
        let store = open(&storage).unwrap();
        store.compact(1).await.unwrap();
        let log = check(&store, &contents).await;
        store.close().await.unwrap();
        let disk = storage.disk();
        let indexes: Vec<String> =
            disk.names().filter(|name| name.ends_with(".idx")).cloned().collect();
        assert!(indexes.len() > 3);
        for lost in indexes.iter().map(|name| vec![name]).chain([indexes.iter().collect()]) {
            let mut disk = disk.clone();
            lost.iter().for_each(|name| disk.damage(name, 100, |byte| byte ^ 1));
            let storage = SimStorage::of(disk);
            let reading = read_only(&storage).unwrap();
            let (found, _) = read_everything(&reading, &Workload::ids()).await.unwrap();
            assert!(found == contents, "{lost:?}");
            drop(reading);
            let store = open(&storage).unwrap();
            assert_eq!(check(&store, &contents).await, log, "{lost:?}");
            store.close().await.unwrap();
            let store = open(&storage).unwrap();
            assert_eq!(check(&store, &contents).await, log, "{lost:?}");
            assert!(store.stats().sealed_segments >= indexes.len());
        }
    }
}

/// Ten events of an id, each a frame; the offsets behind each; then all but two are deleted.
#[tokio::test]
async fn an_offset_into_what_is_gone_goes_on_behind_it() {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    for after in 0..12 {
        store.append(append("gone", after, 2 - after % 2)).await.ok();
    }
    let highest = store.bounds(&id("gone")).await.unwrap().highest;
    store.append(append("stays", 0, 1)).await.unwrap();
    let old = read_scope(&store, &Scope::All, 100).await.unwrap();
    store.delete_to(&id("gone"), highest).await.unwrap();
    seal(&store, &mut Contents::default()).await;
    let (_, left) = read_everything(&store, &Workload::ids()).await.unwrap();
    assert!(store.compact(1).await.unwrap().segments_rewritten > 0);

    let first = &left[0];
    assert_eq!(first.persistence_id, id("stays"));
    let place = |offset: &Offset| offset.as_bytes()[12..16].try_into().map(u32::from_be_bytes);
    let (from, to) = (4096, place(&first.offset).unwrap());
    assert!(place(&old[0].offset).unwrap() == from && to > from + 8_000);
    // All of the gap's own bytes, and some of those that are gone.
    let step = if long() { 1 } else { 31 };
    for byte in (from..from + 200).chain((from + 200..to).step_by(step)) {
        for seen in [0_u32, 1, u32::MAX] {
            let mut offset = first.offset.as_bytes().to_vec();
            offset[12..16].copy_from_slice(&byte.to_be_bytes());
            offset[16..20].copy_from_slice(&seen.to_be_bytes());
            let offset = Offset::from_bytes(offset);
            let page = store.page(&Scope::All, Some(&offset), None, 1).await.unwrap();
            assert_eq!(page.events(), &left[..1], "byte {byte}, {seen} seen");
        }
    }
    // Streams that end where something was that is gone.
    for until in &old {
        let page = store.page(&Scope::All, None, Some(&until.offset), 100).await.unwrap();
        let expected = usize::from(until.persistence_id == id("stays"));
        assert_eq!((page.events().len(), page.at_end()), (expected, true));
    }
}

#[tokio::test]
async fn snapshots_that_are_replaced_or_deleted_give_their_room_back() {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    let save = |seq_nr: u64, byte: u8| Snapshot {
        persistence_id: id("alice"),
        seq_nr: SeqNr::new(seq_nr).unwrap(),
        timestamp: Timestamp::from_millis(1),
        payload: Payload::new(SerializerId::BYTES, "", vec![byte; 9_000]),
        metadata: None,
    };
    store.append(append("alice", 0, 3)).await.unwrap();
    for round in 0..4 {
        for seq_nr in 1..=3 {
            store.save(save(seq_nr, round)).await.unwrap();
        }
    }
    store.delete(&id("alice"), &SnapshotCriteria::up_to(SeqNr::FIRST)).await.unwrap();
    seal(&store, &mut Contents::default()).await;
    let before = storage.disk().used();
    store.compact(1).await.unwrap();
    assert!(before - storage.disk().used() > 9 * 9_000, "nine snapshots and more");
    for seq_nr in 1..=3 {
        let criteria = SnapshotCriteria::at(SeqNr::new(seq_nr).unwrap());
        let found = store.load(&id("alice"), &criteria).await.unwrap();
        assert_eq!(found, (seq_nr > 1).then(|| save(seq_nr, 3)));
    }
    store.verify().await.unwrap();
}
