//! Rebuilding tag rows and the list of ids: whatever was lost or wrong, the tables are afterwards as if
//! nothing had happened.

use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use annals_cassandra::{
    BucketSize, CassandraSettings, CassandraStore, Execution, Fencing, RebuiltTags, TagWriters,
};
use annals_core::{ErrorKind, PersistenceId, Result, WriterId};
use scylla::client::session::Session;
use scylla::value::{CqlValue, Row};

use crate::support::{self, append, nr, session, tagged, unique};

/// Before everything that these tests write.
fn beginning() -> i64 {
    static BEGINNING: OnceLock<i64> = OnceLock::new();
    *BEGINNING.get_or_init(|| support::now_millis() - 2_000)
}

/// Buckets of a second, so that a history has several.
fn settings(fencing: Fencing) -> CassandraSettings {
    let name = format!("rebuild_{}", fencing.name());
    let mut settings = support::settings(&name).with_fencing(fencing);
    settings.events_by_tag.bucket_size = BucketSize::Second;
    settings.events_by_tag.first_time_bucket_millis = beginning();
    settings.tag_writers = TagWriters::Own;
    settings
}

async fn open(fencing: Fencing) -> CassandraStore {
    support::open(settings(fencing)).await.unwrap()
}

/// The tables beside the store.
struct Tables {
    session: Session,
    keyspace: String,
}

impl Tables {
    async fn of(fencing: Fencing) -> Self {
        Self { session: session().await, keyspace: settings(fencing).journal.keyspace }
    }

    async fn run(&self, cql: &str) -> Vec<Row> {
        let cql = cql.replace("KS", &self.keyspace);
        let result = self.session.query_unpaged(cql, ()).await.unwrap();
        match result.is_rows() {
            true => {
                let rows = result.into_rows_result().unwrap();
                rows.rows::<Row>().unwrap().map(|row| row.unwrap()).collect()
            }
            false => Vec::new(),
        }
    }

    /// All that the tables of tags hold of these entities.
    async fn dump(&self, ids: &[PersistenceId]) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["tag_views", "tag_write_progress", "tag_scanning"] {
            for id in ids {
                let cql = format!(
                    "SELECT * FROM KS.{table} WHERE persistence_id = '{id}' ALLOW FILTERING"
                );
                let found = self.run(&cql).await;
                rows.extend(found.iter().map(|row| format!("{table} {row:?}")));
            }
        }
        rows.sort();
        rows
    }

    /// The keys of the tag rows of an entity: tag, bucket, timeuuid and counter as CQL has them.
    async fn views(&self, id: &PersistenceId) -> Vec<[String; 4]> {
        let cql = format!(
            "SELECT tag_name, timebucket, timestamp, tag_pid_sequence_nr FROM KS.tag_views \
             WHERE persistence_id = '{id}' ALLOW FILTERING"
        );
        let text = |value: &Option<CqlValue>| match value.as_ref().unwrap() {
            CqlValue::Text(text) => format!("'{text}'"),
            other => other.to_string(),
        };
        let rows = self.run(&cql).await;
        rows.iter().map(|row| [0, 1, 2, 3].map(|index| text(&row.columns[index]))).collect()
    }

    async fn remove(&self, id: &PersistenceId, [tag, bucket, at, counter]: &[String; 4]) {
        let cql = format!(
            "DELETE FROM KS.tag_views WHERE tag_name = {tag} AND timebucket = {bucket} \
             AND timestamp = {at} AND persistence_id = '{id}' AND tag_pid_sequence_nr = {counter}"
        );
        self.run(&cql).await;
    }

    /// As if the tables of tags had never been written.
    async fn lose_all(&self, ids: &[PersistenceId]) {
        for id in ids {
            for view in self.views(id).await {
                self.remove(id, &view).await;
            }
            for table in ["tag_write_progress", "tag_scanning"] {
                let cql = format!("DELETE FROM KS.{table} WHERE persistence_id = '{id}'");
                self.run(&cql).await;
            }
        }
        assert_eq!(self.dump(ids).await, [""; 0]);
    }
}

