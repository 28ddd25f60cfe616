//! The entity runtime against the journal below it: what does a behaviour cost beside its appends?
//!
//! Each pair does the same appends to the same store: one side through [`Journal::append`] with the
//! bytes at hand, the other through an ask whose handler decides the event.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::{Context, Effect, Entities, EntityRef, EventSourced, Reply};
use annals_core::{
    Append, AppendId, Codec, Journal, NewEvent, Payload, PersistenceId, SeqNr, SeqRange,
    SerializerId, Timestamp, WriterId,
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::child::measure_heap;
use crate::driver::{Entity, Load, Target, drive};
use crate::entity_wake::wake;
use crate::number::{count, float, rate};
use crate::report::Reach;
use crate::subject::Subject;
use crate::{Plan, Report, Result};

/// The bytes of an order: its state is how many and which came last.
#[derive(Debug, Default)]
pub(crate) struct Order {
    events: u64,
    last: Bytes,
}

/// What an order is asked; it answers with the number of its events.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Write { bytes: Bytes, reply: Reply<u64> },
    Events { reply: Reply<u64> },
}

impl EventSourced for Order {
    const ENTITY_TYPE: &'static str = "order";
    type Command = Ask;
    type Event = Bytes;

    fn handle(&self, ask: Ask, _: &Context<'_>) -> Effect<Self> {
        match ask {
            Ask::Write { bytes, reply } => {
                Effect::persist(bytes).then_reply(reply, |order: &Self| order.events)
            }
            Ask::Events { reply } => Effect::reply(reply, self.events),
        }
    }

    fn apply(&mut self, event: &Bytes) {
        self.events += 1;
        self.last = event.clone();
    }
}

/// Bytes as they are.
#[derive(Debug)]
struct Raw(Arc<str>);

impl Codec<Bytes> for Raw {
    fn encode(&self, event: &Bytes) -> annals_core::Result<Payload> {
        Ok(Payload::new(SerializerId::BYTES, self.0.clone(), event.clone()))
    }

    fn decode(&self, payload: &Payload) -> annals_core::Result<Bytes> {
        Ok(payload.bytes.clone())
    }
}

/// Asks entities to write, through handles that are kept: a task its own, or all the same one.
pub(crate) struct Asking(Vec<EntityRef<Order>>);

impl Asking {
    pub(crate) fn of(region: &Entities<Order>, numbers: Range<u64>) -> Self {
        let handle = |number| region.by_persistence_id(Entity::new(number).id);
        Self(numbers.map(handle).collect())
    }
}

impl Target for Asking {
    async fn append(&self, entity: &Entity, _seq_nr: u64, bytes: Bytes) -> Result<()> {
        let number = usize::try_from(entity.number)? % self.0.len();
        let handle = self.0.get(number).expect("below their number");
        handle.ask(|reply| Ask::Write { bytes, reply }).await?;
        Ok(())
    }
}

/// A region of orders with the default settings.
pub(crate) fn region_over(subject: &Subject) -> Entities<Order> {
    let store = annals::Store::from(subject.store.clone());
    store.entities_as::<Order>(Arc::new(Raw(Arc::default()))).start()
}

/// An event as applications have them, for the recovery: about 256 bytes of JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    number: u64,
    product: String,
    text: String,
}

#[derive(Debug, Default)]
struct Cart {
    lines: u64,
    digest: u64,
}

impl Cart {
    fn add(&mut self, line: &Line) {
        self.lines += 1;
        self.digest = self.digest.rotate_left(1) ^ line.number ^ count(line.text.len());
    }
}

impl EventSourced for Cart {
    const ENTITY_TYPE: &'static str = "cart";
    type Command = Reply<u64>;
    type Event = Line;

    fn handle(&self, reply: Reply<u64>, _: &Context<'_>) -> Effect<Self> {
        Effect::reply(reply, self.lines)
    }

    fn apply(&mut self, event: &Line) {
        self.add(event);
    }
}

/// Measures the runtime by `plan`, over stores that are made in `dir`.
///
/// # Errors
/// When a store cannot be made, or does not do what it should.
pub async fn measure_entities(plan: &Plan, dir: &Path) -> Result<Report> {
    std::fs::create_dir_all(dir)?;
    let root = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(dir)?;
    let mut report = Report::of("cargo xtask bench entity", plan);
    appends(plan, &root, &mut report).await?;
    recovery(plan, &root, &mut report).await?;
    wake(plan, root.path(), &mut report).await?;
    idle(plan, root.path(), &mut report)?;
    Ok(report)
}

async fn appends(plan: &Plan, root: &TempDir, report: &mut Report) -> Result<()> {
    let (mut many, mut one, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let bare = bare_rate(plan, root, report, 1_024).await?;
        many.push(asked_rate(plan, root, report, 1_024, false).await? / bare);
        let bare = bare_rate(plan, root, report, 1).await?;
        one.push(asked_rate(plan, root, report, 1, false).await? / bare);
        waiting.push(asked_rate(plan, root, report, 64, true).await? / bare);
    }
    let what = "1,024 entities, asked one command after another / Journal::append";
    report.figure("many", what, "", many, Reach::AtLeast(0.6));
    let what = "one entity, one command after another / Journal::append";
    report.figure("one", what, "", one, Reach::AtLeast(0.85));
    let what = "one entity, 64 commands waiting / Journal::append by one writer";
    report.figure("waiting", what, "", waiting, Reach::AtLeast(10.0));
    Ok(())
}

