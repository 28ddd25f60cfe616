//! `fencing = claims` on a real server: hand-over, writers that die at any moment, two processes on the
//! same entities. Each keeps what was acknowledged and compares it with what is read afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, PartitionSize};
use annals_core::{
    Append, AppendId, ErrorKind, Journal, JournalExt, NewEvent, Payload, PersistenceId, SeqNr,
    SeqRange, SerializerId, StoredEvent, Timestamp, WriterId,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::support;

fn settings(name: &str) -> CassandraSettings {
    let mut settings = support::settings(name).with_fencing(Fencing::Claims);
    // Appends often cross a boundary.
    settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
    settings
}

fn id(name: &str) -> PersistenceId {
    PersistenceId::new(format!("{}{name}", support::unique())).unwrap()
}

fn nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

/// An append whose events all say `text`.
fn append(id: &PersistenceId, after: SeqNr, writer: &str, text: &str, events: usize) -> Append {
    let payload = Payload::new(SerializerId::STRING, "", text.to_owned().into_bytes());
    let events = vec![NewEvent::new(payload, Timestamp::UNKNOWN); events];
    let append_id = AppendId::new(rand::random());
    Append::new(append_id, id.clone(), after, WriterId::new(writer), events).unwrap()
}

async fn history(store: &CassandraStore, id: &PersistenceId) -> Vec<StoredEvent> {
    store.read_all(id, SeqRange::ALL).await.unwrap()
}

fn text(event: &StoredEvent) -> String {
    String::from_utf8(event.payload.bytes.to_vec()).unwrap()
}

/// What was acknowledged, by entity and number.
#[derive(Debug, Default)]
struct Log(Mutex<BTreeMap<(PersistenceId, SeqNr), String>>);

impl Log {
    async fn acknowledged(&self, append: &Append) {
        let mut log = self.0.lock().await;
        let range = append.range();
        let text = append.events()[0].payload.bytes.to_vec();
        let text = String::from_utf8(text).unwrap();
        for number in range.from.get()..=range.to.get() {
            let before = log.insert((append.id().clone(), nr(number)), text.clone());
            assert!(before.is_none(), "{} {number} was acknowledged twice", append.id());
        }
    }

    async fn knows(&self, id: &PersistenceId) -> bool {
        self.0.lock().await.keys().any(|(of, _)| of == id)
    }

    /// The history has every acknowledged event at its number, no number twice, and no append torn or
    /// doubled.
    async fn agrees(&self, id: &PersistenceId, events: &[StoredEvent]) -> usize {
        let log = self.0.lock().await;
        let mut seen: Vec<String> = Vec::new();
        for (number, event) in (1..).zip(events) {
            assert_eq!(event.seq_nr, nr(number), "{id} has a hole or a double");
            let text = text(event);
            if seen.last() != Some(&text) {
                assert!(!seen.contains(&text), "{id}: {text} is stored twice");
                seen.push(text);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_handed_over_and_back() {
    let one = support::open(settings("claims_t")).await.unwrap();
    let two = support::open(settings("claims_t")).await.unwrap();
    let id = id("handed-over");
    let log = Log::default();
    for round in 0..10 {
        let (owner, other) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let writer = format!("w{round}");
        let bounds = owner.begin(&id, &WriterId::new(writer.as_str())).await.unwrap();
        assert_eq!(bounds.highest, nr(round * 3));
        let first = append(&id, bounds.highest, &writer, &format!("{round}-a"), 2);
        owner.append(first.clone()).await.unwrap();
        log.acknowledged(&first).await;
        assert_eq!(other.bounds(&id).await.unwrap().highest, nr(round * 3 + 2));
        let second = append(&id, nr(round * 3 + 2), &writer, &format!("{round}-b"), 1);
        owner.append(second.clone()).await.unwrap();
        log.acknowledged(&second).await;
    }
    let events = history(&one, &id).await;
    assert_eq!(log.agrees(&id, &events).await, 30);
    assert_eq!(events[29].writer, WriterId::new("w9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_taken_over_is_fenced() {
    let one = support::open(settings("claims_t")).await.unwrap();
    let two = support::open(settings("claims_t")).await.unwrap();
    let id = id("fenced");
    one.begin(&id, &WriterId::new("old")).await.unwrap();
    one.append(append(&id, nr(0), "old", "a", 1)).await.unwrap();
    two.begin(&id, &WriterId::new("new")).await.unwrap();
    two.append(append(&id, nr(1), "new", "b", 1)).await.unwrap();

    // It knows nothing of the other: at the same number, and where the other ended.
    let stale = one.append(append(&id, nr(1), "old", "c", 1)).await.unwrap_err();
    let late = one.append(append(&id, nr(1), "old", "d", 1)).await.unwrap_err();

    assert_eq!(stale.kind(), ErrorKind::Fenced, "{stale}");
    assert_eq!(late.kind(), ErrorKind::Conflict { highest: nr(2) }, "{late}");
    let texts: Vec<_> = history(&two, &id).await.iter().map(text).collect();
    assert_eq!(texts, ["a", "b"]);
}

/// Appends until told to stop, whatever happens; each text once. Who was fenced waits a while, or two
/// processes would take the entity from each other for ever.
async fn write(
    store: CassandraStore,
    id: PersistenceId,
    name: String,
    log: Arc<Log>,
    end: Instant,
) {
    let mut count = 0;
    let mut lost = 0;
    // On a machine that is busy the one may take long to get anything done before the other comes.
    let patience = end + Duration::from_secs(60);
    while Instant::now() < end || (Instant::now() < patience && !log.knows(&id).await) {
        let writer = format!("{name}-{count}");
        let Ok(bounds) = store.begin(&id, &WriterId::new(writer.as_str())).await else { continue };
        let mut after = bounds.highest;
        while Instant::now() < end {
            count += 1;
            let events = if count % 3 == 0 { 2 } else { 1 };
            let append = append(&id, after, &writer, &format!("{name}:{count}"), events);
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
                }
                Err(_) => {
                    lost = 5.min(lost + 1);
                    let pause = u64::from(rand::random::<u8>()) << lost;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    break;
                }
            }
        }
    }
}

fn duration() -> Duration {
    let long = std::env::var_os("ANNALS_LONG").is_some();
    Duration::from_secs(if long { 30 } else { 5 })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_the_same_entities_lose_nothing() {
    let log = Arc::new(Log::default());
    let ids = [id("shared-1"), id("shared-2")];
    let end = Instant::now() + duration();
    let mut writers = tokio::task::JoinSet::new();
    for process in ["one", "two"] {
        let store = support::open(settings("claims_t")).await.unwrap();
        for id in &ids {
            let (store, id, log) = (store.clone(), id.clone(), log.clone());
            writers.spawn(write(store, id, process.to_owned(), log, end));
        }
    }
    writers.join_all().await;
    let reader = support::open(settings("claims_t")).await.unwrap();
    for id in &ids {
        let acknowledged = log.agrees(id, &history(&reader, id).await).await;
        assert!(acknowledged > 0, "nothing of {id} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_die_at_any_moment_lose_nothing() {
    let log = Arc::new(Log::default());
    let id = id("killed");
    let end = Instant::now() + duration();
    let mut killed = 0;
    while Instant::now() < end {
        let store = support::open(settings("claims_t")).await.unwrap();
        let name = format!("p{killed}");
        let writer = tokio::spawn(write(store, id.clone(), name, log.clone(), end));
        let micros = u64::from(rand::random::<u16>()) * 4;
        tokio::time::sleep(Duration::from_micros(micros)).await;
        // It ends at whatever it waits for: within a claim, an insert or a check.
        writer.abort();
        if let Err(error) = writer.await {
            assert!(error.is_cancelled(), "{error}");
        }
        killed += 1;
    }
    let last = support::open(settings("claims_t")).await.unwrap();
    let bounds = last.begin(&id, &WriterId::new("last")).await.unwrap();
    let append = append(&id, bounds.highest, "last", "last", 1);
    last.append(append.clone()).await.unwrap();
    log.acknowledged(&append).await;
    log.agrees(&id, &history(&last, &id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_fencing_does_not_open_the_same_tables() {
    support::open(settings("claims_t")).await.unwrap();
    for fencing in [Fencing::Lwt, Fencing::Off] {
        let error = support::open(settings("claims_t").with_fencing(fencing)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

/// The nodes of a server of the test's own: three on request, else one.
enum Nodes {
    One(annals_servers::Cassandra),
    Three(Box<annals_servers::CassandraCluster>),
}

impl Nodes {
    fn start() -> Self {
        // With periodic syncs a node that is killed may forget the last writes that it acknowledged: no
        // fencing could bring them back.
        let options = annals_servers::CassandraOptions::default()
            .with_heap("384M")
            .with_setting("commitlog_sync", "batch")
            .with_setting("commitlog_sync_period", "0ms");
        if std::env::var_os("ANNALS_LONG").is_some() {
            let cluster = annals_servers::CassandraCluster::start(&options).unwrap();
            return Self::Three(Box::new(cluster));
        }
        Self::One(annals_servers::Cassandra::start(&options).unwrap())
    }

    fn all(&self) -> &[annals_servers::Cassandra] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Three(cluster) => cluster.nodes(),
        }
    }

    /// Kills a node and lets it come back, then stops another's time for a while.
    fn hurt(&self, pause: Duration) {
        let (first, last) = (self.all().first().unwrap(), self.all().last().unwrap());
        std::thread::sleep(pause);
        last.kill().unwrap();
        std::thread::sleep(pause);
        last.start_again().unwrap();
        std::thread::sleep(pause);
        first.pause().unwrap();
        std::thread::sleep(pause);
        first.resume().unwrap();
        std::thread::sleep(pause);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_die_and_stand_still() {
    let nodes = Arc::new(tokio::task::spawn_blocking(Nodes::start).await.unwrap());
    let addresses: Vec<String> = nodes.all().iter().map(|node| node.address().to_owned()).collect();
    let mut settings = settings("claims_n");
    let factor = u32::try_from(addresses.len()).unwrap();
    settings.journal.creation.replication_factor = factor;
    settings.snapshot.creation.replication_factor = factor;
    let builder = || CassandraStore::builder(addresses.clone()).settings(settings.clone());
    builder().create_schema().await.unwrap();
    let log = Arc::new(Log::default());
    let ids = [id("one's"), id("two's"), id("both's")];
    let pause = duration() / 5;
    let end = Instant::now() + pause * 10;
    let mut writers = tokio::task::JoinSet::new();
    for (process, mine) in [("one", &ids[0]), ("two", &ids[1])] {
        let store = builder().open().await.unwrap();
        for id in [mine, &ids[2]] {
            let (store, id, log) = (store.clone(), id.clone(), log.clone());
            writers.spawn(write(store, id, process.to_owned(), log, end));
        }
    }

    let hurt = nodes.clone();
    tokio::task::spawn_blocking(move || hurt.hurt(pause)).await.unwrap();
    writers.join_all().await;

    let reader = builder().open().await.unwrap();
    for id in &ids {
        let events = history(&reader, id).await;
        let acknowledged = log.agrees(id, &events).await;
        eprintln!("{id}: {acknowledged} acknowledged, {} stored", events.len());
        assert!(acknowledged > 0, "nothing of {id} was acknowledged");
    }
}

/// Rows that are gone from the middle are told, also past the claim's begin: that an end was reached would
/// be a wrong answer. (Of the last append nothing tells that it was there.)
#[tokio::test]
async fn events_that_are_missing_in_the_middle_are_corrupt() {
    let settings = settings("claims_missing");
    let store = support::open(settings.clone()).await.unwrap();
    let session = support::session().await;
    for missing in [1_i64, 2, 5, 8, 14] {
        let id = id("missing");
        for after in 0..15 {
            let append = append(&id, SeqNr::new(after).unwrap(), "writer", "x", 1);
            store.append(append).await.unwrap();
        }
        let (keyspace, table) = (&settings.journal.keyspace, &settings.journal.table);
        let lost = format!(
            "DELETE FROM {keyspace}.{table} WHERE persistence_id = ? AND partition_nr = ? AND \
             sequence_nr = ?"
        );
        for partition in [(missing - 1) / 7, (missing - 1) / 7 + 1] {
            session.query_unpaged(&*lost, (id.as_str(), partition, missing)).await.unwrap();
        }

        let error = store.read_all(&id, SeqRange::ALL).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&format!("event {missing} of")), "{error}");
        let before = SeqRange::new(nr(1), nr(u64::try_from(missing - 1).unwrap()));
        let whole = store.read_all(&id, before).await.unwrap();
        assert_eq!(i64::try_from(whole.len()).unwrap(), missing - 1, "what precedes it is there");
    }
}

#[tokio::test]
async fn a_reader_leaves_no_trace() {
    let settings = settings("claims_read");
    let store = support::open(settings.clone()).await.unwrap();
    let id = id("read");
    store.append(append(&id, nr(0), "writer", "x", 3)).await.unwrap();
    let session = support::session().await;
    let written = async || {
        let keyspace = &settings.journal.keyspace;
        let mut counts = Vec::new();
        for table in ["annals_writers", "annals_claims", "messages"] {
            let cql = format!("SELECT count(*) FROM {keyspace}.{table}");
            let rows = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
            counts.push(rows.single_row::<(i64,)>().unwrap().0);
        }
        counts
    };
    let before = written().await;

    let builder = CassandraStore::builder([support::server().await]).settings(settings.clone());
    let reader = builder.open_read_only().await.unwrap();

    assert_eq!(history(&reader, &id).await.len(), 3);
    let refused = reader.append(append(&id, nr(3), "reader", "y", 1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert_eq!(written().await, before);
}

/// As a JVM does while this process still holds its claim: it deletes, and then a lower delete comes.
#[tokio::test]
async fn a_delete_of_a_jvm_is_not_taken_back() {
    let settings = settings("claims_t");
    let store = support::open(settings.clone()).await.unwrap();
    let id = id("deleted-by-both");
    for after in 0..10 {
        let append = append(&id, SeqNr::new(after).unwrap(), "writer", "x", 1);
        store.append(append).await.unwrap();
    }
    let session = support::session().await;
    let keyspace = &settings.journal.keyspace;
    let record =
        format!("INSERT INTO {keyspace}.metadata (persistence_id, deleted_to) VALUES ('{id}', 8)");
    session.query_unpaged(record, ()).await.unwrap();
    for partition in [0, 1, 2] {
        let delete = format!(
            "DELETE FROM {keyspace}.{} WHERE persistence_id = '{id}' AND partition_nr = {partition} AND \
             sequence_nr <= 8",
            settings.journal.table
        );
        session.query_unpaged(delete, ()).await.unwrap();
    }

    store.delete_to(&id, nr(5)).await.unwrap();

    let bounds = store.bounds(&id).await.unwrap();
    assert_eq!((bounds.deleted_to, bounds.highest), (nr(8), nr(10)));
    let numbers: Vec<_> = history(&store, &id).await.iter().map(|event| event.seq_nr).collect();
    assert_eq!(numbers, [nr(9), nr(10)]);
}
