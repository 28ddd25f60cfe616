//! Backups: what was durable when one began, whole, while writes go on; an interrupted one is no store
//! and is made again.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use annals_core::{
    Append, AppendId, Envelope, ErrorKind, Journal, NewEvent, OffsetRevision, OffsetStore, Payload,
    PersistenceId, ReadJournal, Scope, SeqNr, SerializerId, Snapshot, SnapshotCriteria,
    SnapshotStore, Tag, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

use crate::model::{Contents, read_everything};
use crate::seed::{Named, Random, seeds};
use crate::sim::{Call, Fault, SimDisk, SimStorage, Undecided};
use crate::workload::Workload;

fn settings() -> Settings {
    Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN)
}

fn open(path: &Path) -> Arc<EmbeddedStore> {
    EmbeddedStore::builder(path).settings(settings()).open().expect("the store opens")
}

fn read_only(path: &Path) -> annals_core::Result<Arc<EmbeddedStore>> {
    EmbeddedStore::builder(path).settings(settings()).open_read_only()
}

fn in_simulation(disk: SimDisk) -> (SimStorage, annals_core::Result<Arc<EmbeddedStore>>) {
    let storage = SimStorage::of(disk);
    let opened = EmbeddedStore::builder("simulation")
        .settings(settings())
        .storage(Arc::new(storage.clone()))
        .open();
    (storage, opened)
}

fn id(number: u64) -> PersistenceId {
    PersistenceId::new(format!("account|{}", number % 7)).unwrap()
}

/// Appends event `number` of all, which are spread over seven ids.
async fn append(store: &EmbeddedStore, number: u64) {
    let payload = Payload::new(SerializerId::BYTES, "", vec![(number % 251) as u8; 900]);
    let event = NewEvent::new(payload, Timestamp::from_millis(number as i64))
        .with_tags([Tag::new("all").unwrap()].into_iter().collect());
    let after = SeqNr::new(number / 7).unwrap();
    let (append_id, writer) = (AppendId::new(number.into()), WriterId::new("w"));
    let append = Append::new(append_id, id(number), after, writer, vec![event]).unwrap();
    store.append(append).await.expect("it is stored");
}

async fn filled(store: &EmbeddedStore, events: u64) {
    for number in 0..events {
        append(store, number).await;
    }
    let payload = Payload::new(SerializerId::BYTES, "", vec![7; 10]);
    let (seq_nr, timestamp) = (SeqNr::new(3).unwrap(), Timestamp::from_millis(9));
    store
        .save(Snapshot { persistence_id: id(0), seq_nr, timestamp, payload, metadata: None })
        .await
        .unwrap();
    store.delete_to(&id(0), SeqNr::new(2).unwrap()).await.unwrap();
    let end = ReadJournal::end(store, &Scope::All).await.unwrap().unwrap();
    store.save_offset("board", OffsetRevision::NONE, end).await.unwrap();
}

/// Everything in `store`.
async fn contents(store: &EmbeddedStore) -> (Contents, Vec<Envelope>) {
    read_everything(store, &Workload::ids()).await.expect("it can be read")
}

async fn events(store: &EmbeddedStore) -> Vec<Envelope> {
    let (mut after, mut events) = (None, Vec::new());
    loop {
        let page = store.page(&Scope::All, after.as_ref(), None, 1000).await.expect("a page");
        events.extend_from_slice(page.events());
        after = page.next().cloned().or(after);
        if page.at_end() {
            return events;
        }
    }
}

#[tokio::test]
async fn a_backup_is_opened_like_the_store_and_goes_on_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (store_path, path) = (directory.path().join("store"), directory.path().join("new/backup"));
    let store = open(&store_path);
    filled(&store, 400).await;
    let made = store.backup(&path).await.unwrap();
    assert!(made.segments > 4 && made.files_linked > 4, "{made:?}");
    let before = contents(&store).await;
    append(&store, 400).await;

    let backup = read_only(&path).unwrap();
    let verified = backup.verify().await.unwrap();
    assert_eq!(verified.segments, made.segments);
    assert_eq!(contents(&backup).await, before);

    let restored = open(&path);
    assert_eq!(contents(&restored).await, before);
    for number in 400..600 {
        append(&restored, number).await;
    }
    let newest = restored.load(&id(0), &SnapshotCriteria::ALL).await.unwrap().unwrap();
    assert_eq!(newest.seq_nr, SeqNr::new(3).unwrap());
    restored.verify().await.unwrap();
    restored.close().await.unwrap();

    assert_eq!(events(&store).await.len(), 399, "the store does not see what its backup got");
    store.verify().await.unwrap();
    store.close().await.unwrap();
    open(&store_path).verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_and_a_backup_holds_what_was_durable_when_it_began() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    append(&store, 0).await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
    let writing = tokio::spawn({
        let (store, stop, acknowledged) = (store.clone(), stop.clone(), acknowledged.clone());
        async move {
            let mut number = 1;
            while !stop.load(Ordering::SeqCst) {
                append(&store, number).await;
                number += 1;
                acknowledged.store(number, Ordering::SeqCst);
            }
        }
    });
    let mut counts = Vec::new();
    for round in 0..8_u64 {
        while acknowledged.load(Ordering::SeqCst) < round * 60 {
            tokio::task::yield_now().await;
        }
        let path = directory.path().join(format!("backup-{round}"));
        let durable = acknowledged.load(Ordering::SeqCst);
        store.backup(&path).await.unwrap();
        let backup = read_only(&path).unwrap();
        backup.verify().await.unwrap();
        let (held, all) = (events(&backup).await, events(&store).await);
        assert!(held.len() as u64 >= durable, "{} of {durable}", held.len());
        assert_eq!(held, all[..held.len()], "it is a prefix of the store");
        counts.push(held.len());
    }
    assert!(counts[0] < counts[7], "writes went on: {counts:?}");
    stop.store(true, Ordering::SeqCst);
    writing.await.unwrap();
}

