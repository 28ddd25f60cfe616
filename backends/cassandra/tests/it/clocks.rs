//! Clocks that are minutes off: of the processes that share entities, and of a JVM.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, TagWriters};
use annals_core::{
    Clock, Journal, Payload, SerializerId, Snapshot, SnapshotCriteria, SnapshotStore, Tag,
    Timestamp, WriterId,
};

use crate::history::{Follower, Log, delivered_once, history, id, nr, tagged};
use crate::{lost, support};

const MINUTES: i64 = 60_000;

/// A clock that is ahead by so many milliseconds.
#[derive(Debug)]
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap() + self.0)
    }
}

fn settings(fencing: Fencing) -> CassandraSettings {
    let mut settings = lost::settings(fencing);
    settings.events_by_tag.first_time_bucket_millis = support::today_millis();
    settings.events_by_tag.eventual_consistency_delay = Duration::from_secs(1);
    settings
}

async fn open(settings: CassandraSettings, ahead: i64) -> CassandraStore {
    support::open(settings.clone()).await.unwrap();
    let builder = CassandraStore::builder([support::server().await]).settings(settings);
    builder.clock(Arc::new(Ahead(ahead))).open().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_whose_clocks_are_minutes_off_lose_and_leave_out_nothing() {
    for fencing in [Fencing::Claims, Fencing::Lwt, Fencing::Off] {
        let (tag, log) = (Tag::new(support::unique()).unwrap(), Log::default());
        let reader = open(settings(fencing), 0).await;
        let follower = Follower::start(reader.clone(), &tag);
        let fast = open(settings(fencing), 5 * MINUTES).await;
        let slow = open(settings(fencing), -5 * MINUTES).await;
        let ids = [id("a"), id("b")];
        for round in 0..6_u64 {
            for (index, id) in (0..).zip(&ids) {
                let owner = if (round + index) % 2 == 0 { &fast } else { &slow };
                let writer = format!("w{round}");
                let writer_id = WriterId::new(writer.as_str());
                let bounds = owner.begin(id, &writer_id).await.unwrap();
                assert_eq!(bounds.highest, nr(round * 2), "{fencing:?}");
                let append = tagged(id, bounds.highest, &writer, &writer, 2, Some(&tag));
                owner.append(append.clone()).await.unwrap();
                log.acknowledged(&append).await;
                owner.end(id, &writer_id).await.unwrap();
            }
        }
        let mut histories = Vec::new();
        for id in &ids {
            let events = history(&reader, id).await;
            assert_eq!(log.agrees(id, &events).await, 12, "{fencing:?}");
            let times: Vec<i64> = events.iter().map(|event| event.timestamp.as_millis()).collect();
            assert!(times.is_sorted(), "{fencing:?}: {times:?}");
            let late = Ahead(0).now().as_millis() - times[0];
            assert!((-MINUTES..2 * MINUTES).contains(&late), "{fencing:?}: {late} ms late");
            histories.push(events);
        }
        let afterwards = Follower::start(reader, &tag);
        for follower in [follower, afterwards] {
            let delivered = follower.delivered(24).await;
            for (id, events) in ids.iter().zip(&histories) {
                delivered_once(id, events, &delivered);
            }
        }
    }
}

/// Of two writes to one row, the later one counts: of snapshots, and of how far an entity is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_clock_writes_after_a_fast_one_counts() {
    for fencing in [Fencing::Claims, Fencing::Lwt, Fencing::Off] {
        let fast = open(settings(fencing), 5 * MINUTES).await;
        let slow = open(settings(fencing), -5 * MINUTES).await;
        let id = id("deleted");
        for round in 0..3 {
            let append = tagged(&id, nr(round * 3), "w", &format!("{round}"), 3, None);
            fast.append(append).await.unwrap();
        }
        fast.delete_to(&id, nr(2)).await.unwrap();
        slow.begin(&id, &WriterId::new("slow")).await.unwrap();
        slow.delete_to(&id, nr(7)).await.unwrap();
        let bounds = fast.bounds(&id).await.unwrap();
        assert_eq!((bounds.deleted_to, bounds.highest), (nr(7), nr(9)), "{fencing:?}");
        let read_only = CassandraStore::builder([support::server().await]);
        let read_only = read_only.settings(settings(fencing)).open_read_only().await.unwrap();
        assert_eq!(history(&read_only, &id).await.len(), 2, "{fencing:?}");

        let snapshot = |seq_nr, text: &str| Snapshot {
            persistence_id: id.clone(),
            seq_nr: nr(seq_nr),
            timestamp: Timestamp::from_millis(1),
            payload: Payload::new(SerializerId::STRING, "", text.to_owned().into_bytes()),
            metadata: None,
        };
        let newest = async || {
            let found = slow.load(&id, &SnapshotCriteria::ALL).await.unwrap();
            found.map(|found| String::from_utf8(found.payload.bytes.to_vec()).unwrap())
        };
        fast.save(snapshot(8, "first")).await.unwrap();
        slow.save(snapshot(8, "second")).await.unwrap();
        assert_eq!(newest().await.as_deref(), Some("second"), "{fencing:?}");
        fast.save(snapshot(9, "third")).await.unwrap();
        SnapshotStore::delete(&slow, &id, &SnapshotCriteria::ALL).await.unwrap();
        assert_eq!(newest().await, None, "{fencing:?}");
        SnapshotStore::delete(&fast, &id, &SnapshotCriteria::ALL).await.unwrap();
        slow.save(snapshot(9, "fourth")).await.unwrap();
        assert_eq!(newest().await.as_deref(), Some("fourth"), "{fencing:?}");
    }
}

