//! Readers of every kind beside a compaction: what they began to read they get, and what they read then
//! is what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::{
    Append, AppendId, Batch, BoxStream, ErrorKind, Journal, JournalExt, NewEvent, Payload,
    ReadJournal, Result, Scope, SeqNr, SeqRange, SerializerId, SliceRange, Snapshot,
    SnapshotCriteria, SnapshotStore, Tag, Timestamp, WriterId,
};
use annals_embedded::{Compaction, EmbeddedStore, Settings};
use futures_util::StreamExt;

use crate::compaction::{check, deleted, open, read_only, seal, settings};
use crate::model::{Contents, id, read_everything, read_scope};
use crate::power_loss::Context;
use crate::seed::{Named, Random, long, seeds};
use crate::sim::SimStorage;
use crate::workload::Workload;

fn append(name: &str, after: u64, bytes: usize) -> Append {
    let payload = Payload::new(SerializerId::BYTES, "", Random::new(after).bytes(bytes));
    let tag = Tag::new("all").unwrap();
    let event = NewEvent::new(payload, Timestamp::from_millis(after as i64))
        .with_tags([tag].into_iter().collect());
    let append_id = AppendId::new(u128::from(after) << 64 | name.len() as u128);
    let after = SeqNr::new(after).unwrap();
    Append::new(append_id, id(name), after, WriterId::new("writer"), vec![event]).unwrap()
}

fn nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

async fn rest(stream: &mut BoxStream<'static, Result<Batch>>) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    while let Some(batch) = stream.next().await {
        numbers.extend(batch?.events.iter().map(|event| event.seq_nr.get()));
    }
    Ok(numbers)
}

/// 300 events of `alice`, several batches of a replay, behind one of `bob`.
async fn filled(storage: &SimStorage) -> Arc<EmbeddedStore> {
    let store = open(storage).unwrap();
    store.append(append("bob", 0, 100)).await.unwrap();
    for after in 0..300 {
        store.append(append("alice", after, 9_000)).await.unwrap();
    }
    store
}

/// Deletes all but the last event of `alice`, and lets no trace of them be in any file.
async fn delete_and_compact(store: &EmbeddedStore) {
    store.delete_to(&id("alice"), nr(299)).await.unwrap();
    seal(store, &mut Contents::default()).await;
    let compacted = store.compact(1).await.unwrap();
    assert!(compacted.segments_rewritten > 40, "{compacted:?}");
}

#[tokio::test]
async fn a_replay_that_began_before_gets_what_it_began_to_read() {
    let storage = SimStorage::default();
    let store = filled(&storage).await;
    let mut early = store.replay(&id("alice"), SeqRange::ALL);
    let first = early.next().await.unwrap().unwrap().events.len() as u64;
    assert!((5..50).contains(&first), "{first} events are in the first batch");
    let before = storage.disk().used();

    delete_and_compact(&store).await;

    assert!(storage.disk().used() < before / 2);
    assert_eq!(rest(&mut early).await.unwrap(), (first + 1..=300).collect::<Vec<_>>());
    let mut late = store.replay(&id("alice"), SeqRange::ALL);
    assert_eq!(rest(&mut late).await.unwrap(), [300]);
}

#[tokio::test]
async fn a_replay_in_another_process_is_told_when_its_rest_is_gone() {
    let storage = SimStorage::default();
    let store = filled(&storage).await;
    let reading = read_only(&storage).unwrap();
    let mut begun = reading.replay(&id("alice"), SeqRange::ALL);
    let first = begun.next().await.unwrap().unwrap().events.len() as u64;
    let mut waiting = reading.replay(&id("bob"), SeqRange::ALL);

    delete_and_compact(&store).await;

    let told = rest(&mut begun).await;
    match &told {
        Ok(numbers) => assert!(numbers.iter().copied().eq(first + 1..=300), "what it had open"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let message = error.message();
            assert!(message.contains("alice") && message.contains("read it again"), "{message}");
        }
    }
    assert!(told.is_err(), "it has read no file that held the rest");
    let mut again = reading.replay(&id("alice"), SeqRange::ALL);
    assert_eq!(rest(&mut again).await.unwrap(), [300]);
    assert_eq!(rest(&mut waiting).await.unwrap(), [1]);
    reading.verify().await.unwrap();
}

