//! `fencing = claims` on a real server: hand-over, writers that die at any moment, two processes on the
//! same entities. Each keeps what was acknowledged and compares it with what is read afterwards.

use std::sync::Arc;
use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, PartitionSize};
use annals_core::{ErrorKind, Journal, JournalExt, SeqNr, SeqRange, WriterId};
use tokio::time::Instant;

use crate::history::{Log, Stop, Writer, append, history, id, nr, text};
use crate::support;

fn settings(name: &str) -> CassandraSettings {
    let mut settings = support::settings(name).with_fencing(Fencing::Claims);
    // Appends often cross a boundary.
    settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
    settings
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

fn duration() -> Duration {
    let long = std::env::var_os("ANNALS_LONG").is_some();
    Duration::from_secs(if long { 30 } else { 5 })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_the_same_entities_lose_nothing() {
    let log = Arc::new(Log::default());
    let ids = [id("shared-1"), id("shared-2")];
    let stop = Stop::after(duration());
    let mut writers = tokio::task::JoinSet::new();
    for process in ["one", "two"] {
        let store = support::open(settings("claims_t")).await.unwrap();
        for id in &ids {
            let (store, id, log) = (store.clone(), id.clone(), log.clone());
            let (name, stop) = (process.to_owned(), stop.clone());
            let writer = Writer { store, id, name, tag: None, log, stop, pause: Duration::ZERO };
            writers.spawn(writer.write());
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
        let (id, log, stop) = (id.clone(), log.clone(), Stop::default());
        let writer = Writer { store, id, name, tag: None, log, stop, pause: Duration::ZERO };
        let writer = tokio::spawn(writer.write());
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
