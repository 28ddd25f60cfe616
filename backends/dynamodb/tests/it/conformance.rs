//! The conformance kit over the store. All cases share the tables: each place is a journal name of its
//! own.

use annals_conformance::{Fixture, Missing, Scale};
use annals_core::{PersistenceId, Result, SeqNr, Store};

use crate::raw::{self, item, n, s};
use crate::support::{fresh, open, settings};

#[derive(Debug)]
struct DynamoDbLocal {
    run: String,
}

impl DynamoDbLocal {
    fn new() -> Self {
        Self { run: fresh("kit") }
    }

    fn journal_name(&self, place: &str) -> String {
        format!("{}-{place}", self.run)
    }
}

#[async_trait::async_trait]
impl Fixture for DynamoDbLocal {
    async fn open(&self, place: &str) -> Result<Store> {
        let mut settings = settings();
        settings.journal_name = self.journal_name(place);
        settings.replay_parallelism = 2;
        Ok(open(settings).await?.store())
    }

    fn lacks(&self) -> &[Missing] {
        &[
            Missing::DetectsAhead,
            Missing::Tags,
            Missing::Slices,
            Missing::AllEvents,
            Missing::LostAcknowledgement,
            Missing::SnapshotSaveFailure,
        ]
    }

    fn namespace(&self) -> String {
        format!("{}-", self.run)
    }

    fn scale(&self) -> Scale {
        Scale {
            history_events: 1_000,
            race_rounds: 10,
            model_steps: 60,
            model_seeds: 2,
            ..Scale::default()
        }
    }

    async fn damage_snapshot(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let settings = settings();
        let par = format!("{}-P-{id}", self.journal_name(place));
        let damaged =
            item([("par", s(par)), ("seq", n(seq_nr)), ("ts", n(1)), ("pay", s("no bytes"))]);
        raw::put(&settings, &settings.snapshot_table, damaged).await;
        true
    }

    async fn damage_event(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let settings = settings();
        let (group, num) = (seq_nr.get() / 100, seq_nr.get() % 100);
        let par = format!("{}-P-{id}-{group}", self.journal_name(place));
        // Not removed: the last event leaves no trace of its own in these tables.
        let damaged = item([("par", s(par)), ("num", n(num)), ("event", s("no bytes"))]);
        raw::put(&settings, &settings.journal_table, damaged).await;
        true
    }
}

annals_conformance::suite!(DynamoDbLocal::new());
