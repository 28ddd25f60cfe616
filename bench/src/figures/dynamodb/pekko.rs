//! Appends and recoveries against Pekko's plugin, in an application that is warm, on the same server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::{SeqNr, SeqRange};
use annals_dynamodb::DynamoDb;
use annals_interop::{App, Appends, PekkoSystem, Tables};
use futures_util::StreamExt;

use super::appends::cpu_micros;
use super::{Server, WRITERS, target};
use crate::Result;
use crate::driver::{Entity, drive};
use crate::figures::Bench;
use crate::number::{count, float, rate};
use crate::payload::payload;
use crate::report::Reach;

/// The events of the history that both recover.
const RECOVERED: u64 = 10_000;
/// The events of one of its appends.
const APPENDED: u64 = 50;

impl Bench {
    pub(super) async fn dynamodb_pekko(&mut self, server: &mut Server) -> Result<()> {
        let endpoint = server.local.endpoint().to_owned();
        let app = Arc::new(App::start(&[])?);
        let tables = Tables::create(app, &endpoint).await?;
        let pekko = tables.pekko("").await?;
        let store = DynamoDb::builder()
            .endpoint(&endpoint)
            .static_credentials("bench", "bench")
            .tables(&tables.journal, &tables.snapshots)
            .open()
            .await?;
        self.appends_beside_pekko(server, &pekko).await?;
        self.recoveries_beside_pekko(&store, &pekko).await
    }

    async fn appends_beside_pekko(
        &mut self,
        server: &mut Server,
        pekko: &PekkoSystem,
    ) -> Result<()> {
        let load = self.load(WRITERS);
        let events = if self.plan.quick { 640 } else { 12_800 };
        let (mut rates, mut cpu, mut slowest) = (vec![], vec![], vec![]);
        // The first rounds warm the application's compilers.
        for round in 0..self.plan.rounds + 2 {
            let ours = drive(target(&server.fresh().await?), load).await?;
            let theirs = Appends {
                prefix: format!("warm{round}-"),
                entities: WRITERS,
                events,
                batch: 1,
                event_bytes: count(load.payload_bytes),
                tags: Vec::new(),
            };
            let theirs = pekko.bench_append(&theirs).await?;
            let their_rate = rate(theirs.events, theirs.time);
            let their_cpu = theirs.cpu.as_secs_f64() * 1e6 / float(theirs.events.max(1));
            let [_, their_p99] = theirs.latencies.map(|latency| latency.as_secs_f64() * 1e3);
            if round > 1 {
                self.report.note(format!("Pekko {round}, annals: {}", ours.summary()));
                self.report.note(format!(
                    "Pekko {round}, the plugin: {their_rate:.0} events/s, p99 {their_p99:.2} ms, \
                     {their_cpu:.2} µs CPU an event"
                ));
                rates.push(ours.rate() / their_rate);
                cpu.push(cpu_micros(&ours) / their_cpu);
                slowest.push(ours.millis(0.99) / their_p99);
            }
        }
        let what = "64 in flight, rate / Pekko's plugin's";
        self.report.figure("pekko", what, "", rates, Reach::AtLeast(1.0));
        let what = "64 in flight, client CPU an event / Pekko's";
        self.report.figure("pekko", what, "", cpu, Reach::AtMost(1.0 / 3.0));
        let what = "64 in flight, p99 / Pekko's";
        self.report.figure("pekko", what, "", slowest, Reach::AtMost(1.0));
        Ok(())
    }

    async fn recoveries_beside_pekko(
        &mut self,
        store: &Arc<DynamoDb>,
        pekko: &PekkoSystem,
    ) -> Result<()> {
        let entity = Entity::new(1);
        let target = target(store);
        for first in (1..=RECOVERED).step_by(usize::try_from(APPENDED)?) {
            let bytes = self.plan.payload_bytes;
            let payloads = (first..first + APPENDED).map(|seq_nr| payload(1, seq_nr, bytes));
            target.append_all(&entity, first, payloads).await?;
        }
        let mut ratios = Vec::new();
        for round in 0..self.plan.rounds + 2 {
            let ours = recover(store, &entity).await?;
            let theirs = pekko.bench_recover(entity.id.as_str(), 1).await?;
            let theirs = theirs.first().ok_or("no recovery was measured")?;
            if theirs.events != RECOVERED {
                return Err(format!("Pekko recovered {} events", theirs.events).into());
            }
            if round > 1 {
                self.report.note(format!(
                    "recovery {round} of {RECOVERED} events: annals {ours:.0?}, Pekko {:.0?}",
                    theirs.time
                ));
                self.report.value("recovery_events_per_second", rate(RECOVERED, ours));
                ratios.push(theirs.time.as_secs_f64() / ours.as_secs_f64());
            }
        }
        let what = "recovery of 10,000 events, rate / Pekko's";
        self.report.figure("pekko", what, "", ratios, Reach::AtLeast(2.0));
        Ok(())
    }
}

/// What a recovery asks of the journal.
async fn recover(store: &Arc<DynamoDb>, entity: &Entity) -> Result<Duration> {
    let journal = store.store().journal;
    let start = Instant::now();
    let bounds = journal.begin(&entity.id, &entity.writer).await?;
    let mut batches = journal.replay(&entity.id, SeqRange::new(SeqNr::FIRST, bounds.highest));
    let mut events = 0;
    while let Some(batch) = batches.next().await {
        events += count(batch?.events.len());
    }
    let took = start.elapsed();
    if events != RECOVERED {
        return Err(format!("annals recovered {events} events").into());
    }
    Ok(took)
}
