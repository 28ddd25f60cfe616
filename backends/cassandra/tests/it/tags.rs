//! Tag rows that a crash left out, and offsets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use annals_cassandra::{BucketSize, CassandraSettings, Fencing, TagWriters};
use annals_core::{Offset, PersistenceId, Scope, Store, Tag, WriterId};

use crate::lost;
use crate::support::{self, append, session, tagged, unique};
use crate::wire::{Act, Wire};

fn settings() -> CassandraSettings {
    let mut settings = support::settings("tags").with_fencing(Fencing::Claims);
    settings.events_by_tag.first_time_bucket_millis = support::today_millis();
    settings.tag_writers = TagWriters::Own;
    settings
}

async fn open() -> Store {
    support::open(settings()).await.unwrap().store()
}

/// The rows of a tag: number, counter and timeuuid.
async fn rows(tag: &str) -> Vec<(i64, i64, String)> {
    let cql = format!(
        "SELECT sequence_nr, tag_pid_sequence_nr, timestamp FROM {}.tag_views \
         WHERE tag_name = '{tag}' ALLOW FILTERING",
        settings().journal.keyspace
    );
    let rows = session().await.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
    let rows = rows.rows::<(i64, i64, scylla::value::CqlTimeuuid)>().unwrap();
    let rows = rows.map(|row| row.unwrap());
    let mut rows: Vec<_> = rows.map(|row| (row.0, row.1, row.2.to_string())).collect();
    rows.sort();
    rows
}

/// Removes rows of a tag, as if they had not been written yet.
async fn forget(tag: &str, id: &PersistenceId, rows: &[(i64, i64, String)]) {
    let (keyspace, session) = (settings().journal.keyspace, session().await);
    for (_, counter, timestamp) in rows {
        let millis = uuid::Uuid::parse_str(timestamp).unwrap().get_timestamp().unwrap().to_unix();
        let bucket = i64::try_from(millis.0).unwrap() / 3_600 * 3_600_000;
        let delete = format!(
            "DELETE FROM {keyspace}.tag_views WHERE tag_name = '{tag}' AND timebucket = {bucket} \
             AND timestamp = {timestamp} AND persistence_id = '{id}' \
             AND tag_pid_sequence_nr = {counter}"
        );
        session.query_unpaged(delete, ()).await.unwrap();
    }
}

#[tokio::test]
async fn rows_that_a_crash_left_out_are_written_by_the_next_begin() {
    let (tag, id) = (unique(), PersistenceId::new(format!("crash|{}", unique())).unwrap());
    let store = open().await;
    for after in 0..6 {
        let tags: &[&str] = if after == 3 { &[] } else { &[tag.as_str()] };
        store.journal.append(append(&id, after, "w", &["x"], tags)).await.unwrap();
    }
    let undisturbed = rows(&tag).await;
    let counters: Vec<_> = undisturbed.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(counters, [(1, 1), (2, 2), (3, 3), (5, 4), (6, 5)]);
    store.close().await.unwrap();

    // As if the writer had ended before its tag rows, and its progress, were written.
    forget(&tag, &id, &undisturbed[1..]).await;
    let keyspace = settings().journal.keyspace;
    let session = session().await;
    for table in ["tag_write_progress", "tag_scanning"] {
        let delete = format!("DELETE FROM {keyspace}.{table} WHERE persistence_id = '{id}'");
        session.query_unpaged(delete, ()).await.unwrap();
    }
    assert_eq!(rows(&tag).await.len(), 1);

    let store = open().await;
    store.journal.begin(&id, &WriterId::new("next")).await.unwrap();
    assert_eq!(rows(&tag).await, undisturbed);
    store.journal.append(append(&id, 6, "next", &["y"], &[&tag])).await.unwrap();
    let of = |numbers: &[u64]| -> Vec<_> { numbers.iter().map(|n| (id.to_string(), *n)).collect() };
    assert_eq!(tagged(&store, &tag).await, of(&[1, 2, 3, 5, 6, 7]));
    assert_eq!(rows(&tag).await.last().unwrap().1, 6);
}

