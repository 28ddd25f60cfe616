//! Two store handles, as two processes would have them, on the same entities without any routing: at
//! every partition boundary one of them wins each number.

use std::collections::HashSet;

use annals_cassandra::{CassandraSettings, Fencing, PartitionSize};
use annals_core::{ErrorKind, PersistenceId, Store};

use crate::support::{self, append, texts, unique};

fn settings() -> CassandraSettings {
    let mut settings = support::settings("races").with_fencing(Fencing::Lwt);
    settings.journal.target_partition_size = PartitionSize::new(5).unwrap();
    settings
}

/// Appends `count` times at the end, whatever the other does; gives what was acknowledged.
async fn write(store: Store, id: PersistenceId, writer: &'static str, count: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut after = 0;
    let mut written = 0;
    while written < count {
        let text = format!("{writer}{written}");
        let both = [format!("{text}a"), format!("{text}b"), format!("{text}c")];
        let both: Vec<&str> = both.iter().take(written % 3 + 1).map(String::as_str).collect();
        match store.journal.append(append(&id, after, writer, &both, &[])).await {
            Ok(receipt) => {
                after = receipt.last.get();
                acknowledged.extend(both.into_iter().map(str::to_owned));
                written += 1;
            }
            Err(error) => match error.kind() {
                ErrorKind::Conflict { highest } => after = highest.get(),
                ErrorKind::Unavailable => {}
                kind => panic!("{kind:?}: {error}"),
            },
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_lose_and_double_nothing() {
    let one = support::open(settings()).await.unwrap().store();
    let other = support::open(settings()).await.unwrap().store();
    for round in 0..3 {
        let id = PersistenceId::new(format!("race|{}{round}", unique())).unwrap();
        let writers = [(&one, "A"), (&other, "B")]
            .map(|(store, writer)| tokio::spawn(write(store.clone(), id.clone(), writer, 12)));
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        for store in [&one, &other] {
            let found = texts(store, &id).await.unwrap();
            assert_eq!(found.len(), acknowledged.len(), "{found:?}");
            let found: HashSet<String> = found.into_iter().collect();
            assert_eq!(found, acknowledged.iter().cloned().collect());
        }
    }
}

#[tokio::test]
async fn a_writer_that_slept_over_a_boundary_and_a_delete_is_refused() {
    let sleeper = support::open(settings()).await.unwrap().store();
    let other = support::open(settings()).await.unwrap().store();
    let id = PersistenceId::new(format!("sleeper|{}", unique())).unwrap();
    let write = async |store: &Store, after: u64, texts: &[&str]| {
        store.journal.append(append(&id, after, "w", texts, &[])).await
    };
    write(&sleeper, 0, &["1", "2", "3", "4"]).await.unwrap();
    write(&other, 4, &["5", "6"]).await.unwrap();
    write(&other, 6, &["7", "8", "9", "10", "11"]).await.unwrap();
    other.journal.delete_to(&id, annals_core::SeqNr::MAX).await.unwrap();

    // The sleeper still believes in 4, where nothing is left; both sides of the boundary refuse it.
    for lost in [&["lost"][..], &["lost", "lost"]] {
        let refused = write(&sleeper, 4, lost).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict { highest: support::nr(11) });
    }
    write(&sleeper, 11, &["12"]).await.unwrap();
    assert_eq!(texts(&other, &id).await.unwrap(), ["12"]);
}