/// Entities whose events have some of these tags, in several buckets; the store is closed in order.
async fn write(fencing: Fencing, ids: &[PersistenceId], tags: [&str; 2]) {
    let store = open(fencing).await;
    let [one, other] = tags;
    for after in 0..6_u64 {
        let tags: &[&str] = match after {
            1 => &[],
            2 | 4 => &[one, other],
            _ => &[one],
        };
        for id in ids {
            let texts: &[&str] = &[&format!("{after}")];
            store.store().journal.append(append(id, after, "w", texts, tags)).await.unwrap();
        }
        if after == 3 {
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
    }
    store.store().close().await.unwrap();
}

fn ids(count: usize) -> Vec<PersistenceId> {
    (0..count).map(|_| PersistenceId::new(format!("rebuilt|{}", unique())).unwrap()).collect()
}

async fn rebuild(
    store: &CassandraStore,
    ids: &[PersistenceId],
    execution: Execution,
) -> Result<Vec<RebuiltTags>> {
    let mut rebuild = store.rebuild_tags(execution);
    for id in ids {
        rebuild.entity(id).await?;
    }
    rebuild.sweep(|_| {}).await
}

/// Rows, written, removed, progress.
fn counts(rebuilt: &[RebuiltTags]) -> Vec<(u64, u64, u64, u64)> {
    let counts = rebuilt.iter();
    counts.map(|tags| (tags.rows, tags.written, tags.removed, tags.progress)).collect()
}

async fn what_was_lost_comes_back(fencing: Fencing) {
    let (one, other, ids) = (unique(), unique(), ids(3));
    write(fencing, &ids, [&one, &other]).await;
    let tables = Tables::of(fencing).await;
    let undisturbed = tables.dump(&ids).await;
    tables.lose_all(&ids).await;

    let store = open(fencing).await;
    let told = rebuild(&store, &ids, Execution::DryRun).await.unwrap();
    assert_eq!(counts(&told), [(7, 7, 0, 3); 3]);
    assert_eq!(tables.dump(&ids).await, [""; 0]);
    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!(done, told);
    assert_eq!(tables.dump(&ids).await, undisturbed);
    let again = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert!(again.iter().all(RebuiltTags::is_unchanged), "{again:?}");

    // Appends go on behind it, and readers miss nothing.
    let writer = WriterId::new("next");
    let journal = store.store().journal;
    journal.begin(&ids[0], &writer).await.unwrap();
    journal.append(append(&ids[0], 6, "next", &["6"], &[&one])).await.unwrap();
    let found = tagged(&store.store(), &one).await;
    let of_first = found.iter().filter(|(id, _)| *id == ids[0].as_str()).map(|(_, nr)| *nr);
    assert_eq!(of_first.collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn what_was_lost_comes_back_under_claims() {
    what_was_lost_comes_back(Fencing::Claims).await;
}

#[tokio::test]
async fn what_was_lost_comes_back_under_lwt() {
    what_was_lost_comes_back(Fencing::Lwt).await;
}

#[tokio::test]
async fn what_was_lost_comes_back_without_fencing() {
    what_was_lost_comes_back(Fencing::Off).await;
}

#[tokio::test]
async fn what_is_wrong_is_mended_and_what_is_right_stays() {
    let (one, other, ids) = (unique(), unique(), ids(2));
    write(Fencing::Claims, &ids, [&one, &other]).await;
    let tables = Tables::of(Fencing::Claims).await;
    let undisturbed = tables.dump(&ids).await;
    let id = &ids[0];
    let views = tables.views(id).await;
    let [tag, bucket, at, counter] = views.iter().find(|view| view[3] == "4").unwrap();

    // A row is missing; one is there again with another counter; one is of no event; one differs.
    let of_other = views.iter().find(|view| view[0] == format!("'{other}'")).unwrap();
    tables.remove(id, of_other).await;
    let insert = "INSERT INTO KS.tag_views (tag_name, timebucket, timestamp, persistence_id, \
                  tag_pid_sequence_nr, sequence_nr, ser_id, ser_manifest, event, writer_uuid) VALUES";
    let rest = "20, '', 0x6b, 'w')";
    tables.run(&format!("{insert} ({tag}, {bucket}, {at}, '{id}', 9, 5, {rest}")).await;
    let stray = "58e0a7d7-eebc-11d8-9669-0800200c9a66";
    tables.run(&format!("{insert} ({tag}, {bucket}, {stray}, '{id}', 3, 4, {rest}")).await;
    tables.run(&format!("{insert} ({tag}, {bucket}, {at}, '{id}', {counter}, 5, {rest}")).await;
    for (tag, columns) in [(&one, "7, 7"), (&unique(), "3, 3")] {
        let cql = format!(
            "INSERT INTO KS.tag_write_progress (persistence_id, tag, sequence_nr, \
             tag_pid_sequence_nr, offset) VALUES ('{id}', '{tag}', {columns}, {stray})"
        );
        tables.run(&cql).await;
    }

    let store = open(Fencing::Claims).await;
    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!(counts(&done), [(7, 2, 2, 2), (7, 0, 0, 0)]);
    assert_eq!(tables.dump(&ids).await, undisturbed);
}

#[tokio::test]
async fn counters_of_deleted_events_are_kept() {
    let (one, other, ids) = (unique(), unique(), ids(1));
    write(Fencing::Claims, &ids, [&one, &other]).await;
    let tables = Tables::of(Fencing::Claims).await;
    let undisturbed = tables.dump(&ids).await;
    let store = open(Fencing::Claims).await;
    let journal = store.store().journal;
    journal.begin(&ids[0], &WriterId::new("deletes")).await.unwrap();
    journal.delete_to(&ids[0], nr(3)).await.unwrap();
    // The rows of the last event of each tag.
    for view in tables.views(&ids[0]).await {
        if view[3] == "5" || (view[0] == format!("'{other}'") && view[3] == "2") {
            tables.remove(&ids[0], &view).await;
        }
    }

    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!(counts(&done), [(4, 2, 0, 0)]);
    assert_eq!(tables.dump(&ids).await, undisturbed);

    // Also where nothing is left.
    journal.begin(&ids[0], &WriterId::new("deletes all")).await.unwrap();
    journal.delete_to(&ids[0], nr(6)).await.unwrap();
    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!(counts(&done), [(0, 0, 0, 0)]);
    journal.begin(&ids[0], &WriterId::new("goes on")).await.unwrap();
    journal.append(append(&ids[0], 6, "goes on", &["6"], &[&one])).await.unwrap();
    let counters: Vec<_> =
        tables.views(&ids[0]).await.into_iter().map(|view| view[3].clone()).collect();
    assert!(counters.contains(&"6".to_owned()), "{counters:?}");
}

/// What a future gives in its first `polls` polls; it is dropped after them.
async fn first_polls<T>(future: impl Future<Output = T>, mut polls: u32) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if polls <= 1 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A rebuild that is cut off anywhere leaves tables that the next one brings to the same end.
#[tokio::test]
async fn a_rebuild_that_was_cut_off_is_run_again() {
    let (one, other, ids) = (unique(), unique(), ids(4));
    write(Fencing::Claims, &ids, [&one, &other]).await;
    let tables = Tables::of(Fencing::Claims).await;
    let undisturbed = tables.dump(&ids).await;
    tables.lose_all(&ids).await;
    let mut cut_off = 0;
    let mut polls = 1;
    loop {
        // A process of its own each time, as after a kill.
        let store = open(Fencing::Claims).await;
        let run = rebuild(&store, &ids, Execution::Apply);
        match first_polls(run, polls).await {
            Some(done) => break drop(done.unwrap()),
            None => cut_off += 1,
        }
        polls *= 2;
    }
    assert!(cut_off > 0);
    assert_eq!(tables.dump(&ids).await, undisturbed);
}

/// However little may be remembered, the end is the same: a long history is swept in parts.
#[tokio::test]
async fn a_long_history_is_rebuilt_in_parts() {
    let (one, other, ids) = (unique(), unique(), ids(2));
    let tables = Tables::of(Fencing::Claims).await;
    let store = open(Fencing::Claims).await;
    let journal = store.store().journal;
    for id in &ids {
        // Longer than what is read at a time.
        for after in (0..2_500).step_by(50) {
            let texts = vec!["x"; 50];
            journal.append(append(id, after, "w", &texts, &[&one, &other])).await.unwrap();
        }
    }
    store.store().close().await.unwrap();
    let undisturbed = tables.dump(&ids).await;
    let views = tables.views(&ids[0]).await;
    for nr in [1, 1_250, 2_500] {
        let nr = nr.to_string();
        let [tag, bucket, at, _] = views.iter().find(|view| view[3] == nr).unwrap();
        tables.remove(&ids[0], &[tag.clone(), bucket.clone(), at.clone(), nr.clone()]).await;
        for (counter, of) in [("9999", nr.as_str()), ("9998", "7000"), ("9997", "2")] {
            let cql = format!(
                "INSERT INTO KS.tag_views (tag_name, timebucket, timestamp, persistence_id, \
                 tag_pid_sequence_nr, sequence_nr) VALUES ({tag}, {bucket}, {at}, '{}', {counter}, {of})",
                ids[0],
            );
            tables.run(&cql).await;
        }
    }

    let store = open(Fencing::Claims).await;
    let mut rebuild = store.rebuild_tags(Execution::Apply).with_rows_max(1);
    for id in &ids {
        rebuild.entity(id).await.unwrap();
    }
    let done = rebuild.sweep(|_| {}).await.unwrap();
    assert_eq!(counts(&done), [(5_000, 3, 9, 0), (5_000, 0, 0, 0)]);
    assert_eq!(tables.dump(&ids).await, undisturbed);
}

/// A live process counts in memory; under claims it loses the entity to the rebuild, and reads anew, also if
/// it counted wrongly.
#[tokio::test]
async fn a_live_process_goes_on_with_what_was_rebuilt() {
    let (one, other, ids) = (unique(), unique(), ids(1));
    let id = &ids[0];
    write(Fencing::Claims, &ids, [&one, &other]).await;
    let tables = Tables::of(Fencing::Claims).await;
    let wrong = format!(
        "UPDATE KS.tag_write_progress SET tag_pid_sequence_nr = 40 \
         WHERE persistence_id = '{id}' AND tag = '{one}'"
    );
    tables.run(&wrong).await;
    let live = open(Fencing::Claims).await;
    let journal = live.store().journal;
    journal.begin(id, &WriterId::new("live")).await.unwrap();
    journal.append(append(id, 6, "live", &["6"], &[&one])).await.unwrap();
    assert!(tables.views(id).await.iter().any(|view| view[3] == "41"));

    let store = open(Fencing::Claims).await;
    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!((done[0].written, done[0].removed), (1, 1));

    let fenced = journal.append(append(id, 7, "live", &["7"], &[&one])).await.unwrap_err();
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
    journal.begin(id, &WriterId::new("live again")).await.unwrap();
    journal.append(append(id, 7, "live again", &["7"], &[&one])).await.unwrap();
    let of_one = format!("'{one}'");
    let views = tables.views(id).await;
    let mut counters: Vec<u64> = views
        .iter()
        .filter(|view| view[0] == of_one)
        .map(|view| view[3].parse().unwrap())
        .collect();
    counters.sort_unstable();
    assert_eq!(counters, [1, 2, 3, 4, 5, 6, 7]);
    let done = rebuild(&store, &ids, Execution::DryRun).await.unwrap();
    assert_eq!((done[0].written, done[0].removed), (0, 0));
}

/// Without claims nothing keeps a writer out: that it wrote is found out.
#[tokio::test]
async fn an_entity_that_runs_meanwhile_is_refused() {
    let (one, other, ids) = (unique(), unique(), ids(1));
    write(Fencing::Lwt, &ids, [&one, &other]).await;
    let (store, live) = (open(Fencing::Lwt).await, open(Fencing::Lwt).await);
    let journal = live.store().journal;
    let mut refused = false;
    let mut after = 6;
    while !refused {
        let run = rebuild(&store, &ids, Execution::Apply);
        tokio::pin!(run);
        let done = loop {
            let append = journal.append(append(&ids[0], after, "live", &["x"], &[&one]));
            tokio::select! {
                done = &mut run => break done,
                appended = append => drop(appended.unwrap()),
            }
            after += 1;
        };
        // One that was begun when the rebuild ended may be stored or not.
        after = journal.bounds(&ids[0]).await.unwrap().highest.get();
        refused = match done {
            Ok(_) => false,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Conflict { .. }), "{error}");
                assert!(error.message().contains("stop it"), "{error}");
                true
            }
        };
    }
    live.store().close().await.unwrap();
    rebuild(&store, &ids, Execution::Apply).await.unwrap();
    let done = rebuild(&store, &ids, Execution::DryRun).await.unwrap();
    assert!(done[0].is_unchanged(), "{done:?}");
}

