//! Many entities woken at once while others write, as after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::EntityRef;
use annals_core::ErrorKind;

use super::cart::{Ask, Cart, write_histories};
use super::{Asking, Bench, handle, region_over};
use crate::Result;
use crate::driver::{drive, drive_during};
use crate::number::float;
use crate::report::Reach;

const EVENTS_PER_ENTITY: u64 = 100;

/// The tasks that write meanwhile.
const WRITERS: u64 = 64;

/// All are asked at the same moment: how long the last one waits is the work of all, ten million events to be
/// read and applied. More than an ask usually waits, and far less than somebody who restarts a service.
const DEADLINE: Duration = Duration::from_secs(30);

impl Bench {
    pub(super) async fn wake(&mut self) -> Result<()> {
        let entities = self.plan.large_events / EVENTS_PER_ENTITY;
        let (subject, dir) = self.fresh("sleepers")?;
        write_histories(&subject.store.journal, entities, EVENTS_PER_ENTITY).await?;
        let load = self.load(WRITERS);
        let (mut failures, mut ratios) = (Vec::new(), Vec::new());
        // Writers' entities lie beyond those that are woken, and are new in each round: what they wrote
        // before would have to be recovered first, and the machine would not be quiet.
        let mut writers = entities..entities + WRITERS;
        for round in 1..=self.plan.rounds.min(3) {
            let region = region_over(&subject);
            let target = Arc::new(Asking::of(&region, writers.clone()));
            writers = writers.end..writers.end + WRITERS;
            let quiet = drive(target.clone(), load).await?;
            let sleepers = (0..entities).map(|number| handle(&region, number)).collect();
            // Writes are counted for as long as there are sleepers to be woken, no longer.
            let (busy, woken) =
                drive_during(target, load, async { tokio::spawn(wake_all(sleepers)).await })
                    .await?;
            let (failed, took) = woken??;
            region.stop().await?;
            self.report.note(format!("wake {round}, quiet: {}", quiet.summary()));
            self.report.note(format!(
                "wake {round}, {entities} woken in {took:.2?}; meanwhile: {}",
                busy.summary()
            ));
            self.report.value("wake_seconds", took.as_secs_f64());
            self.report.value("wake_quiet_p99_millis", quiet.millis(0.99));
            self.report.value("wake_busy_p99_millis", busy.millis(0.99));
            failures.push(float(failed));
            ratios.push(busy.millis(0.99) / quiet.millis(0.99).max(f64::MIN_POSITIVE));
        }
        self.finish(subject, &dir).await?;
        let what = "entities woken at once that did not answer, or not rightly";
        self.report.figure("wake", what, "", failures, Reach::AtMost(0.0));
        let what = "p99 of writes while they recover / quiet";
        self.report.figure("wake", what, "", ratios, Reach::AtMost(3.0));
        Ok(())
    }
}

/// How many failed, and how long the last one took.
async fn wake_all(sleepers: Vec<EntityRef<Cart>>) -> Result<(u64, Duration)> {
    let start = Instant::now();
    let asks = sleepers.into_iter().map(|sleeper| tokio::spawn(lines_of(sleeper)));
    let asks: Vec<_> = asks.collect();
    let mut failed = 0;
    for ask in asks {
        failed += u64::from(ask.await? != Ok(EVENTS_PER_ENTITY));
    }
    Ok((failed, start.elapsed()))
}

pub(super) async fn lines_of(cart: EntityRef<Cart>) -> Result<u64, ErrorKind> {
    let lines = cart.ask_within(DEADLINE, |reply| Ask::Lines { reply }).await;
    lines.map_err(|error| error.kind())
}
