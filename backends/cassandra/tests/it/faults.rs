//! Nodes that are killed, stand still and are slow, while processes append under each fencing and others
//! follow their tags: a node of the tests' own, with `ANNALS_LONG=1` three.

use std::sync::Arc;
use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing, PartitionSize};
use annals_core::{PersistenceId, Tag};
use annals_servers::{Cassandra, CassandraCluster, CassandraOptions};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::history::{Follower, Log, PATIENCE, Stop, Writer, delivered_once, history, id};
use crate::support;

/// The nodes of a server of the test's own: three on request, else one.
enum Nodes {
    One(Cassandra),
    Three(Box<CassandraCluster>),
}

impl Nodes {
    fn start() -> Self {
        // With periodic syncs a node that is killed may forget the last writes that it acknowledged: no
        // fencing could bring them back.
        let options = CassandraOptions::default()
            .with_heap("384M")
            .with_setting("commitlog_sync", "batch")
            .with_setting("commitlog_sync_period", "0ms");
        if std::env::var_os("ANNALS_LONG").is_some() {
            return Self::Three(Box::new(CassandraCluster::start(&options).unwrap()));
        }
        Self::One(Cassandra::start(&options).unwrap())
    }

    fn all(&self) -> &[Cassandra] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Three(cluster) => cluster.nodes(),
        }
    }

    /// Whatever may happen to nodes, one thing after the other.
    fn hurt(&self, pause: Duration) {
        let (first, last) = (self.all().first().unwrap(), self.all().last().unwrap());
        std::thread::sleep(pause);
        if let Self::Three(_) = self {
            eprintln!("one of three nodes is killed, and comes back");
            last.kill().unwrap();
            std::thread::sleep(pause);
            last.start_again().unwrap();
            std::thread::sleep(pause);
        }
        eprintln!("a node is slow");
        for _ in 0..10 {
            first.pause().unwrap();
            std::thread::sleep(pause / 20);
            first.resume().unwrap();
            std::thread::sleep(pause / 20);
        }
        eprintln!("a node stands still");
        last.pause().unwrap();
        std::thread::sleep(pause);
        last.resume().unwrap();
        std::thread::sleep(pause);
        eprintln!("all nodes are killed, and come back");
        self.all().iter().for_each(|node| node.kill().unwrap());
        self.all().iter().for_each(|node| node.start_again().unwrap());
    }
}

/// The processes of one fencing, and what they were answered.
struct Side {
    fencing: Fencing,
    addresses: Vec<String>,
    settings: CassandraSettings,
    /// The last one belongs to both processes, where the fencing allows that.
    ids: Vec<PersistenceId>,
    tag: Tag,
    log: Arc<Log>,
}

impl Side {
    async fn create(nodes: &Nodes, fencing: Fencing) -> Self {
        let addresses: Vec<String> =
            nodes.all().iter().map(|node| node.address().to_owned()).collect();
        let name = format!("faults_{}", fencing.name());
        let mut settings = support::settings(&name).with_fencing(fencing);
        settings.journal.target_partition_size = PartitionSize::new(7).unwrap();
        settings.events_by_tag.first_time_bucket_millis = support::today_millis();
        settings.events_by_tag.eventual_consistency_delay = Duration::from_secs(1);
        // As long as a node may be away.
        settings.events_by_tag.gap_timeout = PATIENCE;
        let factor = u32::try_from(addresses.len()).unwrap();
        settings.journal.creation.replication_factor = factor;
        settings.snapshot.creation.replication_factor = factor;
        let names: &[&str] = match fencing {
            Fencing::Off => &["one's", "two's"],
            _ => &["one's", "two's", "both's"],
        };
        let ids = names.iter().map(|name| id(name)).collect();
        let tag = Tag::new(support::unique()).unwrap();
        let side = Self { fencing, addresses, settings, ids, tag, log: Arc::default() };
        let builder = CassandraStore::builder(side.addresses.clone());
        builder.settings(side.settings.clone()).create_schema().await.unwrap();
        side
    }

    /// A process of its own.
    async fn open(&self) -> CassandraStore {
        let builder = CassandraStore::builder(self.addresses.clone());
        builder.settings(self.settings.clone()).open().await.unwrap()
    }

    async fn write(&self, stop: &Stop, writers: &mut JoinSet<()>) {
        for (process, mine) in [("one", 0), ("two", 1)] {
            let store = self.open().await;
            let ids = [mine, 2].into_iter().filter_map(|index| self.ids.get(index));
            for id in ids {
                let writer = Writer {
                    store: store.clone(),
                    id: id.clone(),
                    name: process.to_owned(),
                    tag: Some(self.tag.clone()),
                    log: self.log.clone(),
                    stop: stop.clone(),
                    pause: Duration::from_millis(10),
                };
                writers.spawn(writer.write());
            }
        }
    }

    async fn counts(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for id in &self.ids {
            counts.push(self.log.count(id).await);
        }
        counts
    }

    /// Waits until more was acknowledged of each entity than `before`.
    async fn goes_on(&self, before: &[usize]) {
        let patience = Instant::now() + PATIENCE;
        while !self.counts().await.iter().zip(before).all(|(now, before)| now > before) {
            let (fencing, counts) = (self.fencing, self.counts().await);
            assert!(Instant::now() < patience, "{fencing:?} does not go on: {counts:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything acknowledged is there, once, in order, and by its tag.
    async fn agrees(&self, follower: Follower) {
        let reader = self.open().await;
        let mut histories = Vec::new();
        for id in &self.ids {
            let events = history(&reader, id).await;
            let acknowledged = self.log.agrees(id, &events).await;
            eprintln!(
                "{:?} {id}: {acknowledged} acknowledged, {} stored",
                self.fencing,
                events.len()
            );
            assert!(acknowledged > 0, "nothing of {id} was acknowledged");
            histories.push(events);
        }
        let count = histories.iter().map(Vec::len).sum();
        let followed = follower.delivered(count).await;
        let afterwards = Follower::start(reader, &self.tag).delivered(count).await;
        for (id, events) in self.ids.iter().zip(&histories) {
            delivered_once(id, events, &followed);
            delivered_once(id, events, &afterwards);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_die_stand_still_and_be_slow() {
    let nodes = Arc::new(tokio::task::spawn_blocking(Nodes::start).await.unwrap());
    let stop = Stop::default();
    let mut writers = JoinSet::new();
    let mut sides = Vec::new();
    for fencing in [Fencing::Claims, Fencing::Lwt, Fencing::Off] {
        let side = Side::create(&nodes, fencing).await;
        let follower = Follower::start(side.open().await, &side.tag);
        side.write(&stop, &mut writers).await;
        sides.push((side, follower));
    }
    for (side, _) in &sides {
        side.goes_on(&vec![0; side.ids.len()]).await;
    }

    let (hurt, long) = (nodes.clone(), std::env::var_os("ANNALS_LONG").is_some());
    let pause = Duration::from_secs(if long { 6 } else { 1 });
    tokio::task::spawn_blocking(move || hurt.hurt(pause)).await.unwrap();

    for (side, _) in &sides {
        let before = side.counts().await;
        side.goes_on(&before).await;
    }
    stop.tell();
    writers.join_all().await;
    for (side, follower) in sides {
        side.agrees(follower).await;
    }
}
