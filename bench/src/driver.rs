//! The driver, the same for every target: tasks that append an event, wait until it is durable, and
//! go on with the next.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use annals_core::{PersistenceId, WriterId};
use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::Result;
use crate::number::{count, float, micros, rate};
use crate::payload::{Random, payload};
use crate::process::cpu_time;

/// What appends durable events. Not dyn-safe: nothing but the target's own cost is to be measured.
pub(crate) trait Target: Send + Sync + 'static {
    /// Completes when the event is durable.
    fn append(
        &self,
        entity: &Entity,
        seq_nr: u64,
        payload: Bytes,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// An entity that one task writes.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) number: u64,
    pub(crate) id: PersistenceId,
    pub(crate) writer: WriterId,
    /// The events it has.
    pub(crate) highest: u64,
}

impl Entity {
    pub(crate) fn new(number: u64) -> Self {
        let id = PersistenceId::new(format!("order-{number:08}")).expect("it is not empty");
        Self { number, id, writer: WriterId::new(format!("writer-{number:08}")), highest: 0 }
    }
}

/// Who appends how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) writers: u64,
    /// Shared out among the writers; each append goes to one drawn at random.
    pub(crate) entities: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) elapsed: Duration,
    /// Of an append, in microseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) cpu: Duration,
}

impl Outcome {
    /// Durable events a second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.events, self.elapsed)
    }

    /// The latency that `quantile` of the appends kept, in milliseconds.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        float(self.latency.value_at_quantile(quantile)) / 1_000.0
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{:.0} events/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, {:.2} µs CPU an event",
            self.rate(),
            self.millis(0.5),
            self.millis(0.99),
            self.millis(0.999),
            self.cpu.as_secs_f64() * 1e6 / float(self.events.max(1)),
        )
    }
}

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

/// A histogram of microseconds up to a minute, exact to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are valid")
}

/// Runs `load` against `target`.
pub(crate) async fn drive<T: Target>(target: Arc<T>, load: Load) -> Result<Outcome> {
    // Made lazily: a sleep counts from the moment in which it is made.
    let time = async { tokio::time::sleep(load.measure).await };
    Ok(drive_during(target, load, time).await?.0)
}

/// Runs `load` against `target`, and measures from the end of its warm-up, when `work` begins, until
/// `work` ends; gives what that gave.
pub(crate) async fn drive_during<T: Target, W: Future>(
    target: Arc<T>,
    load: Load,
    work: W,
) -> Result<(Outcome, W::Output)> {
    let phase = Arc::new(AtomicU8::new(WARMING_UP));
    let mut tasks = Vec::new();
    for writer in 0..load.writers {
        // Strided, so that every writer has its own entities and all are used.
        let numbers = (writer..load.entities.max(load.writers)).step_by(stride(load.writers));
        let entities: Vec<Entity> = numbers.map(Entity::new).collect();
        tasks.push(tokio::spawn(append_until_stopped(
            target.clone(),
            entities,
            load.payload_bytes,
            phase.clone(),
        )));
    }
    tokio::time::sleep(load.warm_up).await;
    let (start, cpu) = (Instant::now(), cpu_time());
    phase.store(MEASURING, Ordering::Relaxed);
    let output = work.await;
    phase.store(STOPPING, Ordering::Relaxed);
    let (elapsed, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
    let mut latency = histogram();
    for task in tasks {
        latency.add(task.await??)?;
    }
    Ok((Outcome { events: latency.len(), elapsed, latency, cpu }, output))
}

fn stride(writers: u64) -> usize {
    usize::try_from(writers.max(1)).expect("a 64-bit target")
}

async fn append_until_stopped<T: Target>(
    target: Arc<T>,
    mut entities: Vec<Entity>,
    payload_bytes: usize,
    phase: Arc<AtomicU8>,
) -> Result<Histogram<u64>> {
    let mut latency = histogram();
    let mut random = Random::new(entities.first().map_or(0, |entity| entity.number));
    let choices = count(entities.len());
    loop {
        let choice = usize::try_from(random.below(choices)).expect("a 64-bit target");
        let entity = entities.get_mut(choice).expect("drawn below their number");
        let seq_nr = entity.highest + 1;
        let payload = payload(entity.number, seq_nr, payload_bytes);
        let start = Instant::now();
        target.append(entity, seq_nr, payload).await?;
        entity.highest = seq_nr;
        // A target that never waits would keep the thread, and with it the clock that ends the run.
        tokio::task::coop::consume_budget().await;
        match phase.load(Ordering::Relaxed) {
            WARMING_UP => {}
            MEASURING => latency.saturating_record(micros(start.elapsed())),
            _ => return Ok(latency),
        }
    }
}