fn load(plan: &Plan, writers: u64) -> Load {
    Load {
        writers,
        entities: writers,
        payload_bytes: plan.payload_bytes,
        warm_up: plan.warm_up,
        measure: plan.measure,
    }
}

async fn bare_rate(plan: &Plan, root: &TempDir, report: &mut Report, writers: u64) -> Result<f64> {
    let dir = root.path().join("bare");
    let subject = Subject::open(&dir)?;
    report.path(subject.stats().write_path.name());
    let outcome = drive(Arc::new(subject.target()), load(plan, writers)).await?;
    report.note(format!("{writers} writers, Journal::append: {}", outcome.summary()));
    subject.close().await?;
    std::fs::remove_dir_all(&dir)?;
    Ok(outcome.rate())
}

async fn asked_rate(
    plan: &Plan,
    root: &TempDir,
    report: &mut Report,
    tasks: u64,
    one: bool,
) -> Result<f64> {
    let dir = root.path().join("asked");
    let subject = Subject::open(&dir)?;
    let region = region_over(&subject);
    let (entities, which) = if one { (1, "of one entity") } else { (tasks, "of an entity each") };
    let target = Arc::new(Asking::of(&region, 0..entities));
    let outcome = drive(target, load(plan, tasks)).await?;
    report.note(format!("{tasks} commands at a time, {which}: {}", outcome.summary()));
    region.stop().await?;
    subject.close().await?;
    std::fs::remove_dir_all(&dir)?;
    Ok(outcome.rate())
}

async fn recovery(plan: &Plan, root: &TempDir, report: &mut Report) -> Result<()> {
    let dir = root.path().join("history");
    let subject = Subject::open(&dir)?;
    let codec = annals::json::<Line>("cart.Line");
    let id = PersistenceId::of("cart", "one")?;
    write_history(subject.store.journal.as_ref(), &id, codec.as_ref(), plan.history_events).await?;
    let store = annals::Store::from(subject.store.clone());
    let mut ratios = Vec::new();
    // The first round warms the caches.
    for round in 0..=plan.rounds {
        let start = Instant::now();
        let region = store.entities_as::<Cart>(codec.clone()).start();
        let cart = region.by_persistence_id(id.clone());
        let lines = cart.ask_within(Duration::from_secs(600), |reply| reply).await?;
        let recovered = start.elapsed();
        region.stop().await?;
        let (folded, cart) = fold(subject.store.journal.as_ref(), &id, codec.as_ref()).await?;
        if lines != plan.history_events || cart.lines != lines {
            return Err(format!("{lines} events were recovered, {} folded", cart.lines).into());
        }
        report.note(format!(
            "recovery: {:.0} events/s; decoding and applying alone: {:.0} events/s",
            rate(lines, recovered),
            rate(lines, folded)
        ));
        if round > 0 {
            ratios.push(folded.as_secs_f64() / recovered.as_secs_f64());
        }
    }
    subject.close().await?;
    let what = "recovery of one long history / decoding and applying its bytes in a loop";
    report.figure("recovery", what, "", ratios, Reach::AtLeast(0.7));
    Ok(std::fs::remove_dir_all(&dir)?)
}

/// What an idle entity costs, counted by a program of its own.
fn idle(plan: &Plan, root: &Path, report: &mut Report) -> Result<()> {
    let entities = plan.large_events / 10;
    let dir = root.join("idle");
    match measure_heap(&dir, Some(entities))? {
        Some(bytes) => {
            let each = vec![float(bytes) / float(entities)];
            let what = "heap of an idle entity beyond its state, embedded store";
            report.figure("idle", what, " B", each, Reach::AtMost(1_024.0));
        }
        None => report.note("idle left out: annals-bench-heap was not built".to_owned()),
    }
    Ok(())
}

async fn write_history(
    journal: &dyn Journal,
    id: &PersistenceId,
    codec: &dyn Codec<Line>,
    events: u64,
) -> Result<()> {
    const EVENTS_PER_APPEND: u64 = 500;
    let writer = WriterId::new("bench");
    let mut after = SeqNr::ZERO;
    while after.get() < events {
        let numbers = after.get() + 1..=events.min(after.get() + EVENTS_PER_APPEND);
        let event = |number| -> Result<NewEvent> {
            let (product, text) = (format!("product {number:08}"), "a line ".repeat(27));
            let payload = codec.encode(&Line { number, product, text })?;
            Ok(NewEvent::new(payload, Timestamp::UNKNOWN))
        };
        let batch = numbers.map(event).collect::<Result<Vec<_>>>()?;
        let append_id = AppendId::new(u128::from(after.get()));
        let append = Append::new(append_id, id.clone(), after, writer.clone(), batch)?;
        after = journal.append(append).await?.last;
    }
    Ok(())
}

/// How long decoding and applying takes, without what the store needs to read.
async fn fold(
    journal: &dyn Journal,
    id: &PersistenceId,
    codec: &dyn Codec<Line>,
) -> Result<(Duration, Cart)> {
    let mut batches = journal.replay(id, SeqRange::ALL);
    let (mut took, mut cart) = (Duration::ZERO, Cart::default());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let start = Instant::now();
        for event in &batch.events {
            cart.add(&codec.decode(&event.payload)?);
        }
        took += start.elapsed();
    }
    Ok((took, cart))
}
