//! Clearing up behind claims, beside writers that still run.

use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Execution, Fencing};
use annals_core::{ErrorKind, Journal, PersistenceId, WriterId};

use crate::support::{self, append, session, texts, unique};

/// A keyspace of each test's own: a clean-up reaches every process of a keyspace.
fn settings(test: &str) -> CassandraSettings {
    support::settings(&format!("leftovers_{test}")).with_fencing(Fencing::Claims)
}

async fn open(test: &str) -> CassandraStore {
    support::open(settings(test)).await.unwrap()
}

async fn gone(store: &CassandraStore, age: Duration, execution: Execution) -> Vec<String> {
    let mut cleanup = store.clean_processes(age, execution);
    let mut gone = Vec::new();
    while let Some(processes) = cleanup.next().await.unwrap() {
        gone.extend(processes);
    }
    gone
}

/// How many rows of `messages` an entity has, void or not.
async fn rows(test: &str, id: &PersistenceId) -> usize {
    let keyspace = settings(test).journal.keyspace;
    let select = format!(
        "SELECT sequence_nr FROM {keyspace}.messages WHERE persistence_id = '{id}' \
         AND partition_nr = 0"
    );
    let found = session().await.query_unpaged(select, ()).await.unwrap();
    found.into_rows_result().unwrap().rows_num()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_writer_that_was_cleaned_away_acknowledges_nothing_wrong() {
    const TEST: &str = "paused";
    let (paused, owner, cleaner) = (open(TEST).await, open(TEST).await, open(TEST).await);
    let id = PersistenceId::new(format!("leftovers|{}", unique())).unwrap();
    paused.begin(&id, &WriterId::new("w1")).await.unwrap();
    paused.append(append(&id, 0, "w1", &["a"], &[])).await.unwrap();
    owner.begin(&id, &WriterId::new("w2")).await.unwrap();
    owner.append(append(&id, 1, "w2", &["b"], &[])).await.unwrap();

    // The owner has a claim, and the cleaner does not remove itself.
    let day = Duration::from_secs(86_400);
    assert_eq!(gone(&cleaner, day, Execution::Apply).await, [""; 0]);
    let told = gone(&cleaner, Duration::ZERO, Execution::DryRun).await;
    assert_eq!(told.len(), 1);
    assert_eq!(gone(&cleaner, Duration::ZERO, Execution::Apply).await, told);
    assert_eq!(gone(&cleaner, Duration::ZERO, Execution::DryRun).await, [""; 0]);

    // It goes on as if nothing had happened.
    let refused = paused.append(append(&id, 1, "w1", &["c"], &[])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    assert_eq!(texts(&owner.store(), &id).await.unwrap(), ["a", "b"]);
    assert_eq!(rows(TEST, &id).await, 3);

    // That left a void row.
    for (execution, left) in [(Execution::DryRun, 3), (Execution::Apply, 2)] {
        assert_eq!(cleaner.clean_void_rows(&id, execution).await.unwrap(), 1);
        assert_eq!(rows(TEST, &id).await, left);
    }
    assert_eq!(cleaner.clean_void_rows(&id, Execution::Apply).await.unwrap(), 0);
    owner.append(append(&id, 2, "w2", &["d"], &[])).await.unwrap();
    assert_eq!(texts(&cleaner.store(), &id).await.unwrap(), ["a", "b", "d"]);

    // Without its row no check passes: what it appends is in doubt, until a claim has found it.
    paused.begin(&id, &WriterId::new("w3")).await.unwrap();
    let late = append(&id, 3, "w3", &["e"], &[]);
    let doubt = paused.append(late.clone()).await.unwrap_err();
    assert_eq!(doubt.kind(), ErrorKind::OutcomeUnknown);
    paused.append(late).await.unwrap();
    let refused = owner.append(append(&id, 3, "w2", &["f"], &[])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    assert_eq!(texts(&cleaner.store(), &id).await.unwrap(), ["a", "b", "d", "e"]);
}

#[tokio::test]
async fn under_another_fencing_there_is_nothing_to_clean() {
    let settings = support::settings("leftovers_lwt").with_fencing(Fencing::Lwt);
    let store = support::open(settings).await.unwrap();
    let id = PersistenceId::new("leftovers|none").unwrap();
    let refused = store.clean_void_rows(&id, Execution::DryRun).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let refused = store.clean_processes(Duration::ZERO, Execution::Apply).next().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}