/// Tables of the plugin before 0.80 have tags in columns of their own, and no tables of tags: a rebuild is
/// their migration.
#[tokio::test]
async fn tags_of_old_tables_are_migrated() {
    let mut settings = support::settings("rebuild_old").with_fencing(Fencing::Off);
    settings.events_by_tag.first_time_bucket_millis = beginning();
    settings.tag_writers = TagWriters::Own;
    let (tag, ids) = (unique(), ids(1));
    let store = support::open(settings.clone()).await.unwrap();
    let journal = store.store().journal;
    journal.append(append(&ids[0], 0, "w", &["a", "b", "c"], &[])).await.unwrap();
    let keyspace = settings.journal.keyspace.clone();
    let tables = Tables { session: session().await, keyspace };
    tables.run("ALTER TABLE KS.messages ADD tag1 text").await;
    let events = tables.run("SELECT sequence_nr, timestamp FROM KS.messages").await;
    for row in &events[..2] {
        let [number, at] = [0, 1].map(|index| row.columns[index].as_ref().unwrap().to_string());
        let cql = format!(
            "UPDATE KS.messages SET tag1 = '{tag}' WHERE persistence_id = '{}' AND partition_nr = 0 \
             AND sequence_nr = {number} AND timestamp = {at}",
            ids[0],
        );
        tables.run(&cql).await;
    }
    store.store().close().await.unwrap();

    let store = support::open(settings).await.unwrap();
    let done = rebuild(&store, &ids, Execution::Apply).await.unwrap();
    assert_eq!((done[0].rows, done[0].written, done[0].removed), (2, 2, 0));
    let found = tagged(&store.store(), &tag).await;
    assert_eq!(found, [1, 2].map(|number| (ids[0].to_string(), number)));
}

