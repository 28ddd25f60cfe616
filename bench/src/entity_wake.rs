//! Many entities woken at once while others write; and what an idle one costs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::EntityRef;

use crate::driver::{Entity, Load, Outcome, drive};
use crate::entity::{Ask, Asking, Order, region_over};
use crate::load::{Fill, Order as Filling, fill};
use crate::number::float;
use crate::report::Reach;
use crate::subject::Subject;
use crate::{Plan, Report, Result};

const EVENTS_PER_ENTITY: u64 = 100;

/// The tasks that write meanwhile, and the questions asked at a time where the heap is counted.
const WRITERS: u64 = 64;
const ASKED_AT_ONCE: u64 = 1_000;

/// A wave of entities is recovered while others write.
pub(crate) async fn wake(plan: &Plan, root: &Path, report: &mut Report) -> Result<()> {
    let entities = plan.large_events / EVENTS_PER_ENTITY;
    let dir = root.join("sleepers");
    let subject = Subject::open(&dir)?;
    let what = Fill {
        events: entities * EVENTS_PER_ENTITY,
        entities,
        events_per_append: EVENTS_PER_ENTITY,
        payload_bytes: plan.payload_bytes,
        order: Filling::OneByOne,
    };
    fill(&subject, what).await?;
    let region = region_over(&subject);
    // The writers' entities are beyond those that are woken.
    let target = Arc::new(Asking::of(&region, entities..entities + WRITERS));
    let quiet = drive(target.clone(), load(plan)).await?;
    let sleepers: Vec<_> = (0..entities).map(|number| handle(&region, number)).collect();
    let start = Instant::now();
    let waking = tokio::spawn(async move {
        let asks = sleepers.into_iter().map(|sleeper| tokio::spawn(recovered(sleeper)));
        let asks: Vec<_> = asks.collect();
        let mut failed = 0_u64;
        for ask in asks {
            failed += u64::from(ask.await? != Ok(EVENTS_PER_ENTITY));
        }
        Ok::<_, tokio::task::JoinError>((failed, start.elapsed()))
    });
    let busy: Outcome = drive(target, load(plan)).await?;
    let (failed, took) = waking.await??;
    report.note(format!("{entities} entities woken in {took:?}; quiet: {}", quiet.summary()));
    report.note(format!("meanwhile: {}", busy.summary()));
    let what = "entities woken at once that failed or were not whole";
    report.figure("wake", what, "", vec![float(failed)], Reach::AtMost(0.0));
    let what = "p99 of writes while they recover / quiet";
    let ratio = busy.millis(0.99) / quiet.millis(0.99).max(f64::MIN_POSITIVE);
    report.figure("wake", what, "", vec![ratio], Reach::AtMost(3.0));
    region.stop().await?;
    subject.close().await?;
    Ok(std::fs::remove_dir_all(&dir)?)
}

fn load(plan: &Plan) -> Load {
    Load {
        writers: WRITERS,
        entities: WRITERS,
        payload_bytes: plan.payload_bytes,
        warm_up: Duration::ZERO,
        measure: plan.measure,
    }
}

fn handle(region: &annals::Entities<Order>, number: u64) -> EntityRef<Order> {
    region.by_persistence_id(Entity::new(number).id)
}

async fn recovered(sleeper: EntityRef<Order>) -> Result<u64, annals_core::ErrorKind> {
    // The deadline is the region's work, not the runtime's default: all come at the same moment.
    let events = sleeper.ask_within(Duration::from_secs(300), |reply| Ask::Events { reply }).await;
    events.map_err(|error| error.kind())
}

/// The heap that `entities` idle entities take, with an empty state, in bytes: all that is there
/// beyond the open store and the region, as `peak` counts it from `reset` on.
///
/// # Errors
/// When the store cannot be made, or an entity does not answer.
pub async fn heap_of_idle(
    dir: &Path,
    entities: u64,
    reset: impl Fn(),
    peak: impl Fn() -> u64,
) -> Result<u64> {
    let subject = Subject::open(dir)?;
    let region = region_over(&subject);
    reset();
    for wave in 0..entities.div_ceil(ASKED_AT_ONCE) {
        let numbers = wave * ASKED_AT_ONCE..entities.min((wave + 1) * ASKED_AT_ONCE);
        let asks = numbers.map(|number| recovered(handle(&region, number)));
        for answer in futures_util::future::join_all(asks).await {
            answer.map_err(|kind| format!("an entity did not answer: {}", kind.name()))?;
        }
    }
    let bytes = peak();
    region.stop().await?;
    subject.close().await?;
    Ok(bytes)
}
