//! Opens plain stores, whole or flawed. What they hold outlives them, as a disk would.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_conformance::{Fixture, Missing, Scale};
use annals_core::{Capabilities, PersistenceId, Result, SeqNr, Store};
use async_trait::async_trait;

use crate::data::Data;
use crate::flaw::Flaw;
use crate::plain::{CAPABILITIES, Plain};

static NEXT_STORE_ID: AtomicU64 = AtomicU64::new(1);

pub(crate) struct PlainFixture {
    flaw: Option<Flaw>,
    capabilities: Capabilities,
    lacks: Vec<Missing>,
    places: Mutex<HashMap<String, Arc<Mutex<Data>>>>,
}

impl PlainFixture {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, capabilities: CAPABILITIES, lacks: Vec::new(), places: Mutex::default() }
    }

    /// A store that can do as little as the contract allows.
    pub(crate) fn modest() -> Self {
        let capabilities = Capabilities {
            detects_ahead: false,
            tags: false,
            slices: false,
            all_events: false,
            ids_in_order: false,
            offsets: false,
            ..CAPABILITIES
        };
        let lacks = vec![
            Missing::DetectsAhead,
            Missing::Tags,
            Missing::Slices,
            Missing::AllEvents,
            Missing::Offsets,
        ];
        Self { capabilities, lacks, ..Self::new(None) }
    }

    /// A store that leaves it to the application that there is one writer.
    pub(crate) fn unfenced() -> Self {
        let capabilities = Capabilities { exclusive: false, detects_ahead: false, ..CAPABILITIES };
        let lacks = vec![Missing::Exclusive, Missing::DetectsAhead];
        Self { capabilities, lacks, ..Self::new(None) }
    }

    fn at(&self, place: &str) -> Arc<Mutex<Data>> {
        self.places.lock().unwrap().entry(place.to_owned()).or_default().clone()
    }

    /// What opening again does to the data.
    fn reopened(&self, data: &mut Data) {
        match self.flaw {
            Some(Flaw::TornAppendKept) => {
                let last = data.log.last().map_or(0, |entry| entry.position);
                let multiple = data.log.iter().rev().take(2).map(|entry| entry.append_id);
                let ids: Vec<_> = multiple.collect();
                if ids.len() == 2 && ids[0] == ids[1] {
                    data.cut(last - 1);
                }
            }
            Some(Flaw::TailLost) => {
                let Some(last) = data.log.last().map(|entry| entry.append_id) else { return };
                let first = data.log.iter().find(|entry| entry.append_id == last);
                data.cut(first.map_or(0, |entry| entry.position - 1));
            }
            Some(Flaw::CrashLosesUnclosed) => data.cut(data.closed_at),
            Some(Flaw::SnapshotsLost) => data.snapshots.clear(),
            Some(Flaw::OffsetsLost) => data.offsets.clear(),
            Some(Flaw::OffsetsChangeOnOpen) => data.store_id = fresh_store_id(),
            Some(Flaw::RepeatForgottenOnOpen) => data.forgets_receipts = true,
            Some(Flaw::DeletesLost) => {
                data.log.iter_mut().for_each(|entry| entry.deleted = false);
                data.bounds.values_mut().for_each(|bounds| bounds.0 = 0);
            }
            _ => {}
        }
    }
}

fn fresh_store_id() -> u64 {
    NEXT_STORE_ID.fetch_add(1, Ordering::Relaxed)
}

#[async_trait]
impl Fixture for PlainFixture {
    async fn open(&self, place: &str) -> Result<Store> {
        let data = self.at(place);
        {
            let mut data = data.lock().unwrap();
            if data.store_id == 0 {
                data.store_id = fresh_store_id();
            } else {
                self.reopened(&mut data);
            }
        }
        Ok(Store::of(Arc::new(Plain::new(data, self.flaw, self.capabilities))))
    }

    fn lacks(&self) -> &[Missing] {
        &self.lacks
    }

    fn scale(&self) -> Scale {
        Scale {
            history_events: 300,
            history_bytes_max: 1024 * 1024,
            race_rounds: 8,
            model_steps: 100,
            model_seeds: 3,
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn lose_next_acknowledgement(&self, place: &str) -> bool {
        self.at(place).lock().unwrap().lose_acknowledgement = true;
        true
    }

    async fn fail_next_snapshot_save(&self, place: &str) -> bool {
        self.at(place).lock().unwrap().fail_save = true;
        true
    }

    async fn damage_snapshot(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let data = self.at(place);
        let mut data = data.lock().unwrap();
        data.snapshots.get_mut(&(id.clone(), seq_nr)).unwrap().1 = false;
        true
    }

    async fn damage_event(&self, place: &str, id: &PersistenceId, seq_nr: SeqNr) -> bool {
        let data = self.at(place);
        data.lock().unwrap().log.retain(|entry| entry.id != *id || entry.event.seq_nr != seq_nr);
        true
    }
}