/// A reader that opened the index files long ago, and never looked since.
#[tokio::test]
async fn a_reader_whose_indexes_are_old_finds_everything() {
    for seed in seeds(4, 50) {
        let _named = Named(seed);
        let (disk, mut contents) = deleted(seed, 60).await;
        let storage = SimStorage::of(disk);
        let store = open(&storage).unwrap();
        // Each kind of read meets the old index first.
        for first in 0..6 {
            let reading = read_only(&storage).unwrap();
            let names: Vec<String> = Workload::ids().into_iter().collect();
            for name in names {
                let bounds = store.bounds(&id(&name)).await.unwrap();
                store.delete_to(&id(&name), bounds.highest).await.unwrap();
                if let Some(entity) = contents.entities.get_mut(&name) {
                    entity.delete_to(bounds.highest);
                }
            }
            seal(&store, &mut contents).await;
            store.compact(1).await.unwrap();
            match first {
                0 => drop(read_scope(&reading, &Scope::All, 50).await.unwrap()),
                1 => {
                    let tag = Scope::Tag(Tag::new("red").unwrap());
                    assert!(read_scope(&reading, &tag, 50).await.unwrap().is_empty());
                }
                2 => drop(read_scope(&reading, &Scope::Slices(SliceRange::ALL), 50).await.unwrap()),
                3 => drop(reading.verify().await.unwrap()),
                4 => drop(reading.ids(None, 1_000).await.unwrap()),
                _ => {
                    let newest = reading.load(&id("account|1"), &SnapshotCriteria::ALL).await;
                    drop(newest.unwrap());
                }
            }
            let (found, _) = read_everything(&reading, &Workload::ids()).await.unwrap();
            assert!(found == contents, "first {first}");
        }
    }
}

#[tokio::test]
async fn a_backup_holds_what_was_there_when_it_began_whatever_is_compacted() {
    for seed in seeds(3, 50) {
        let _named = Named(seed);
        let (disk, mut contents) = deleted(seed, 60).await;
        let storage = SimStorage::of(disk);
        let store = open(&storage).unwrap();
        let reading = read_only(&storage).unwrap();
        for round in 0..3 {
            // What dies now, dies for a backup that begins later.
            let target = SimStorage::default();
            if round == 0 {
                store.backup_into(&target).unwrap();
            } else {
                let name = format!("account|{round}");
                let bounds = store.bounds(&id(&name)).await.unwrap();
                store.delete_to(&id(&name), bounds.highest).await.unwrap();
                let entity = contents.entities.get_mut(&name).unwrap();
                entity.delete_to(bounds.highest);
                seal(&store, &mut contents).await;
                store.compact(1).await.unwrap();
                // The reader learns only now of all that.
                reading.backup_into(&target).unwrap();
            }
            let restored = open(&SimStorage::of(target.disk())).unwrap();
            check(&restored, &contents).await;
        }
    }
}

/// A reader beside the writer makes a backup, and between each two of its calls the writer deletes and
/// compacts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_beside_a_writer_that_compacts_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let settings = settings();
    let store = EmbeddedStore::builder(&path).settings(settings).open().unwrap();
    for after in 0..60 {
        for number in 0..5 {
            store.append(append(&format!("entity|{number}"), after, 3_000)).await.unwrap();
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut after = 60;
            while !stop.load(Ordering::Relaxed) {
                for number in 0..5 {
                    let name = format!("entity|{number}");
                    store.append(append(&name, after, 3_000)).await.unwrap();
                    store.delete_to(&id(&name), nr(after - 3)).await.unwrap();
                }
                after += 1;
                store.compact(0).await.unwrap();
            }
            store.stats().segments_compacted
        }
    });
    let rounds = if long() { 60 } else { 6 };
    for round in 0..rounds {
        let _context = Context(format!("round {round}"));
        let target = directory.path().join(format!("backup-{round}"));
        let beside = EmbeddedStore::builder(&path).open_read_only().unwrap();
        let by = if round % 2 == 0 { &beside } else { &store };
        let began = by.bounds(&id("entity|4")).await.unwrap();
        by.backup(&target).await.unwrap();
        let restored = EmbeddedStore::builder(&target).settings(settings).open().unwrap();
        restored.verify().await.unwrap();
        let names = (0..5).map(|number| format!("entity|{number}")).collect();
        read_everything(&restored, &names).await.unwrap();
        let bounds = restored.bounds(&id("entity|4")).await.unwrap();
        assert!(bounds.highest >= began.highest && bounds.deleted_to >= began.deleted_to);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 10, "segments were compacted meanwhile");
}