#[tokio::test]
async fn another_handles_tags_are_continued() {
    let (tag, id) = (unique(), PersistenceId::new(format!("two|{}", unique())).unwrap());
    let (one, other) = (open().await, open().await);
    for after in 0..8 {
        let store = if after % 2 == 0 { &one } else { &other };
        store.journal.append(append(&id, after, "w", &["x"], &[&tag])).await.unwrap();
    }
    let counters: Vec<_> = rows(&tag).await.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(counters, (1..=8).map(|n| (n, n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_offset_of_pekko_resumes_a_tag() {
    let (tag, id) = (unique(), PersistenceId::new(format!("resume|{}", unique())).unwrap());
    let store = open().await;
    for after in 0..3 {
        store.journal.append(append(&id, after, "w", &["x"], &[&tag])).await.unwrap();
    }
    let first = uuid::Uuid::parse_str(&rows(&tag).await[0].2).unwrap();
    let offset = annals_core::Offset::from_bytes(first.as_bytes().to_vec());
    let scope = Scope::Tag(Tag::new(tag.as_str()).unwrap());
    let page = store.read_journal.page(&scope, Some(&offset), None, 10).await.unwrap();
    let rest: Vec<u64> = page.events().iter().map(|e| e.event.seq_nr.get()).collect();
    assert_eq!(rest, [2, 3]);
}

/// With buckets of a second.
fn settings_of_buckets() -> CassandraSettings {
    let mut settings = support::settings("buckets").with_fencing(Fencing::Claims);
    settings.events_by_tag.bucket_size = BucketSize::Second;
    settings.events_by_tag.first_time_bucket_millis = support::now_millis();
    settings.tag_writers = TagWriters::Own;
    settings
}

/// A reader asks buckets whether they hold anything, and once none between its own and the last one did.
#[tokio::test]
async fn events_of_all_buckets_are_delivered() {
    let (tag, id) = (unique(), PersistenceId::new(format!("buckets|{}", unique())).unwrap());
    let store = support::open(settings_of_buckets()).await.unwrap().store();
    let mut expected = Vec::new();
    for after in 0..4 {
        store.journal.append(append(&id, after, "w", &["x"], &[&tag])).await.unwrap();
        expected.push((id.to_string(), after + 1));
        // The next one comes in another bucket.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
    }
    assert_eq!(tagged(&store, &tag).await, expected);
    let scope = Scope::Tag(Tag::new(tag.as_str()).unwrap());
    let first = store.read_journal.page(&scope, None, None, 1).await.unwrap();
    let rest = store.read_journal.page(&scope, first.next(), None, 10).await.unwrap();
    let rest: Vec<u64> = rest.events().iter().map(|e| e.event.seq_nr.get()).collect();
    assert_eq!(rest, [2, 3, 4]);
}

/// A process that was replaced, and kept from writing how far the tags have come, does so in the end: then
/// the next owner of the entity must not count on from there, since readers would take its events for those
/// that they have seen.
#[tokio::test(flavor = "multi_thread")]
async fn progress_that_is_written_late_sets_nothing_back() {
    for fencing in [Fencing::Claims, Fencing::Lwt, Fencing::Off] {
        let mut settings = lost::settings(fencing);
        settings.events_by_tag.first_time_bucket_millis = support::today_millis();
        settings.tag_writers = TagWriters::Own;
        let (tag, id) = (unique(), PersistenceId::new(format!("late|{}", unique())).unwrap());
        let write = async |store: &Store, writer: &str, numbers: std::ops::Range<u64>| {
            store.journal.begin(&id, &WriterId::new(writer)).await.unwrap();
            for after in numbers {
                store.journal.append(append(&id, after, writer, &["x"], &[&tag])).await.unwrap();
            }
        };
        let wire = Wire::to(support::server().await).await;
        let (held, written) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (is_held, count) = (held.clone(), written.clone());
        wire.follow(move |statement| {
            if !statement.starts_with("INSERT INTO") || !statement.contains(".tag_write_progress ")
            {
                return Act::Pass;
            }
            if is_held.load(Ordering::Relaxed) {
                return Act::Refuse;
            }
            count.fetch_add(1, Ordering::Relaxed);
            Act::Pass
        });
        let first = support::open_at(wire.address(), settings.clone()).await.unwrap().store();
        write(&first, "first", 0..5).await;
        let second = support::open(settings.clone()).await.unwrap().store();
        write(&second, "second", 5..10).await;
        second.close().await.unwrap();

        held.store(false, Ordering::Relaxed);
        while written.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It is killed before it writes up to where it came.
        let third = support::open(settings.clone()).await.unwrap().store();
        write(&third, "third", 10..12).await;

        let found: Vec<u64> =
            tagged(&third, &tag).await.iter().map(|(_, number)| *number).collect();
        assert_eq!(found, (1..=12).collect::<Vec<_>>(), "{fencing:?}");
        drop(first);
    }
}

/// While a node was away, a reader met an error, forgot what it had seen, and took the rows that were late
/// then for such as it had delivered.
#[tokio::test]
async fn a_reader_that_failed_still_knows_what_is_missing() {
    let (tag, id) = (unique(), PersistenceId::new(format!("failed|{}", unique())).unwrap());
    let store = open().await;
    let mut settings = settings();
    settings.tag_writers = TagWriters::Any;
    settings.events_by_tag.eventual_consistency_delay = Duration::ZERO;
    settings.events_by_tag.gap_timeout = Duration::from_millis(300);
    let wire = Wire::to(support::server().await).await;
    let reader = support::open_at(wire.address(), settings).await.unwrap().store();
    let scope = Scope::Tag(Tag::new(tag.as_str()).unwrap());
    let page = async |after: Option<Offset>| {
        reader.read_journal.page(&scope, after.as_ref(), None, 10).await
    };
    for after in 0..2 {
        store.journal.append(append(&id, after, "w", &["x"], &[&tag])).await.unwrap();
    }
    let (mut after, mut count) = (None, 0);
    while count < 2 {
        let found = page(after).await.unwrap();
        count += found.events().len();
        after = found.next().cloned();
    }
    for after in 2..4 {
        store.journal.append(append(&id, after, "w", &["x"], &[&tag])).await.unwrap();
    }
    forget(&tag, &id, &rows(&tag).await[2..3]).await;

    wire.follow(|statement| match statement.contains(".tag_views ") {
        true => Act::Refuse,
        false => Act::Pass,
    });
    page(after.clone()).await.unwrap_err();
    wire.follow(|_| Act::Pass);

    loop {
        // Until it comes to the last event.
        match page(after.clone()).await {
            Ok(found) => assert!(found.events().is_empty(), "it went on over what is missing"),
            Err(error) => {
                assert!(error.to_string().contains("events 3-3 of tag"), "{error}");
                return;
            }
        }
    }
}

/// A reader forgets entities of old buckets when it goes on to later ones. Where that page failed, it went
/// back without them, and then took what it had delivered for what it had missed.
#[tokio::test]
async fn a_reader_that_failed_in_a_later_bucket_delivers_nothing_twice() {
    let tag = unique();
    let [old, new] = ["old", "new"].map(|name| PersistenceId::new(unique() + name).unwrap());
    let wire = Wire::to(support::server().await).await;
    let store = support::open_at(wire.address(), settings_of_buckets()).await.unwrap().store();
    for after in 0..3 {
        store.journal.append(append(&old, after, "w", &["x"], &[&tag])).await.unwrap();
    }
    let scope = Scope::Tag(Tag::new(tag.as_str()).unwrap());
    let first = store.read_journal.page(&scope, None, None, 2).await.unwrap();
    assert_eq!(first.events().len(), 2);
    // Past what a reader remembers.
    tokio::time::sleep(Duration::from_secs(4)).await;
    store.journal.append(append(&new, 0, "w", &["x"], &[&tag])).await.unwrap();

    wire.follow(|statement| match statement.starts_with("SELECT deleted_to") {
        true => Act::Refuse,
        false => Act::Pass,
    });
    store.read_journal.page(&scope, first.next(), None, 10).await.unwrap_err();
    wire.follow(|_| Act::Pass);
    let rest = store.read_journal.page(&scope, first.next(), None, 10).await.unwrap();

    let rest: Vec<_> =
        rest.events().iter().map(|e| (e.persistence_id.clone(), e.event.seq_nr.get())).collect();
    assert_eq!(rest, [(old, 3), (new, 1)]);
}
