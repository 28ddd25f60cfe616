//! The conformance kit under each fencing, on partitions so small that most histories cross several.

use std::collections::HashMap;
use std::sync::Mutex;

use annals_cassandra::{CassandraSettings, Fencing, PartitionSize, ReplayFilterMode, TagWriters};
use annals_conformance::{Fixture, Missing, Scale};
use annals_core::{PersistenceId, Result, SeqNr, Store};

use crate::support;
use crate::wire::{Act, Wire};

#[derive(Debug)]
struct Cassandra {
    name: &'static str,
    fencing: Fencing,
    partition_events: u64,
    namespace: String,
    /// The wire of each place's store that was opened last.
    wires: Mutex<HashMap<String, Wire>>,
}

impl Cassandra {
    fn new(name: &'static str, fencing: Fencing, partition_events: u64) -> Self {
        let (namespace, wires) = (support::unique(), Mutex::default());
        Self { name, fencing, partition_events, namespace, wires }
    }

    fn follow(&self, place: &str, script: impl FnMut(&str) -> Act + Send + 'static) {
        self.wires.lock().unwrap()[place].follow(script);
    }

    fn settings(&self, place: &str) -> CassandraSettings {
        // Tables cost seconds: places share them where no id is damaged in one and used in another.
        let name = match place {
            "main" => self.name.to_owned(),
            "second" | "third" if self.fencing == Fencing::Lwt => format!("{}_{place}", self.name),
            _ => format!("{}_o", self.name),
        };
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
        let wire = Wire::to(support::server().await).await;
        let store = support::open_at(wire.address(), self.settings(place)).await?;
        self.wires.lock().unwrap().insert(place.to_owned(), wire);
        Ok(store.store())
    }

    /// The rows are written, and neither that nor, where the store looks for them at once, what became of
    /// them is answered.
    async fn lose_next_acknowledgement(&self, place: &str) -> bool {
        let fencing = self.fencing;
        let (mut lost, mut over) = (0, false);
        self.follow(place, move |statement| {
            let (write, look) = match fencing {
                // The very rows are inserted again until the store gives up; the next claim tells.
                Fencing::Claims => ("INSERT INTO", "SELECT claim"),
                Fencing::Lwt => ("UPDATE", "SELECT deleted_to"),
                _ => ("INSERT INTO", ""),
            };
            if over {
                return Act::Pass;
            }
            if statement.starts_with(write) && statement.contains(".messages ") {
                lost += 1;
                over = fencing == Fencing::Off;
                return Act::TimeOut;
            }
            over = lost > 0 && statement.starts_with(look);
            if over && fencing == Fencing::Lwt { Act::Refuse } else { Act::Pass }
        });
        true
    }

    async fn fail_next_snapshot_save(&self, place: &str) -> bool {
        let mut failed = false;
        self.follow(place, move |statement| {
            let is_save = statement.starts_with("INSERT INTO") && statement.contains(".snapshots ");
            if is_save && !std::mem::replace(&mut failed, true) { Act::Refuse } else { Act::Pass }
        });
        true
    }

    fn lacks(&self) -> &[Missing] {
        const CLAIMED: &[Missing] = &[
            Missing::Slices,
            Missing::AllEvents,
            Missing::Offsets,
            // Nothing tells of a last event that it was there.
            Missing::EventDamage,
        ];
        const CONDITIONAL: &[Missing] = &[Missing::Slices, Missing::AllEvents, Missing::Offsets];
        const UNFENCED: &[Missing] = &[
            Missing::Exclusive,
            Missing::DetectsAhead,
            Missing::Slices,
            Missing::AllEvents,
            Missing::Offsets,
            Missing::EventDamage,
        ];
        match self.fencing {
            Fencing::Lwt => CONDITIONAL,
            Fencing::Off => UNFENCED,
            _ => CLAIMED,
        }
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

    async fn damage_snapshot(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let settings = self.settings(place);
        let (keyspace, table) = (&settings.snapshot.keyspace, &settings.snapshot.table);
        let lost = format!(
            "DELETE snapshot_data FROM {keyspace}.{table} WHERE persistence_id = ? AND sequence_nr = ?"
        );
        let number = i64::try_from(seq_nr.get()).unwrap();
        support::session().await.query_unpaged(lost, (id.as_str(), number)).await.unwrap();
        true
    }

    async fn damage_event(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        if self.lacks().contains(&Missing::EventDamage) {
            return false;
        }
        let settings = self.settings(place);
        let (keyspace, table) = (&settings.journal.keyspace, &settings.journal.table);
        let (number, one) = (i64::try_from(seq_nr.get()).unwrap(), 1);
        let size = i64::try_from(self.partition_events).unwrap();
        let session = support::session().await;
        // An append that did not fit into its own partition is in the next one.
        for partition in [(number - one) / size, (number - one) / size + 1] {
            let lost = format!(
                "DELETE FROM {keyspace}.{table} WHERE persistence_id = ? AND partition_nr = ? AND \
                 sequence_nr = ?"
            );
            session.query_unpaged(lost, (id.as_str(), partition, number)).await.unwrap();
        }
        true
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