/// Everything at once: writers that delete, a compaction that never rests, and readers of every scope, in
/// this process and beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_while_segments_are_compacted_gets_right_answers() {
    let directory = tempfile::tempdir().unwrap();
    let always = Compaction::default().with_percent_min(0);
    let settings = Settings::default().with_segment_bytes(64 << 10).with_compaction(always);
    let store = EmbeddedStore::builder(directory.path()).settings(settings).open().unwrap();
    let rounds = if long() { 2_000 } else { 150 };
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for number in 0..4 {
        let beside = number % 2 == 1;
        let reading = if beside {
            EmbeddedStore::builder(directory.path()).open_read_only().unwrap()
        } else {
            store.clone()
        };
        let stop = stop.clone();
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                read_once(&reading, reads, beside).await;
                reads += 1;
            }
            reads
        }));
    }
    for after in 0..rounds {
        for number in 0..4 {
            let name = format!("entity|{number}");
            store.append(append(&name, after, 2_000)).await.unwrap();
            if after % 5 == 4 {
                let seq_nr = nr(after + 1);
                let payload = Payload::new(SerializerId::BYTES, "", vec![7; 3_000]);
                let persistence_id = id(&name);
                let timestamp = Timestamp::from_millis(1);
                let snapshot =
                    Snapshot { persistence_id, seq_nr, timestamp, payload, metadata: None };
                store.save(snapshot).await.unwrap();
                let older = SnapshotCriteria::up_to(nr(after.saturating_sub(4)));
                SnapshotStore::delete(&*store, &id(&name), &older).await.unwrap();
                store.delete_to(&id(&name), nr(after.saturating_sub(6))).await.unwrap();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 5, "each kind of read was tried");
    }
    assert!(store.stats().segments_compacted > 5, "{:?}", store.stats());
    store.verify().await.unwrap();
}

async fn read_once(store: &EmbeddedStore, kind: usize, beside: bool) {
    match kind % 6 {
        0 => {
            // A live stream that began at the beginning: each entity in order.
            let mut last = std::collections::HashMap::new();
            for envelope in read_scope(store, &Scope::All, 30).await.unwrap() {
                let seq_nr = envelope.event.seq_nr;
                let before = last.insert(envelope.persistence_id, seq_nr);
                assert!(before.is_none_or(|before| before < seq_nr));
            }
        }
        1 => drop(read_scope(store, &Scope::Tag(Tag::new("all").unwrap()), 30).await.unwrap()),
        2 => drop(read_scope(store, &Scope::Slices(SliceRange::ALL), 30).await.unwrap()),
        3 => {
            for number in 0..4 {
                let id = id(&format!("entity|{number}"));
                let before = store.bounds(&id).await.unwrap();
                let read = store.read_all(&id, SeqRange::ALL).await;
                let after = store.bounds(&id).await.unwrap();
                match read {
                    Ok(events) => {
                        let numbers: Vec<u64> =
                            events.iter().map(|event| event.seq_nr.get()).collect();
                        let Some(first) = numbers.first().copied() else {
                            assert_eq!(before.highest, before.deleted_to, "something was there");
                            continue;
                        };
                        assert!((first..).zip(&numbers).all(|(a, b)| a == *b), "no hole");
                        assert!(first > before.deleted_to.get());
                        assert!(first <= after.deleted_to.get() + 1);
                    }
                    Err(error) => {
                        assert!(beside, "a reader of this process gets what it began to read");
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    }
                }
            }
        }
        4 => {
            let id = id("entity|2");
            let newest = store.load(&id, &SnapshotCriteria::ALL).await.unwrap();
            assert!(newest.is_none_or(|newest| newest.payload.bytes.len() == 3_000));
        }
        _ => drop(store.verify().await.unwrap()),
    }
}
