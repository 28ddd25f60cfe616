//! Random failures of the handler and the store, crashes at any await, parking and its retries: drawn
//! from a seed, and checked by what is there at the end.

use std::collections::BTreeMap;

use annals_core::{RetryPolicy, Store};
use annals_memory::MemoryStore;
use annals_query::{
    Handler, HandlerError, OnFailure, Projection, ProjectionHandle, ProjectionRunner,
    ProjectionSettings, Source,
};
use async_trait::async_trait;

use super::exactly_once::{Numbers, Rows, numbered};
use super::world::{
    Flaky, Reaches, Recorder, SECOND, components, draw, eager, embedded, history, id, write,
};

const ENTITIES: [&str; 3] = ["a", "b", "c"];
const EVENTS: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Producing,
    Transactional,
}

/// What outlives the runners of one simulation.
#[derive(Clone, Default)]
struct Place {
    recorder: Recorder,
    rows: Rows,
}

/// Waits a little in between, so that it can be cut off there.
struct Slow(Recorder);

#[async_trait]
impl Handler for Slow {
    async fn handle(&mut self, event: &annals_core::Envelope) -> Result<(), HandlerError> {
        tokio::task::yield_now().await;
        let said = self.0.check(event)?;
        self.0.seen.lock().push(said);
        tokio::task::yield_now().await;
        Ok(())
    }
}

fn build(
    kind: Kind,
    store: &Store,
    place: &Place,
    settings: ProjectionSettings,
) -> (ProjectionRunner, ProjectionHandle) {
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let projection = projection.with_settings(settings);
    let recorder = place.recorder.clone();
    match kind {
        Kind::Single => projection.at_least_once(Slow(recorder)),
        Kind::Producing => {
            let numbers = Numbers { recorder, ..Numbers::default() };
            projection.exactly_once(id("results"), numbers)
        }
        Kind::Transactional => projection.transactional(Rows { recorder, ..place.rows.clone() }),
    }
    .unwrap()
}

/// Runs a projection for a while with failures, and cuts it off.
async fn disturb(kind: Kind, store: &Store, place: &Place, newest: u64, random: &mut u64) {
    let flaky = Flaky::over(store, draw(random), 15);
    let events_max = usize::try_from(1 + draw(random) % 5).unwrap();
    let settings = eager(OnFailure::PARK)
        .with_save_after(events_max, SECOND)
        .with_group(1 + events_max, std::time::Duration::ZERO);
    *place.recorder.fails_on.lock() = (0..draw(random) % 5)
        .map(|_| {
            let entity = ENTITIES[usize::try_from(draw(random) % 3).unwrap()];
            format!("{entity}:{}", newest.saturating_sub(draw(random) % 3).max(1))
        })
        .collect();
    let (runner, handle) = build(kind, &flaky, place, settings);
    let running = tokio::spawn(runner.run());
    for _ in 0..1 + draw(random) % 3 {
        for _ in 0..draw(random) % 60 {
            tokio::task::yield_now().await;
        }
        if draw(random).is_multiple_of(3) {
            break;
        }
        if draw(random).is_multiple_of(2) {
            place.recorder.heal();
        }
        // What it answers depends on what fails; that nothing is lost is seen at the end.
        tokio::select! { _ = handle.retry_parked(None) => {}, () = later() => {} }
    }
    running.abort();
    let _ = running.await;
}

async fn later() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

async fn simulate(kind: Kind, store: &Store, seed: u64) -> Vec<String> {
    let random = &mut (seed.wrapping_mul(977) + 1);
    let place = Place::default();
    for seq_nr in 1..=EVENTS {
        for entity in ENTITIES {
            write(store, entity, seq_nr).await;
        }
        if draw(random).is_multiple_of(2) {
            disturb(kind, store, &place, seq_nr, random).await;
        }
    }
    place.recorder.heal();
    let (runner, handle) = build(kind, store, &place, eager(OnFailure::STOP));
    let running = tokio::spawn(runner.run());
    let caught_up = tokio::time::timeout(SECOND * 20, async {
        while handle.lag(1).await.unwrap().events > 0 {
            tokio::task::yield_now().await;
        }
    });
    caught_up.await.unwrap_or_else(|_| panic!("{kind:?}, seed {seed}: {:?}", handle.status()));
    handle.retry_parked(None).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    match kind {
        Kind::Single => place.recorder.seen(),
        Kind::Producing => numbered(&history(store, "results").await),
        Kind::Transactional => place.rows.database.lock().rows.clone(),
    }
}

/// The numbers of each entity in the order of their handling.
fn by_entity(seen: &[String]) -> BTreeMap<&str, Vec<u64>> {
    let mut entities: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for said in seen {
        let (entity, number) = said.split_once(':').unwrap();
        entities.entry(entity).or_default().push(number.parse().unwrap());
    }
    entities
}

fn check(kind: Kind, seen: &[String], seed: u64) {
    let entities = by_entity(seen);
    assert_eq!(entities.len(), ENTITIES.len(), "{kind:?}, seed {seed}: {seen:?}");
    for (entity, numbers) in entities {
        let wanted: Vec<u64> = (1..=EVENTS).collect();
        if kind == Kind::Single {
            let mut highest = 0;
            for number in &numbers {
                assert!(*number <= highest + 1, "seed {seed}, {entity} skips: {numbers:?}");
                highest = highest.max(*number);
            }
            assert_eq!(highest, EVENTS, "seed {seed}, {entity}: {numbers:?}");
        } else {
            assert_eq!(numbers, wanted, "{kind:?}, seed {seed}, {entity}");
        }
    }
}

async fn simulate_in_memory(kind: Kind) {
    for seed in 0..60 {
        let store = MemoryStore::new().store();
        check(kind, &simulate(kind, &store, seed).await, seed);
    }
}

#[tokio::test]
async fn at_least_once_skips_nothing_whatever_fails() {
    simulate_in_memory(Kind::Single).await;
}

#[tokio::test]
async fn results_in_the_store_are_there_exactly_once_whatever_fails() {
    simulate_in_memory(Kind::Producing).await;
}

#[tokio::test]
async fn results_of_transactions_are_there_exactly_once_whatever_fails() {
    simulate_in_memory(Kind::Transactional).await;
}

/// Unknown outcomes are settled: the projection goes on, and nobody takes its own save for another's.
#[tokio::test]
async fn a_store_that_fails_now_and_then_does_not_end_the_projection() {
    for kind in [Kind::Single, Kind::Producing] {
        let store = MemoryStore::new().store();
        let flaky = Flaky::over(&store, 5, 30);
        let patient = RetryPolicy::NEVER.with_retries_max(40);
        let settings = eager(OnFailure::STOP).with_store_retry(patient);
        let place = Place::default();
        let (runner, handle) = build(kind, &flaky, &place, settings);
        let running = tokio::spawn(runner.run());
        for seq_nr in 1..=40 {
            write(&store, "a", seq_nr).await;
            let handled = handle.reaches(|status| status.handled == seq_nr);
            tokio::time::timeout(SECOND * 10, handled).await.unwrap().unwrap();
        }
        handle.stop().await;
        running.await.unwrap().unwrap();
        let revision = store.offsets.load_offset("p").await.unwrap().unwrap().revision;
        assert!(revision.get() >= 40, "{kind:?}: {revision:?}");
    }
}

#[tokio::test]
async fn the_embedded_store_keeps_the_same_promises() {
    for (kind, seed) in [(Kind::Single, 1), (Kind::Producing, 2), (Kind::Producing, 3)] {
        let (store, _directory) = embedded();
        check(kind, &simulate(kind, &store, seed).await, seed);
    }
}
