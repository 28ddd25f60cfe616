//! The conformance kit over the memory store, with its own limits and with small ones, at which most
//! batches and pages are cut by their bytes.

#![allow(clippy::unwrap_used)]

use annals_conformance::{Fixture, Missing};
use annals_core::{ErrorKind, Result, Scope, Store};
use annals_memory::{MemoryOptions, MemoryStore};

#[derive(Debug)]
struct Memory(MemoryOptions);

#[async_trait::async_trait]
impl Fixture for Memory {
    async fn open(&self, _place: &str) -> Result<Store> {
        Ok(MemoryStore::with_options(self.0).store())
    }

    fn lacks(&self) -> &[Missing] {
        // Nothing survives, and there is nothing beneath the store that could be damaged.
        &[
            Missing::Durable,
            Missing::LostAcknowledgement,
            Missing::SnapshotSaveFailure,
            Missing::SnapshotDamage,
            Missing::EventDamage,
        ]
    }
}

mod conformance {
    use super::{Memory, MemoryOptions};

    annals_conformance::suite!(Memory(MemoryOptions::default()));
}

mod conformance_of_small_limits {
    use super::{Memory, MemoryOptions};

    annals_conformance::suite!(Memory(
        MemoryOptions::default()
            .with_append_bytes_max(1 << 20)
            .with_batch_bytes(64)
            .with_snapshot_bytes_max(20_000)
    ));
}

#[test]
fn stores_of_one_id_read_each_others_offsets() {
    // An application that replays its history into a new store may keep its offsets.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let open =
            |id| MemoryStore::with_options(MemoryOptions::default().with_store_id(id)).store();
        let [first, twin, other] = [open(7), open(7), open(8)];
        for store in [&first, &twin, &other] {
            let append = annals_core::Append::new(
                annals_core::AppendId::new(1),
                annals_core::PersistenceId::new("a").unwrap(),
                annals_core::SeqNr::ZERO,
                annals_core::WriterId::new("w"),
                vec![annals_core::NewEvent::new(
                    annals_core::Payload::new(annals_core::SerializerId::STRING, "", "x"),
                    annals_core::Timestamp::UNKNOWN,
                )],
            );
            store.journal.append(append.unwrap()).await.unwrap();
        }
        let end = first.read_journal.end(&Scope::All).await.unwrap();
        let page = twin.read_journal.page(&Scope::All, end.as_ref(), None, 1).await.unwrap();
        assert!(page.events().is_empty() && page.at_end());
        let page = other.read_journal.page(&Scope::All, end.as_ref(), None, 1).await;
        assert_eq!(page.unwrap_err().kind(), ErrorKind::Invalid);
    });
}