#[tokio::test]
async fn ids_that_are_not_listed_are_found_in_their_events() {
    let (tag, ids) = (unique(), ids(4));
    let store = open(Fencing::Claims).await;
    let journal = store.store().journal;
    for id in &ids {
        journal.append(append(id, 0, "w", &["a", "b"], &[&tag])).await.unwrap();
    }
    // One of them has no event left.
    journal.delete_to(&ids[3], nr(2)).await.unwrap();
    let tables = Tables::of(Fencing::Claims).await;
    for id in &ids[1..] {
        let cql = format!("DELETE FROM KS.all_persistence_ids WHERE persistence_id = '{id}'");
        tables.run(&cql).await;
    }
    let missing = async |execution| {
        let mut rebuild = store.rebuild_ids(execution);
        let mut missing = Vec::new();
        while let Some(page) = rebuild.next().await.unwrap() {
            missing.extend(page.missing.into_iter().filter(|id| ids.contains(id)));
        }
        missing.sort();
        missing
    };
    let mut expected = ids[1..].to_vec();
    expected.sort();
    assert_eq!(missing(Execution::DryRun).await, expected);
    assert_eq!(missing(Execution::Apply).await, expected);
    assert_eq!(missing(Execution::DryRun).await, []);
    for id in &ids {
        let cql = format!("SELECT * FROM KS.all_persistence_ids WHERE persistence_id = '{id}'");
        assert_eq!(tables.run(&cql).await.len(), 1, "{id}");
    }
}
