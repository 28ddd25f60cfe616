//! What Pekko's plugin wrote (golden rows, made by `interop`), read and continued.

use annals_cassandra::{
    BucketSize, CassandraSettings, CassandraStore, Fencing, PartitionSize, ReplayFilterMode,
    TagWriters,
};
use annals_core::{ErrorKind, PersistenceId, SnapshotCriteria};
use serde_json::Value;

use crate::support::{self, append, nr, session, tagged, texts};

const TABLES: [&str; 6] = [
    "messages",
    "tag_views",
    "tag_write_progress",
    "tag_scanning",
    "metadata",
    "all_persistence_ids",
];

/// As the golden rows were written with.
fn settings(name: &str) -> CassandraSettings {
    let mut settings = support::settings(name);
    settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
    settings.events_by_tag.bucket_size = BucketSize::Day;
    // The day before them.
    settings.events_by_tag.first_time_bucket_millis = 1_795_564_800_000 - 86_400_000;
    settings.tag_writers = TagWriters::Own;
    settings
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pekko.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Tables as Pekko leaves them, without anything of ours but what `schema create` adds.
async fn pekkos_store(name: &str, fencing: Fencing) -> (CassandraStore, Value) {
    let settings = settings(name).with_fencing(fencing);
    let golden = golden();
    let store = support::open(settings.clone()).await.unwrap();
    let session = session().await;
    let tables = TABLES.map(|table| (&settings.journal.keyspace, table));
    for (keyspace, table) in tables.into_iter().chain([(&settings.snapshot.keyspace, "snapshots")])
    {
        for row in golden[table].as_array().unwrap() {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("properties");
            let insert = format!("INSERT INTO {keyspace}.{table} JSON ?");
            session.query_unpaged(insert, (row.to_string(),)).await.unwrap();
        }
    }
    (store, golden)
}

fn id(text: &str) -> PersistenceId {
    PersistenceId::new(text).unwrap()
}

/// The values of an entity's events, where all of them are strings.
fn strings(golden: &Value, entity: &str) -> Vec<String> {
    let events = golden["entities"][entity]["events"].as_array().unwrap();
    events.iter().map(|event| event["value"].as_str().unwrap().to_owned()).collect()
}

const OF_STRINGS: [&str; 6] =
    ["appends|1", "tagged|1", "tagged|2", "deleted|1", "deleted-all|1", "snapshots|1"];

#[tokio::test]
async fn histories_snapshots_tags_and_ids_of_pekko_are_read() {
    let (store, golden) = pekkos_store("pekko_read", Fencing::Off).await;
    let store = store.store();
    for entity in OF_STRINGS {
        let wanted = &golden["entities"][entity];
        assert_eq!(texts(&store, &id(entity)).await.unwrap(), strings(&golden, entity), "{entity}");
        let bounds = store.journal.bounds(&id(entity)).await.unwrap();
        assert_eq!(bounds.highest.get(), wanted["highest"].as_u64().unwrap(), "{entity}");
        assert_eq!(bounds.deleted_to.get(), wanted["deleted_to"].as_u64().unwrap(), "{entity}");
    }
    assert_eq!(texts_of_any_kind(&store).await, 16);

    let snapshot = store.snapshots.load(&id("snapshots|1"), &SnapshotCriteria::up_to(nr(2))).await;
    assert_eq!(snapshot.unwrap().unwrap().payload.bytes.as_ref(), b"state at 2");

    let of = |entity: &str, numbers: &[u64]| -> Vec<(String, u64)> {
        numbers.iter().map(|number| (entity.to_owned(), *number)).collect()
    };
    let red = [of("tagged|1", &[1, 2, 4, 5, 6]), of("tagged|2", &[1])].concat();
    assert_eq!(tagged(&store, "red").await, red);
    assert_eq!(tagged(&store, "blue").await, of("tagged|1", &[1, 2]));
    assert_eq!(store.read_journal.ids(None, 100).await.unwrap().ids.len(), 7);
}

/// How many events of every kind of payload there are; their bytes are passed through.
async fn texts_of_any_kind(store: &annals_core::Store) -> usize {
    use annals_core::JournalExt;
    store.journal.read_all(&id("kinds|1"), annals_core::SeqRange::ALL).await.unwrap().len()
}

#[tokio::test]
async fn histories_of_pekko_are_continued() {
    for (name, fencing) in [
        ("pekko_claims", Fencing::Claims),
        ("pekko_lwt", Fencing::Lwt),
        ("pekko_off", Fencing::Off),
    ] {
        let (store, golden) = pekkos_store(name, fencing).await;
        let store = store.store();
        for entity in OF_STRINGS {
            let mut wanted = strings(&golden, entity);
            let highest = golden["entities"][entity]["highest"].as_u64().unwrap();
            if fencing != Fencing::Off {
                let stale = append(&id(entity), highest - 1, "w", &["lost"], &[]);
                let refused = store.journal.append(stale).await.unwrap_err();
                assert_eq!(
                    refused.kind(),
                    ErrorKind::Conflict { highest: nr(highest) },
                    "{entity}"
                );
            }
            for (after, text) in [(highest, "one more"), (highest + 1, "and another")] {
                let append = append(&id(entity), after, "w", &[text], &["red"]);
                store.journal.append(append).await.unwrap();
                wanted.push(text.to_owned());
            }
            assert_eq!(texts(&store, &id(entity)).await.unwrap(), wanted, "{entity} {fencing:?}");
        }
        // The counters go on where Pekko's were.
        let of_one: Vec<u64> = tagged(&store, "red")
            .await
            .into_iter()
            .filter_map(|(of, number)| (of == "tagged|1").then_some(number))
            .collect();
        assert_eq!(of_one, [1, 2, 4, 5, 6, 7, 8]);
        let cql = format!(
            "SELECT max(tag_pid_sequence_nr) FROM {}.tag_views \
             WHERE persistence_id = 'tagged|1' AND tag_name = 'red' ALLOW FILTERING",
            settings(name).journal.keyspace
        );
        let rows =
            session().await.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        assert_eq!(rows.single_row::<(i64,)>().unwrap().0, 7);
    }
}

#[tokio::test]
async fn interleaved_writers_are_filtered_as_by_pekko() {
    // A1 B1 A2: the JVM's two writers of one entity, as its journal keeps them.
    for (name, mode, wanted) in [
        ("filter_repair", ReplayFilterMode::RepairByDiscardOld, Some(&["B1"][..])),
        ("filter_warn", ReplayFilterMode::Warn, Some(&["A1", "B1", "A2"])),
        ("filter_fail", ReplayFilterMode::Fail, None),
    ] {
        let mut settings = support::settings("filter").with_fencing(Fencing::Off);
        settings.journal.replay_filter.mode = mode;
        let store = support::open(settings.clone()).await.unwrap().store();
        let session = session().await;
        let id = id(name);
        for (writer, seq_nr, millis) in [("A", 1_i64, 10), ("B", 1, 20), ("A", 2, 30)] {
            let timestamp = format!("138{millis}000-1dd2-11b2-8080-808080808080");
            let cql = format!(
                "INSERT INTO {}.messages (persistence_id, partition_nr, sequence_nr, timestamp, \
                 writer_uuid, ser_id, ser_manifest, event_manifest, event) \
                 VALUES ('{name}', 0, {seq_nr}, {timestamp}, '{writer}', 20, '', '', \
                 textAsBlob('{writer}{seq_nr}'))",
                settings.journal.keyspace
            );
            session.query_unpaged(cql, ()).await.unwrap();
        }
        let read = texts(&store, &id).await;
        match wanted {
            Some(wanted) => assert_eq!(read.unwrap(), wanted, "{mode:?}"),
            None => assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{mode:?}"),
        }
    }
}

#[tokio::test]
async fn tables_of_another_partition_size_are_refused_before_anything_is_recorded() {
    let mut settings = support::settings("sizes");
    let builder = |settings: &CassandraSettings| {
        let settings = settings.clone();
        async { CassandraStore::builder([support::server().await]).settings(settings) }
    };
    builder(&settings).await.create_schema().await.unwrap();
    // As a JVM writes it whose partitions hold seven events.
    let cql = format!(
        "INSERT INTO {}.messages (persistence_id, partition_nr, sequence_nr, timestamp, writer_uuid, ser_id, \
         ser_manifest, event_manifest, event) VALUES ('large|1', 2, 15, now(), 'w', 20, '', '', \
         textAsBlob('x'))",
        settings.journal.keyspace
    );
    session().await.query_unpaged(cql, ()).await.unwrap();

    for read_only in [false, true] {
        let builder = builder(&settings).await;
        let opened = if read_only { builder.open_read_only().await } else { builder.open().await };
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let told = "event 15 of large|1 lies in partition 2";
        assert!(error.to_string().contains(told), "{error}");
    }

    settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
    builder(&settings).await.open().await.unwrap();
}