#[tokio::test]
async fn what_never_changes_is_shared_and_the_rest_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (store_path, path) = (directory.path().join("store"), directory.path().join("backup"));
    let store = open(&store_path);
    filled(&store, 300).await;
    let made = store.backup(&path).await.unwrap();
    let mut shared = 0;
    for entry in std::fs::read_dir(&path).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let inode = |directory: &Path| Some(std::fs::metadata(directory.join(&name)).ok()?.ino());
        let same = inode(&path) == inode(&store_path);
        let last = name == format!("{:010}.seg", made.segments);
        assert!(!same || !(last || name == "end" || name == "lock"), "{name} is shared");
        shared += u64::from(same && name.ends_with(".seg"));
    }
    assert_eq!(shared, made.segments - 1);
    assert!(made.files_linked >= shared && made.files_copied == 1, "{made:?}");
}

#[tokio::test]
async fn a_store_that_is_open_read_only_is_backed_up_beside_its_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let beside = read_only(&directory.path().join("store")).unwrap();
    filled(&store, 300).await;
    beside.backup(directory.path().join("backup")).await.unwrap();
    let backup = read_only(&directory.path().join("backup")).unwrap();
    backup.verify().await.unwrap();
    assert_eq!(contents(&backup).await, contents(&store).await);
}

#[tokio::test]
async fn a_directory_that_holds_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    filled(&store, 20).await;
    let other = directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter.txt"), "dear").unwrap();
    let backup = directory.path().join("backup");
    store.backup(&backup).await.unwrap();
    for taken in [&path, &other, &backup] {
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(taken).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let refused = store.backup(taken).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        assert_eq!(names(), before);
    }
    read_only(&backup).unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn a_store_with_damage_is_not_backed_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    filled(&store, 20).await;
    let newest = store.locate_event(&id(19), SeqNr::new(3).unwrap());
    let (name, byte) = newest.unwrap().unwrap();
    store.abandon();
    let mut bytes = std::fs::read(path.join(&name)).unwrap();
    bytes[byte as usize + 40] ^= 1;
    std::fs::write(path.join(&name), bytes).unwrap();
    let damaged = read_only(&path).unwrap();
    let backup = directory.path().join("backup");
    let refused = damaged.backup(&backup).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert_eq!(read_only(&backup).unwrap_err().kind(), ErrorKind::Invalid);
}

/// What is left of `disk` when power is lost, with `choose` deciding.
fn lose_power(disk: &SimDisk, mut choose: impl FnMut(Undecided) -> usize) -> SimDisk {
    disk.lose_power(&mut choose)
}

#[tokio::test]
async fn a_backup_that_loses_power_anywhere_is_no_store_or_whole_and_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    filled(&store, 80).await;
    let expected = contents(&store).await;
    let target = SimStorage::default();
    store.backup_into(&target).unwrap();
    let latest = |item: Undecided| match item {
        Undecided::Page { versions, .. } => versions,
        Undecided::Name { .. } => 1,
    };
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let mut random = Random::new(seed);
        let (mut seen, mut whole, mut unfinished) = (HashSet::new(), 0, 0);
        let (mut disk, history) = target.history();
        for place in 0..=history.len() {
            let mut cut = disk.clone();
            if let Some(operation) = history.get(place) {
                cut.begin(operation);
                disk.apply(operation);
            }
            let some = lose_power(&cut, |item| random.below(latest(item) + 1));
            for left in [lose_power(&cut, |_| 0), lose_power(&cut, latest), some] {
                if !seen.insert(left.fingerprint(|_| false)) {
                    continue;
                }
                if left.find("end").is_some() {
                    let (_, restored) = in_simulation(left);
                    let restored = restored.expect("a backup with an end is whole");
                    assert_eq!(contents(&restored).await, expected);
                    whole += 1;
                    continue;
                }
                if left.find("backup-unfinished").is_some() {
                    let (_, refused) = in_simulation(left.clone());
                    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
                } else {
                    assert_eq!(left.names().count(), 0, "the mark comes first");
                }
                unfinished += 1;
                let again = SimStorage::of(left);
                store.backup_into(&again).expect("an interrupted backup is made again");
                let (_, restored) = in_simulation(again.disk());
                assert_eq!(contents(&restored.unwrap()).await, expected);
            }
        }
        assert!(whole >= 1 && unfinished > 10, "{whole} whole, {unfinished} unfinished");
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_says_so_and_leaves_the_store_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    filled(&store, 100).await;
    let expected = contents(&store).await;
    for call in [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::SyncDirectory] {
        for skip in [0, 1, 3] {
            let target = SimStorage::default();
            target.inject(Fault { after: skip, ..Fault::next(call, "") });
            let failed = store.backup_into(&target);
            if target.all_faults_happened() {
                let error = failed.expect_err("the failure is told");
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{call:?} {skip}: {error}");
            }
            target.heal();
            if target.disk().find("end").is_some() {
                continue;
            }
            store.backup_into(&target).expect("it is made again");
            let (_, restored) = in_simulation(target.disk());
            assert_eq!(contents(&restored.unwrap()).await, expected);
        }
    }
    append(&store, 100).await;
}
