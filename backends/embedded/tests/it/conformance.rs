//! The conformance kit over the embedded store: with segments so small that each case crosses several,
//! with the buffered path, and with the default layout.

use annals_conformance::{Fixture, Missing};
use annals_core::{Result, Store};
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
        self.0.open(place)
    }

    async fn crash(&self, place: &str, store: Store) -> Result<()> {
        self.0.abandon(place);
        drop(store);
        Ok(())
    }

    fn lacks(&self) -> &[Missing] {
        &[
            Missing::LostAcknowledgement,
            Missing::SnapshotSaveFailure,
            Missing::SnapshotDamage,
            Missing::EventDamage,
        ]
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
