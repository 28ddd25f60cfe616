//! What was acknowledged, compared with what is read afterwards.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use annals_cassandra::CassandraStore;
use annals_core::{
    Append, AppendId, Envelope, ErrorKind, Journal, JournalExt, NewEvent, Payload, PersistenceId,
    ReadJournal, Scope, SeqNr, SeqRange, SerializerId, StoredEvent, Tag, Timestamp, WriterId,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::support;

pub(crate) fn id(name: &str) -> PersistenceId {
    PersistenceId::new(format!("{}{name}", support::unique())).unwrap()
}

pub(crate) fn nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

/// An append whose events all say `text`.
pub(crate) fn append(
    id: &PersistenceId,
    after: SeqNr,
    writer: &str,
    text: &str,
    events: usize,
) -> Append {
    tagged(id, after, writer, text, events, None)
}

/// The same, of events with this tag.
pub(crate) fn tagged(
    id: &PersistenceId,
    after: SeqNr,
    writer: &str,
    text: &str,
    events: usize,
    tag: Option<&Tag>,
) -> Append {
    let payload = Payload::new(SerializerId::STRING, "", text.to_owned().into_bytes());
    let event =
        NewEvent::new(payload, Timestamp::UNKNOWN).with_tags(tag.into_iter().cloned().collect());
    let append_id = AppendId::new(rand::random());
    Append::new(append_id, id.clone(), after, WriterId::new(writer), vec![event; events]).unwrap()
}

pub(crate) async fn history(store: &CassandraStore, id: &PersistenceId) -> Vec<StoredEvent> {
    store.read_all(id, SeqRange::ALL).await.unwrap()
}

pub(crate) fn text(event: &StoredEvent) -> String {
    String::from_utf8(event.payload.bytes.to_vec()).unwrap()
}

/// What was acknowledged, by entity and number.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<BTreeMap<(PersistenceId, SeqNr), String>>);

impl Log {
    pub(crate) async fn acknowledged(&self, append: &Append) {
        let mut log = self.0.lock().await;
        let range = append.range();
        let text = append.events()[0].payload.bytes.to_vec();
        let text = String::from_utf8(text).unwrap();
        for number in range.from.get()..=range.to.get() {
            let before = log.insert((append.id().clone(), nr(number)), text.clone());
            assert!(before.is_none(), "{} {number} was acknowledged twice", append.id());
        }
    }

    pub(crate) async fn count(&self, id: &PersistenceId) -> usize {
        self.0.lock().await.keys().filter(|(of, _)| of == id).count()
    }

    /// The history has every acknowledged event at its number, no number twice, and no append torn or
    /// doubled. Gives how many were acknowledged.
    pub(crate) async fn agrees(&self, id: &PersistenceId, events: &[StoredEvent]) -> usize {
        let log = self.0.lock().await;
        let (mut seen, mut last) = (HashSet::new(), None);
        for (number, event) in (1..).zip(events) {
            assert_eq!(event.seq_nr, nr(number), "{id} has a hole or a double");
            let text = text(event);
            if last.as_ref() != Some(&text) {
                assert!(seen.insert(text.clone()), "{id}: {text} is stored twice");
                last = Some(text);
            }
        }
        let mut own = 0;
        for ((of, number), text_acknowledged) in log.iter().filter(|((of, _), _)| of == id) {
            let index = usize::try_from(number.get() - 1).unwrap();
            assert_eq!(
                events.get(index).map(text),
                Some(text_acknowledged.clone()),
                "{of} {number}"
            );
            own += 1;
        }
        own
    }
}

/// The events of one entity that a stream delivered are its whole history, each once and in order.
pub(crate) fn delivered_once(id: &PersistenceId, events: &[StoredEvent], delivered: &[Envelope]) {
    let of_id = delivered.iter().filter(|envelope| envelope.persistence_id == *id);
    let found: Vec<_> = of_id.map(|found| (found.event.seq_nr.get(), text(&found.event))).collect();
    let wanted: Vec<_> = events.iter().map(|event| (event.seq_nr.get(), text(event))).collect();
    assert_eq!(found, wanted, "what the stream delivered of {id}");
}

/// One who appends to an entity until told to stop.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) store: CassandraStore,
    pub(crate) id: PersistenceId,
    pub(crate) name: String,
    pub(crate) tag: Option<Tag>,
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    /// Between two appends.
    pub(crate) pause: Duration,
}

