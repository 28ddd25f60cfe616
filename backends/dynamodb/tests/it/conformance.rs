//! The conformance kit over the store. All cases share the tables: each place is a journal name of its
//! own.

use std::collections::HashMap;
use std::sync::Mutex;

use annals_conformance::{Fixture, Missing, Scale};
use annals_core::{PersistenceId, Result, SeqNr, Store};
use annals_dynamodb::DynamoDb;

use crate::raw::{self, item, n, s};
use crate::support::{fresh, open, settings};
use crate::wire::{Act, Wire, error};

#[derive(Debug)]
struct DynamoDbLocal {
    run: String,
    /// The wire of each place's store that was opened last.
    wires: Mutex<HashMap<String, Wire>>,
}

/// How often a request is repeated: few enough that a wire can outlast it.
const RETRIES: u32 = 2;

impl DynamoDbLocal {
    fn new() -> Self {
        Self { run: fresh("kit"), wires: Mutex::default() }
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
        open(settings.clone()).await?;
        settings.client.retry.retries_max = RETRIES;
        let wire = Wire::new(|_, _| Act::Pass);
        let store =
            DynamoDb::builder().settings(settings).http_client(wire.client()).open().await?;
        self.wires.lock().unwrap().insert(place.to_owned(), wire);
        Ok(store.store())
    }

    /// Every attempt of the next write is performed, or fails on the one before, and no reply comes.
    async fn lose_next_acknowledgement(&self, place: &str) -> bool {
        let wires = self.wires.lock().unwrap();
        let mut left = RETRIES + 1;
        wires[place].follow(move |_, operation| match operation {
            "PutItem" | "TransactWriteItems" if left > 0 => {
                left -= 1;
                Act::LoseReply
            }
            _ => Act::Pass,
        });
        true
    }

    async fn fail_next_snapshot_save(&self, place: &str) -> bool {
        let wires = self.wires.lock().unwrap();
        let mut failed = false;
        wires[place].follow(move |_, operation| {
            if operation == "PutItem" && !std::mem::replace(&mut failed, true) {
                return error(400, "AccessDeniedException");
            }
            Act::Pass
        });
        true
    }

    fn lacks(&self) -> &[Missing] {
        &[Missing::DetectsAhead, Missing::Tags, Missing::Slices, Missing::AllEvents]
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