/// Of two deletes, whichever node's clock the first one had, the further one counts: for annals, and where
/// Pekko looks.
#[tokio::test]
async fn a_delete_counts_after_one_that_a_node_ahead_wrote() {
    let session = support::session().await;
    for fencing in [Fencing::Claims, Fencing::Off] {
        let settings = settings(fencing);
        let store = open(settings.clone(), 0).await;
        let id = id("ahead");
        for after in 0..9 {
            store.append(tagged(&id, nr(after), "w", &format!("{after}"), 1, None)).await.unwrap();
        }
        let (keyspace, table) = (&settings.journal.keyspace, &settings.journal.metadata_table);
        let ahead = (support::now_millis() + 5 * MINUTES) * 1_000;
        let cql = format!(
            "INSERT INTO {keyspace}.{table} (persistence_id, deleted_to) VALUES ('{id}', 4) \
             USING TIMESTAMP {ahead}"
        );
        session.query_unpaged(cql, ()).await.unwrap();

        for (asked, recorded) in [(7, 7), (5, 7)] {
            store.delete_to(&id, nr(asked)).await.unwrap();
            let cql =
                format!("SELECT deleted_to FROM {keyspace}.{table} WHERE persistence_id = '{id}'");
            let rows = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
            assert_eq!(rows.single_row::<(i64,)>().unwrap(), (recorded,), "{fencing:?}");
            assert_eq!(store.bounds(&id).await.unwrap().deleted_to, nr(7), "{fencing:?}");
        }
    }
}

/// As two JVMs leave it that hand an entity from one to the other, whose clock is behind.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_jvm_tagged_with_another_clock_come_in_their_order() {
    let mut settings = settings(Fencing::Off);
    settings.tag_writers = TagWriters::Own;
    let store = open(settings.clone(), 0).await;
    let session = support::session().await;
    let (tag, id) = (Tag::new(support::unique()).unwrap(), id("jvm"));
    let bucket = support::now_millis() / 3_600_000 * 3_600_000 - 3_600_000;
    for (number, millis) in [(1, 100), (2, 50_000), (3, 60_000), (4, 20_000), (5, 30_000)] {
        let cql = format!(
            "INSERT INTO {}.tag_views (tag_name, timebucket, timestamp, tag_pid_sequence_nr, \
             persistence_id, sequence_nr, writer_uuid, ser_id, ser_manifest, event_manifest, event) \
             VALUES ('{tag}', {bucket}, minTimeuuid({}), {number}, '{id}', {number}, 'w', 20, '', '', \
             textAsBlob('x'))",
            settings.journal.keyspace,
            bucket + millis
        );
        session.query_unpaged(cql, ()).await.unwrap();
    }

    let delivered = Follower::start(store, &tag).delivered(5).await;

    let found: Vec<u64> = delivered.iter().map(|found| found.event.seq_nr.get()).collect();
    assert_eq!(found, [1, 2, 3, 4, 5]);
}
