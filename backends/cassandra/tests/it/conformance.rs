//! The conformance kit under each fencing, on partitions so small that most histories cross several.

use annals_cassandra::{CassandraSettings, Fencing, PartitionSize, ReplayFilterMode, TagWriters};
use annals_conformance::{Fixture, Missing, Scale};
use annals_core::{Result, Store};

use crate::support;

#[derive(Debug)]
struct Cassandra {
    name: &'static str,
    fencing: Fencing,
    partition_events: u64,
    namespace: String,
}

impl Cassandra {
    fn new(name: &'static str, fencing: Fencing, partition_events: u64) -> Self {
        Self { name, fencing, partition_events, namespace: support::unique() }
    }

    fn settings(&self, place: &str) -> CassandraSettings {
        let name = if place == "main" { self.name.to_owned() } else { format!("{}_o", self.name) };
        let mut settings = support::settings(&name).with_fencing(self.fencing);
        settings.journal.target_partition_size = PartitionSize::new(self.partition_events).unwrap();
        settings.append_bytes_max = 1 << 20;
        settings.query.gap_timeout = std::time::Duration::from_millis(300);
        settings.tag_writers = TagWriters::Own;
        settings.events_by_tag.first_time_bucket_millis = support::today_millis();
        if self.fencing == Fencing::Off {
            // The kit lets writers take turns, which the filter takes for a damage.
            settings.journal.replay_filter.mode = ReplayFilterMode::Off;
        }
        settings
    }
}

#[async_trait::async_trait]
impl Fixture for Cassandra {
    async fn open(&self, place: &str) -> Result<Store> {
        Ok(support::open(self.settings(place)).await?.store())
    }

    fn lacks(&self) -> &[Missing] {
        const ALWAYS: &[Missing] = &[
            Missing::Slices,
            Missing::AllEvents,
            Missing::Offsets,
            Missing::LostAcknowledgement,
            Missing::SnapshotSaveFailure,
            Missing::SnapshotDamage,
            Missing::EventDamage,
        ];
        const UNFENCED: &[Missing] = &[
            Missing::Exclusive,
            Missing::DetectsAhead,
            Missing::Slices,
            Missing::AllEvents,
            Missing::Offsets,
            Missing::LostAcknowledgement,
            Missing::SnapshotSaveFailure,
            Missing::SnapshotDamage,
            Missing::EventDamage,
        ];
        if self.fencing == Fencing::Off { UNFENCED } else { ALWAYS }
    }

    fn namespace(&self) -> String {
        self.namespace.clone()
    }

    fn scale(&self) -> Scale {
        Scale {
            history_events: 700,
            race_rounds: 8,
            model_steps: 50,
            model_seeds: 2,
            ..Scale::default()
        }
    }

    fn keeps_timestamps(&self) -> bool {
        false
    }
}

mod claims {
    use super::{Cassandra, Fencing};

    annals_conformance::suite!(Cassandra::new("claims", Fencing::Claims, 500_000));
}

mod claims_tiny_partitions {
    use super::{Cassandra, Fencing};

    annals_conformance::suite!(Cassandra::new("claims11", Fencing::Claims, 11));
}

mod lwt {
    use super::{Cassandra, Fencing};

    annals_conformance::suite!(Cassandra::new("lwt", Fencing::Lwt, 11));
}

mod off {
    use super::{Cassandra, Fencing};

    annals_conformance::suite!(Cassandra::new("off", Fencing::Off, 11));
}
