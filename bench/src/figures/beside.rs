//! What the figures of every server's store have in common: the CPU time of an event, recoveries beside
//! Pekko's plugin, and the heap of a long replay.

use std::time::{Duration, Instant};

use annals_core::{SeqNr, SeqRange, Store, Tags};
use annals_interop::{Figures, PekkoSystem};

use crate::Result;
use crate::child::{measure_heap_with, replay_of};
use crate::driver::{Entity, Outcome};
use crate::figures::Bench;
use crate::number::{float, rate};
use crate::payload::payload;
use crate::report::Reach;
use crate::subject::JournalTarget;
use crate::turns::in_turns;

/// The events of the history that both recover.
const RECOVERED: u64 = 10_000;
/// The events of one of its appends.
const APPENDED: u64 = 50;

/// The CPU time of one event, in microseconds.
pub(super) fn cpu_micros(outcome: &Outcome) -> f64 {
    outcome.cpu.as_secs_f64() * 1e6 / float(outcome.events.max(1))
}

/// The same of Pekko's application.
pub(super) fn their_cpu_micros(figures: &Figures) -> f64 {
    figures.cpu.as_secs_f64() * 1e6 / float(figures.events.max(1))
}

/// The latency that 99 of 100 appends of Pekko's application kept, in milliseconds.
pub(super) fn their_p99_millis(figures: &Figures) -> f64 {
    let [_, p99] = figures.latencies.map(|latency| latency.as_secs_f64() * 1e3);
    p99
}

impl Bench {
    /// The recovery of one history by `store` and by the plugin, which share their tables; the first `warmed`
    /// rounds do not count.
    pub(super) async fn recoveries_beside_pekko(
        &mut self,
        store: &Store,
        pekko: &PekkoSystem,
        warmed: usize,
        reach: f64,
    ) -> Result<()> {
        let entity = Entity::new(1);
        let target = JournalTarget::new(store.journal.clone(), Tags::NONE);
        for first in (1..=RECOVERED).step_by(usize::try_from(APPENDED)?) {
            let bytes = self.plan.payload_bytes;
            let payloads = (first..first + APPENDED).map(|seq_nr| payload(1, seq_nr, bytes));
            target.append_all(&entity, first, payloads).await?;
        }
        let mut ratios = Vec::new();
        for round in 0..self.plan.rounds + warmed {
            let theirs = async { Ok(pekko.bench_recover(entity.id.as_str(), 1).await?) };
            let (ours, theirs) = in_turns(round, recover(store, &entity), theirs).await?;
            let theirs = theirs.first().ok_or("no recovery was measured")?;
            if theirs.events != RECOVERED {
                return Err(format!("Pekko recovered {} events", theirs.events).into());
            }
            if round >= warmed {
                self.report.note(format!(
                    "recovery {round} of {RECOVERED} events: annals {ours:.0?}, Pekko {:.0?}",
                    theirs.time
                ));
                self.report.value("recovery_events_per_second", rate(RECOVERED, ours));
                ratios.push(theirs.time.as_secs_f64() / ours.as_secs_f64());
            }
        }
        let what = "recovery of 10,000 events, rate / Pekko's";
        self.report.figure("pekko", what, "", ratios, Reach::AtLeast(reach));
        Ok(())
    }

    /// The heap that `annals-bench-heap`, told by `arguments` where they are, takes to replay `events` events.
    pub(super) fn heap_of_server_replay(
        &mut self,
        events: u64,
        arguments: &[String],
    ) -> Result<()> {
        let Some(heap) = measure_heap_with(self.root.path(), arguments)? else {
            return Err("annals-bench-heap was not built".into());
        };
        let mib = float(heap) / f64::from(1 << 20);
        let what = format!("heap of a replay of {events} events, above the idle store's");
        self.report.figure("heap", &what, " MiB", vec![mib], Reach::AtMost(32.0));
        Ok(())
    }
}

/// What a recovery asks of the journal.
async fn recover(store: &Store, entity: &Entity) -> Result<Duration> {
    let start = Instant::now();
    let bounds = store.journal.begin(&entity.id, &entity.writer).await?;
    let range = SeqRange::new(SeqNr::FIRST, bounds.highest);
    let events = replay_of(&*store.journal, entity, range).await?;
    let took = start.elapsed();
    if events != RECOVERED {
        return Err(format!("annals recovered {events} events").into());
    }
    Ok(took)
}

/// Replays the history of the first entity twice; gives what `peak` says of the second time (it is told to
/// begin anew by `reset`, and gives bytes above that moment).
pub(super) async fn heap_of_replay(
    store: &Store,
    reset: impl Fn(),
    peak: impl Fn() -> u64,
) -> Result<u64> {
    let entity = Entity::new(0);
    replay_of(&*store.journal, &entity, SeqRange::ALL).await?;
    reset();
    if replay_of(&*store.journal, &entity, SeqRange::ALL).await? == 0 {
        return Err("there is no history to replay".into());
    }
    Ok(peak())
}
