//! Loss of power at any operation of a run, with any subset of what was not durable: the store opens by
//! itself, holds what was acknowledged once and in order, holds nothing by halves, and goes on.

use std::collections::HashSet;
use std::sync::Arc;

use annals_core::{Envelope, Journal};
use annals_embedded::{EmbeddedStore, Settings};

use crate::model::{Contents, read_everything};
use crate::seed::{Named, Random, long, seeds};
use crate::sim::{SimDisk, SimStorage, Undecided, is_spare};
use crate::workload::{Allowed, Operation, Record, Workload};

/// The most undecided things of which every subset is tried.
const EVERY_SUBSET_MAX: usize = 10;

fn settings() -> Settings {
    Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN)
}

/// Opens the store in `storage`.
pub(crate) fn open(storage: &SimStorage) -> annals_core::Result<Arc<EmbeddedStore>> {
    EmbeddedStore::builder("simulation")
        .settings(settings())
        .storage(Arc::new(storage.clone()))
        .open()
}

/// A run that was recorded.
#[derive(Debug)]
struct Run {
    storage: SimStorage,
    start: Contents,
    records: Vec<Record>,
    /// The place in the history when the opening returned.
    opened: usize,
}

impl Run {
    /// Opens the store in `storage`, which holds `start`, does `rounds` rounds, and ends it.
    async fn record(storage: SimStorage, start: Contents, random: Random, rounds: usize) -> Self {
        let store = open(&storage).expect("the store opens by itself");
        let opened = storage.operations();
        let mut workload = Workload::new(random, start.clone());
        workload.run(&store, rounds, || storage.operations()).await;
        let failed = workload.records.iter().find_map(|record| record.error.as_ref());
        assert!(failed.is_none(), "nothing fails in this run: {failed:?}");
        if workload.random.percent(50) {
            store.close().await.expect("an orderly end");
        } else {
            store.abandon();
        }
        Self { storage, start, records: workload.records, opened }
    }

    /// The subsets of what is undecided at a place: all of them if they are few and `every` asks for
    /// it, otherwise some.
    fn subsets(random: &mut Random, undecided: &[Undecided], every: bool) -> Vec<Vec<usize>> {
        let latest = |item: &Undecided| match item {
            Undecided::Page { versions, .. } => *versions,
            Undecided::Name { .. } => 1,
        };
        let all: Vec<usize> = undecided.iter().map(latest).collect();
        if every && undecided.len() <= EVERY_SUBSET_MAX {
            let masks = 0..1_usize << undecided.len();
            let subset = |mask: usize| {
                let chosen = all.iter().enumerate();
                chosen.map(|(bit, latest)| latest * (mask >> bit & 1)).collect()
            };
            return masks.map(subset).collect();
        }
        let mut subsets = vec![vec![0; all.len()], all.clone()];
        for _ in 0..if long() { 64 } else { 2 } {
            let any = undecided.iter().map(|item| random.below(latest(item) + 1)).collect();
            subsets.push(any);
            let (mut one_missing, mut one_alone) = (all.clone(), vec![0; all.len()]);
            if !all.is_empty() {
                let one = random.below(all.len());
                one_missing[one] = 0;
                one_alone[one] = all[one];
            }
            subsets.extend([one_missing, one_alone]);
        }
        subsets
    }

    /// Cuts the run at every place, and tries subsets of what was undecided there.
    async fn cut_everywhere(&self, random: &mut Random, every: bool) -> usize {
        let (mut disk, history) = self.storage.history();
        let mut seen = HashSet::new();
        let mut count = 0;
        for place in 0..=history.len() {
            let mut cut = disk.clone();
            if let Some(operation) = history.get(place) {
                cut.begin(operation);
            }
            let undecided = cut.undecided(is_spare);
            for subset in Self::subsets(random, &undecided, every) {
                let left = after_power_loss(&cut, &undecided, &subset);
                let allowed = Allowed::at(&self.start, &self.records, place);
                if seen.insert((allowed.open.clone(), left.fingerprint(is_spare))) {
                    count += 1;
                    let how = (place, subset.as_slice());
                    self.examine(left, &allowed, random, how, count % 6 == 0).await;
                }
            }
            if let Some(operation) = history.get(place) {
                disk.apply(operation);
            }
        }
        count
    }

