//! Tag rows that a crash left out, and offsets.

use std::time::Duration;

use annals_cassandra::{BucketSize, CassandraSettings, Fencing, TagWriters};
use annals_core::{PersistenceId, Scope, Store, Tag, WriterId};

use crate::support::{self, append, session, tagged, unique};

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
    let keyspace = settings().journal.keyspace;
    let session = session().await;
    for (seq_nr, counter, timestamp) in &undisturbed[1..] {
        let millis = uuid::Uuid::parse_str(timestamp).unwrap().get_timestamp().unwrap().to_unix();
        let bucket = i64::try_from(millis.0).unwrap() / 3_600 * 3_600_000;
        let delete = format!(
            "DELETE FROM {keyspace}.tag_views WHERE tag_name = '{tag}' AND timebucket = {bucket} \
             AND timestamp = {timestamp} AND persistence_id = '{id}' \
             AND tag_pid_sequence_nr = {counter}"
        );
        assert!(*seq_nr > 1);
        session.query_unpaged(delete, ()).await.unwrap();
    }
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

/// A reader asks buckets whether they hold anything, and once none between its own and the last one did.
#[tokio::test]
async fn events_of_all_buckets_are_delivered() {
    let (tag, id) = (unique(), PersistenceId::new(format!("buckets|{}", unique())).unwrap());
    let mut settings = support::settings("buckets").with_fencing(Fencing::Claims);
    settings.events_by_tag.bucket_size = BucketSize::Second;
    settings.events_by_tag.first_time_bucket_millis = support::now_millis();
    settings.tag_writers = TagWriters::Own;
    let store = support::open(settings).await.unwrap().store();
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
