//! The conformance kit over the embedded store: with segments so small that each case crosses several,
//! with the buffered path, and with compaction of everything that can be had, all the time.

use annals_conformance::{Fixture, Missing};
use annals_core::{PersistenceId, Result, SeqNr, Store};
use annals_embedded::Settings;

use crate::support::Places;

#[derive(Debug)]
struct Embedded(Places);

impl Embedded {
    fn new(settings: Settings) -> Self {
        Self(Places::new(settings))
    }
}

#[async_trait::async_trait]
impl Fixture for Embedded {
    async fn open(&self, place: &str) -> Result<Store> {
        let store = self.0.open(place)?;
        self.0.compact(place).await?;
        Ok(store)
    }

    async fn crash(&self, place: &str, store: Store) -> Result<()> {
        self.0.compact(place).await?;
        self.0.abandon(place);
        drop(store);
        Ok(())
    }

    fn lacks(&self) -> &[Missing] {
        // Both would fail a write, after which the log is closed: the tests of faults cover them.
        &[Missing::LostAcknowledgement, Missing::SnapshotSaveFailure]
    }

    async fn damage_snapshot(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        self.0.damage(place, |store| store.locate_snapshot(id, seq_nr))
    }

    async fn damage_event(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        self.0.damage(place, |store| store.locate_event(id, seq_nr))
    }
}

mod small_segments {
    use super::{Embedded, Settings};

    annals_conformance::suite!(Embedded::new(Settings::default().with_segment_bytes(256 << 10)));
}

mod buffered {
    use super::{Embedded, Settings};

    annals_conformance::suite!(Embedded::new(
        Settings::default().with_segment_bytes(1 << 20).with_direct(false)
    ));
}

mod compacted {
    use annals_embedded::Compaction;

    use super::{Embedded, Settings};

    annals_conformance::suite!(Embedded::new(
        Settings::default()
            .with_segment_bytes(128 << 10)
            .with_compaction(Compaction::default().with_percent_min(0))
    ));
}
