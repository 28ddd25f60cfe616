//! Settings for other servers of the protocol, as far as Cassandra itself can show what they do: those
//! servers were not at hand.

use annals_cassandra::{CassandraSettings, CassandraStore, ConsistencyLevel, Fencing, Flavour};
use annals_core::{ErrorKind, PersistenceId};

use crate::support::{self, append, tagged, texts, unique};

fn keyspaces(mut settings: CassandraSettings) -> CassandraSettings {
    settings.flavour = Flavour::Keyspaces;
    settings.consistency = ConsistencyLevel::LocalQuorum;
    settings.snapshot.consistency = ConsistencyLevel::LocalQuorum;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn keyspaces_takes_whole_appends_within_its_quotas() {
    let settings = support::settings("flavours").with_fencing(Fencing::Off);
    drop(support::open(settings.clone()).await.unwrap());
    let settings = keyspaces(settings);
    let builder = CassandraStore::builder([support::server().await]).settings(settings.clone());
    let refused = builder.create_schema().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let store = builder.open().await.unwrap().store();
    let (id, tag) = (PersistenceId::new(unique()).unwrap(), unique());

    let events = ["x"; 31];
    let refused = store.journal.append(append(&id, 0, "w", &events, &[&tag])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    store.journal.append(append(&id, 0, "w", &["a", "b", "c"], &[&tag])).await.unwrap();
    store.journal.append(append(&id, 3, "w", &events[..30], &[&tag])).await.unwrap();

    assert_eq!(texts(&store, &id).await.unwrap().len(), 33);
    assert_eq!(tagged(&store, &tag).await.len(), 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_for_scylla_lack_the_option_that_it_refuses() {
    const OPTION: &str = "unchecked_tombstone_compaction";
    let mut settings = support::settings("scylla");
    let statements = |settings: &CassandraSettings| {
        let builder = CassandraStore::builder(["127.0.0.1:1"]).settings(settings.clone());
        builder.schema().unwrap().join(";")
    };
    assert!(statements(&settings).contains(OPTION));
    settings.flavour = Flavour::Scylla;
    assert!(!statements(&settings).contains(OPTION));

    let store = support::open(settings).await.unwrap().store();
    let id = PersistenceId::new(unique()).unwrap();
    store.journal.append(append(&id, 0, "w", &["a"], &[])).await.unwrap();
    assert_eq!(texts(&store, &id).await.unwrap(), ["a"]);
}
