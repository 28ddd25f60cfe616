//! Appends and recoveries against Pekko's plugin, in an application that is warm, on the same server.

use std::sync::Arc;

use annals_dynamodb::DynamoDb;
use annals_interop::{App, Appends, PekkoSystem, Tables};

use super::super::beside::{cpu_micros, their_cpu_micros, their_p99_millis};
use super::{RECOVERIES_WARMED, Server, WARMED, WRITERS, target};
use crate::Result;
use crate::driver::drive;
use crate::figures::Bench;
use crate::number::{count, rate};
use crate::report::Reach;
use crate::turns::in_turns;

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
        self.recoveries_beside_pekko(&store.store(), &pekko, RECOVERIES_WARMED, 2.0).await
    }

    async fn appends_beside_pekko(
        &mut self,
        server: &mut Server,
        pekko: &PekkoSystem,
    ) -> Result<()> {
        let load = self.load(WRITERS);
        let events = if self.plan.quick { 640 } else { 12_800 };
        let (mut rates, mut cpu, mut slowest) = (vec![], vec![], vec![]);
        for round in 0..self.plan.rounds + WARMED {
            let theirs = Appends {
                prefix: format!("warm{round}-"),
                entities: WRITERS,
                events,
                batch: 1,
                event_bytes: count(load.payload_bytes),
                tags: Vec::new(),
            };
            let store = target(&server.fresh().await?);
            let theirs = async { Ok(pekko.bench_append(&theirs).await?) };
            let (ours, theirs) = in_turns(round, drive(store, load), theirs).await?;
            let their_rate = rate(theirs.events, theirs.time);
            let (their_cpu, their_p99) = (their_cpu_micros(&theirs), their_p99_millis(&theirs));
            if round >= WARMED {
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
}