/// Tells writers to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that tells so after a while.
    pub(crate) fn after(duration: Duration) -> Self {
        let stop = Self::default();
        let later = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            later.tell();
        });
        stop
    }

    pub(crate) fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long a test waits for what should come soon, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

impl Writer {
    /// Appends, whatever happens; each text once. Who was fenced waits a while, or two processes would
    /// take the entity from each other for ever.
    pub(crate) async fn write(self) {
        let Self { store, id, name, tag, log, stop, pause } = self;
        let mut count = 0;
        let mut lost = 0;
        // On a machine that is busy the one may take long to get anything done before the other comes.
        let patience = Instant::now() + PATIENCE;
        while !stop.is_told() || (Instant::now() < patience && log.count(&id).await == 0) {
            let writer = format!("{name}-{count}");
            let begun = store.begin(&id, &WriterId::new(writer.as_str())).await;
            let Ok(bounds) = begun else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut after = bounds.highest;
            while !stop.is_told() {
                count += 1;
                let events = if count % 3 == 0 { 2 } else { 1 };
                let text = format!("{name}:{count}");
                let append = tagged(&id, after, &writer, &text, events, tag.as_ref());
                let mut answer = store.append(append.clone()).await;
                for _ in 0..5 {
                    // The very same append says what became of it.
                    let unknown = |e: &annals_core::Error| e.kind() == ErrorKind::OutcomeUnknown;
                    if !answer.as_ref().is_err_and(unknown) {
                        break;
                    }
                    answer = store.append(append.clone()).await;
                }
                match answer {
                    Ok(receipt) => {
                        log.acknowledged(&append).await;
                        (after, lost) = (receipt.last, 0);
                        tokio::time::sleep(pause).await;
                    }
                    Err(_) => {
                        lost = 5.min(lost + 1);
                        let wait = u64::from(rand::random::<u8>()) << lost;
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                        break;
                    }
                }
            }
        }
    }
}

/// Follows a tag, over whatever errors, until it is told that nothing more comes: gives all events, and
/// how often it failed.
#[derive(Debug)]
pub(crate) struct Follower {
    stop: Stop,
    task: tokio::task::JoinHandle<Vec<Envelope>>,
    delivered: Arc<AtomicUsize>,
}

impl Follower {
    pub(crate) fn start(store: CassandraStore, tag: &Tag) -> Self {
        let (stop, delivered) = (Stop::default(), Arc::new(AtomicUsize::new(0)));
        let (told, count, scope) = (stop.clone(), delivered.clone(), Scope::Tag(tag.clone()));
        let task = tokio::spawn(async move {
            let (mut after, mut found) = (None, Vec::new());
            while !told.is_told() {
                match store.page(&scope, after.as_ref(), None, 100).await {
                    Ok(page) => {
                        found.extend(page.events().iter().cloned());
                        count.store(found.len(), Ordering::Relaxed);
                        after = page.next().cloned();
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            found
        });
        Self { stop, task, delivered }
    }

    /// What it delivered, once that is `count` events, or nothing came for long; and some time more.
    pub(crate) async fn delivered(self, count: usize) -> Vec<Envelope> {
        let mut patience = Instant::now() + PATIENCE;
        let mut last = 0;
        loop {
            let now = self.delivered.load(Ordering::Relaxed);
            if now >= count || Instant::now() > patience {
                break;
            }
            if now > last {
                (last, patience) = (now, Instant::now() + PATIENCE);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.stop.tell();
        self.task.await.unwrap()
    }
}