    /// Kills the process at every place: what the system has seen stays, durable or not. Then the power
    /// is lost behind the next opening: what that one showed must still be there.
    async fn kill_everywhere(&self, random: &mut Random) {
        let (mut disk, history) = self.storage.history();
        for place in 0..=history.len() {
            let mut cut = disk.clone();
            if let Some(operation) = history.get(place) {
                cut.begin(&operation.some_of(random));
                disk.apply(operation);
            }
            let _context = Context(format!("the process was killed at operation {place}"));
            let storage = SimStorage::of(cut);
            let store = open(&storage).expect("the store opens by itself");
            let (shown, _) = read_everything(&store, &Workload::ids()).await.expect("it reads");
            let allowed = Allowed::at(&self.start, &self.records, place);
            allowed.check(&self.records, &shown);
            let cut = storage.disk();
            let undecided = cut.undecided(is_spare);
            for subset in Self::subsets(random, &undecided, false).into_iter().take(4) {
                let _context = Context(format!("then power was lost with {subset:?}"));
                let storage = SimStorage::of(after_power_loss(&cut, &undecided, &subset));
                let store = open(&storage).expect("the store opens by itself again");
                let again = read_everything(&store, &Workload::ids()).await.expect("it reads");
                assert!(again.0 == shown, "what an opening showed was durable");
            }
        }
    }

    /// Opens what the loss of power left, checks it, and goes on with it.
    async fn examine(
        &self,
        disk: SimDisk,
        allowed: &Allowed,
        random: &mut Random,
        how: (usize, &[usize]),
        go_on: bool,
    ) {
        let _context = Context(format!("power was lost at operation {} with {:?}", how.0, how.1));
        let storage = SimStorage::of(disk);
        let store = open(&storage).expect("the store opens by itself");
        let (mut found, log) = read_everything(&store, &Workload::ids()).await.expect("it reads");
        check_order(&self.records, &log);
        let missing = allowed.check(&self.records, &found);
        if !go_on {
            return;
        }
        // Whoever got no answer repeats the very same operation: it is done once.
        for number in &allowed.open {
            let operation = &self.records[*number].operation;
            if matches!(operation, Operation::Append(_)) || missing.contains(number) {
                operation.run(&store).await.expect("what was not answered can be repeated");
            }
            if missing.contains(number) {
                operation.apply(&mut found);
            }
        }
        drop(store);
        let next = Self::record(storage, found, Random::new(random.next()), 2).await;
        next.cut_once(random).await;
    }

    /// Reopens at the end, and after another loss of power somewhere.
    async fn cut_once(&self, random: &mut Random) {
        let (base, history) = self.storage.history();
        let end = history.len();
        let place = self.opened + random.below(end - self.opened + 1);
        for (place, power_lost) in [(end, false), (place, true)] {
            let mut disk = base.clone();
            history[..place].iter().for_each(|operation| disk.apply(operation));
            if power_lost {
                if let Some(operation) = history.get(place) {
                    disk.begin(operation);
                }
                let undecided = disk.undecided(is_spare);
                let subset = Self::subsets(random, &undecided, false).pop().unwrap();
                disk = after_power_loss(&disk, &undecided, &subset);
            }
            let _context = Context(format!("then reopened at operation {place} of {end}"));
            let store = open(&SimStorage::of(disk)).expect("the store opens by itself again");
            let (found, log) =
                read_everything(&store, &Workload::ids()).await.expect("it reads again");
            check_order(&self.records, &log);
            Allowed::at(&self.start, &self.records, place).check(&self.records, &found);
        }
    }
}

/// The disk when of `undecided` the `subset` became durable.
fn after_power_loss(disk: &SimDisk, undecided: &[Undecided], subset: &[usize]) -> SimDisk {
    disk.lose_power(&mut |item| {
        let place = undecided.iter().position(|other| *other == item);
        place.map_or(0, |place| subset[place])
    })
}

/// The log is in the order of the rounds.
fn check_order(records: &[Record], log: &[Envelope]) {
    let mut last = 0;
    for envelope in log {
        let wrote = records.iter().find(|record| match &record.operation {
            Operation::Append(append) => {
                *append.id() == envelope.persistence_id
                    && append.range().contains(envelope.event.seq_nr)
            }
            _ => false,
        });
        if let Some(record) = wrote {
            assert!(record.round >= last, "the log is in the order of commits");
            last = record.round;
        }
    }
}

/// Says what was being tried when a test fails.
pub(crate) struct Context(pub(crate) String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[tokio::test]
async fn power_lost_anywhere_loses_nothing_that_was_acknowledged() {
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let mut random = Random::new(seed);
        let run = Run::record(SimStorage::default(), Contents::default(), random.clone(), 30).await;
        let states = run.cut_everywhere(&mut random, long()).await;
        assert!(states > 100, "{states} states were tried");
    }
}

#[tokio::test]
async fn every_subset_of_the_unsynced_pages_of_a_short_run_is_survived() {
    for seed in seeds(1, 10) {
        let _named = Named(seed);
        let mut random = Random::new(seed);
        let run = Run::record(SimStorage::default(), Contents::default(), random.clone(), 6).await;
        let states = run.cut_everywhere(&mut random, true).await;
        assert!(states > 30, "{states} states were tried");
    }
}

#[tokio::test]
async fn what_an_opening_shows_after_a_kill_survives_a_loss_of_power() {
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let mut random = Random::new(seed);
        let run = Run::record(SimStorage::default(), Contents::default(), random.clone(), 20).await;
        run.kill_everywhere(&mut random).await;
    }
}
