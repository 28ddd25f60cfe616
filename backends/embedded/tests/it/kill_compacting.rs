//! kill -9 while entities delete most of what they append and the segments are compacted all the time:
//! nothing that was acknowledged is lost, nothing that was deleted comes back, and every frame is whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendId, Bounds, Journal, JournalExt, NewEvent, Payload, PersistenceId, ReadJournal,
    Scope, SeqNr, SeqRange, SerializerId, Timestamp, WriterId,
};
use annals_embedded::{Compaction, EmbeddedStore, Settings};

use crate::child;
use crate::model::id;
use crate::seed::{Named, Random, long, seeds};

const TASKS: usize = 12;
/// How many of its last events an entity keeps when it deletes.
const KEPT: u64 = 3;

fn open(directory: &Path) -> Arc<EmbeddedStore> {
    let greedy = Compaction::default().with_percent_min(10).with_bytes_per_second_max(u32::MAX);
    let settings =
        Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN).with_compaction(greedy);
    EmbeddedStore::builder(directory).settings(settings).open().expect("it opens by itself")
}

fn entity(task: usize) -> PersistenceId {
    id(&format!("entity|{task}"))
}

/// Event `seq_nr`, the same whenever it is made.
fn event(task: usize, seq_nr: u64) -> NewEvent {
    let mut random = Random::new(task as u64 | seq_nr << 16);
    let bytes = random.below(2_000);
    let payload = Payload::new(SerializerId::BYTES, "", random.bytes(bytes));
    NewEvent::new(payload, Timestamp::from_millis(seq_nr as i64))
}

/// The child: tells each append and each delete that is acknowledged, until it is killed.
async fn run_until_killed(directory: &Path) {
    let store = open(directory);
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(append_and_delete(store.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn append_and_delete(store: Arc<EmbeddedStore>, task: usize) {
    let id = entity(task);
    let writer = WriterId::new(std::process::id().to_string());
    let mut after = store.bounds(&id).await.unwrap().highest;
    loop {
        let append_id = AppendId::new(u128::from(after.get()) << 64 | task as u128);
        let event = event(task, after.get() + 1);
        let append = Append::new(append_id, id.clone(), after, writer.clone(), vec![event]);
        after = store.append(append.unwrap()).await.unwrap().last;
        child::tell(&format!("appended {task} {after}"));
        if after.get() % 8 == 0 {
            let deleted_to = SeqNr::new(after.get() - KEPT).unwrap();
            store.delete_to(&id, deleted_to).await.unwrap();
            child::tell(&format!("deleted {task} {deleted_to}"));
        }
    }
}

/// What was acknowledged, by task.
#[derive(Debug, Default)]
struct Acknowledged {
    highest: BTreeMap<usize, u64>,
    deleted_to: BTreeMap<usize, u64>,
}

impl Acknowledged {
    fn hear(&mut self, told: &[String]) {
        for line in told {
            let mut words = line.split(' ');
            let what = words.next().unwrap();
            let task = words.next().unwrap().parse().unwrap();
            let number = words.next().unwrap().parse().unwrap();
            let numbers = if what == "appended" { &mut self.highest } else { &mut self.deleted_to };
            let last = numbers.insert(task, number);
            assert!(last.is_none_or(|last| last < number), "{what} in order: {line}");
        }
    }

    async fn check(&self, store: &EmbeddedStore) {
        let mut stored = BTreeMap::new();
        for task in 0..TASKS {
            let id = entity(task);
            let Bounds { deleted_to, highest } = store.bounds(&id).await.unwrap();
            let of = |numbers: &BTreeMap<usize, u64>| numbers.get(&task).copied().unwrap_or(0);
            assert!(highest.get() >= of(&self.highest), "{id}: {highest}, {self:?}");
            assert!(deleted_to.get() >= of(&self.deleted_to), "{id}: {deleted_to}, {self:?}");
            let events = store.read_all(&id, SeqRange::ALL).await.unwrap();
            let numbers: Vec<_> = events.iter().map(|event| event.seq_nr.get()).collect();
            let expected: Vec<_> = (deleted_to.get() + 1..=highest.get()).collect();
            assert_eq!(numbers, expected, "{id} has what is not deleted");
            for found in events {
                let whole = found.payload == event(task, found.seq_nr.get()).payload;
                assert!(whole, "{id} {} is as it was appended", found.seq_nr);
            }
            stored.insert(id, numbers);
        }
        assert_eq!(in_the_log(store).await, stored, "the log holds each event once, in order");
    }
}

async fn in_the_log(store: &EmbeddedStore) -> BTreeMap<PersistenceId, Vec<u64>> {
    let mut found: BTreeMap<_, Vec<u64>> = (0..TASKS).map(|task| (entity(task), vec![])).collect();
    let mut after = None;
    loop {
        let page = store.page(&Scope::All, after.as_ref(), None, 1_000).await.unwrap();
        for envelope in page.events() {
            let numbers = found.entry(envelope.persistence_id.clone()).or_default();
            numbers.push(envelope.event.seq_nr.get());
        }
        if page.at_end() {
            return found;
        }
        after = page.next().cloned();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_stays_so_when_the_process_is_killed_at_compaction() {
    if let Some(directory) = child::directory() {
        return run_until_killed(&directory).await;
    }
    let rounds = if long() { 500 } else { 40 };
    let seed = seeds(1, 1)[0];
    let _named = Named(seed);
    let mut random = Random::new(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 1..=rounds {
        let test =
            "kill_compacting::what_is_deleted_stays_so_when_the_process_is_killed_at_compaction";
        let mut child = child::command(test, directory.path(), "").spawn().unwrap();
        let told = child::listen(&mut child);
        tokio::time::sleep(Duration::from_millis(20 + random.below(280) as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.hear(&told.join().unwrap());

        let store = open(directory.path());
        acknowledged.check(&store).await;
        if round % 10 == 0 {
            store.verify().await.expect("every byte is as it should be");
        }
        if random.percent(50) {
            store.close().await.unwrap();
        }
    }
    let store = open(directory.path());
    acknowledged.check(&store).await;
    let verified = store.verify().await.expect("every byte is as it should be");
    assert!(verified.segments_compacted > 0, "{verified:?}");
}
