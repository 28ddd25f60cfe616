//! kill -9 at random moments, round after round in one directory: the store opens by itself, and
//! nothing that was acknowledged is lost or doubled, nothing is there by halves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{
    Append, AppendId, Journal, JournalExt, NewEvent, Offset, Payload, ReadJournal, Scope, SeqNr,
    SeqRange, SerializerId, Tag, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

use crate::child;
use crate::model::id;
use crate::seed::{Named, Random, long, seeds};

const TASKS: usize = 24;
const OPENED: &str = "opened";

fn open(directory: &Path) -> Arc<EmbeddedStore> {
    let settings = Settings::default().with_segment_bytes(128 << 10);
    EmbeddedStore::builder(directory).settings(settings).open().expect("it opens by itself")
}

fn name(task: usize) -> String {
    format!("entity|{task}")
}

/// How many events the append has that begins behind `after`: known to both sides, so that half an
/// append can be told.
fn count_behind(task: usize, after: u64) -> u64 {
    1 + Random::new(task as u64 ^ after << 8).next() % 4
}

/// Event `seq_nr`, the same whenever it is made.
fn event(task: usize, seq_nr: u64) -> NewEvent {
    let mut random = Random::new(task as u64 | seq_nr << 16);
    let long = if random.percent(5) { 5_000 } else { 300 };
    let bytes = 16 + random.below(long);
    let payload = Payload::new(SerializerId::BYTES, "", random.bytes(bytes));
    let tag = Tag::new(format!("tag {}", seq_nr % 3)).unwrap();
    NewEvent::new(payload, Timestamp::from_millis(seq_nr as i64))
        .with_tags([tag].into_iter().collect())
}

/// The child: appends with many tasks, and tells what is acknowledged, until it is killed.
async fn append_until_killed(directory: &Path) {
    let store = open(directory);
    child::tell(OPENED);
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(append_to_one(store.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn append_to_one(store: Arc<EmbeddedStore>, task: usize) {
    let id = id(&name(task));
    let writer = WriterId::new(std::process::id().to_string());
    let mut after = store.bounds(&id).await.unwrap().highest;
    loop {
        let count = count_behind(task, after.get());
        let events = (1..=count).map(|number| event(task, after.get() + number)).collect();
        let append_id = AppendId::new(u128::from(after.get()) << 64 | task as u128);
        let append = Append::new(append_id, id.clone(), after, writer.clone(), events).unwrap();
        after = store.append(append).await.unwrap().last;
        child::tell(&format!("{task} {after}"));
    }
}

/// What the parent knows.
#[derive(Debug, Default)]
struct Known {
    /// The highest number acknowledged, by task.
    acknowledged: BTreeMap<usize, u64>,
    /// The highest number that was checked, by task.
    checked: BTreeMap<usize, u64>,
    /// Where the log was read up to, and how many events that were.
    offset: Option<Offset>,
    walked: u64,
    rounds_opened: usize,
}

impl Known {
    fn hear(&mut self, told: Vec<String>) {
        for line in told {
            if line == OPENED {
                self.rounds_opened += 1;
                continue;
            }
            let (task, highest) = line.split_once(' ').expect("a task and a number");
            let (task, highest) = (task.parse().unwrap(), highest.parse().unwrap());
            let last = self.acknowledged.insert(task, highest);
            assert!(last.is_none_or(|last| last < highest), "acknowledged in order");
        }
    }

    /// Checks what is new since the last round.
    async fn check(&mut self, store: &EmbeddedStore) {
        let mut stored = 0;
        for task in 0..TASKS {
            let id = id(&name(task));
            let highest = store.bounds(&id).await.unwrap().highest.get();
            let acknowledged = self.acknowledged.get(&task).copied().unwrap_or(0);
            assert!(highest >= acknowledged, "{id}: {acknowledged} was acknowledged: {highest}");
            stored += highest;
            let checked = self.checked.insert(task, highest).unwrap_or(0);
            let mut boundary = checked;
            while boundary < highest {
                boundary += count_behind(task, boundary);
            }
            assert_eq!(boundary, highest, "{id} holds no half append");
            let range = SeqRange::from(SeqNr::new(checked + 1).unwrap());
            let events = store.read_all(&id, range).await.unwrap();
            let numbers = events.iter().map(|event| event.seq_nr.get());
            assert!(numbers.eq(checked + 1..=highest), "{id} is whole and in order");
            for found in events {
                let expected = event(task, found.seq_nr.get());
                assert!(found.payload == expected.payload, "{id} {}", found.seq_nr);
            }
        }
        self.walk(store).await;
        assert_eq!(self.walked, stored, "the log holds each event once");
    }

    async fn walk(&mut self, store: &EmbeddedStore) {
        loop {
            let after = self.offset.take();
            let page = store.page(&Scope::All, after.as_ref(), None, 10_000).await.unwrap();
            self.walked += page.events().len() as u64;
            self.offset = page.next().cloned().or(after);
            if page.at_end() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let Some(directory) = child::directory() {
        return append_until_killed(&directory).await;
    }
    let rounds = if long() { 1_000 } else { 100 };
    let seed = seeds(1, 1)[0];
    let _named = Named(seed);
    let mut random = Random::new(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    for round in 1..=rounds {
        let test = "kill::nothing_acknowledged_is_lost_when_the_process_is_killed";
        let mut child = child::command(test, directory.path(), "").spawn().unwrap();
        let told = child::listen(&mut child);
        // Most moments are early ones, some while the store is still being opened.
        let most = random.below(295);
        let delay = Duration::from_millis(5 + random.below(most + 1) as u64);
        tokio::time::sleep(delay).await;
        child.kill().unwrap();
        child.wait().unwrap();
        known.hear(told.join().unwrap());

        let store = open(directory.path());
        known.check(&store).await;
        if round % 50 == 0 {
            store.verify().await.expect("every byte is as it should be");
        }
        if random.percent(50) {
            store.close().await.unwrap();
        }
    }
    let everything = Known { acknowledged: known.acknowledged.clone(), ..Known::default() };
    let mut everything = everything;
    everything.check(&open(directory.path())).await;
    let events: u64 = known.acknowledged.values().sum();
    assert!(known.rounds_opened > rounds / 4, "{} rounds got to append", known.rounds_opened);
    assert!(events > rounds as u64 * 20, "{events} events were acknowledged");
}
