//! The conformance kit over the memory store.

use annals_conformance::{Fixture, Missing};
use annals_core::{Result, Store};
use annals_memory::MemoryStore;

#[derive(Debug)]
struct Memory;

#[async_trait::async_trait]
impl Fixture for Memory {
    async fn open(&self, _place: &str) -> Result<Store> {
        Ok(MemoryStore::new().store())
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
    use super::Memory;

    annals_conformance::suite!(Memory);
}
