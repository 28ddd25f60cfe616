//! A live stream by tag, writers and reader in one process: how long events take to it.

use std::time::Duration;

use annals_cassandra::{CassandraStore, Fencing, TagWriters};
use annals_core::{Scope, Store, Tags};

use super::{Server, settings};
use crate::Result;
use crate::driver::Entity;
use crate::figures::Bench;
use crate::figures::delay::{Flow, Flowed, tag};
use crate::number::{count, float, rate};
use crate::payload::payload;
use crate::report::Reach;
use crate::subject::JournalTarget;

/// Producers, each with an entity of its own.
const PRODUCERS: u64 = 200;
/// What is asked for, and a tenth of it: events a second of all producers together.
const RATES: [u64; 2] = [2_000, 200];

impl Bench {
    pub(super) async fn cassandra_live(&mut self, server: &Server) -> Result<()> {
        let mut settings = settings("bench_live", Fencing::Claims);
        // No JVM writes into these tables.
        settings.tag_writers = TagWriters::Own;
        let builder = CassandraStore::builder([server.node.address()]).settings(settings);
        builder.create_schema().await?;
        let store = builder.open().await?.store();
        for events_per_second in RATES {
            let (mut middles, mut tails, mut slowest, mut kept) = (vec![], vec![], vec![], vec![]);
            // The first round warms the server's compilers.
            for round in 0..=self.plan.rounds {
                let flowed = self.tagged_flow(server, &store, events_per_second).await?;
                if round == 0 {
                    continue;
                }
                let [middle, tail, slow] = flowed.since_due([0.5, 0.99, 1.0]);
                self.tell_live(events_per_second, round, &flowed);
                middles.push(middle);
                tails.push(tail);
                slowest.push(slow);
                kept.push(rate(flowed.events, flowed.elapsed));
            }
            // The slower one is there to tell the delay's own part from the load's.
            let full = Some(&events_per_second) == RATES.first();
            let reach = if full { Reach::AtMost(250.0) } else { Reach::None };
            let at = format!("at {events_per_second} events/s");
            for (what, rounds, reach) in [
                ("p99", tails, reach),
                ("p50", middles, Reach::None),
                ("the slowest", slowest, Reach::None),
            ] {
                let what = format!("from a tagged write to its delivery {at}: {what}");
                self.report.figure("live", &what, " ms", rounds, reach);
            }
            let what = format!("the rate that was kept meanwhile {at}");
            let least = float(events_per_second) * 0.95;
            self.report.figure("live", &what, "", kept, Reach::AtLeast(least));
        }
        store.close().await?;
        Ok(())
    }

    async fn tagged_flow(
        &self,
        server: &Server,
        store: &Store,
        events_per_second: u64,
    ) -> Result<Flowed> {
        let tag = tag()?;
        let mut entities = server.entities(PRODUCERS);
        // Their claims are not what is measured.
        let target = JournalTarget::new(store.journal.clone(), Tags::from_iter([tag.clone()]));
        for entity in &mut entities {
            claim(&target, entity, self.plan.payload_bytes).await?;
        }
        let after = store.read_journal.end(&Scope::Tag(tag.clone())).await?;
        let every = Duration::from_secs(count(entities.len())) / u32::try_from(events_per_second)?;
        let events_each = self.plan.live.as_nanos() / every.as_nanos().max(1);
        let flow = Flow {
            entities,
            every,
            events_each: u64::try_from(events_each)?.max(2),
            payload_bytes: self.plan.payload_bytes,
            readers: 1,
            after,
        };
        flow.run(store, &tag).await
    }

    fn tell_live(&mut self, events_per_second: u64, round: usize, flowed: &Flowed) {
        let [p50, p99, max] = flowed.since_due([0.5, 0.99, 1.0]);
        let ([call], [receipt]) = (flowed.since_call([0.99]), flowed.since_receipt([0.99]));
        let [append] = flowed.to_receipt([0.99]);
        self.report.note(format!(
            "live at {events_per_second} events/s {round}: kept {:.0}; from when an append was due p50 {p50:.2} \
             ms, p99 {p99:.2} ms, at most {max:.2} ms; p99 from its call {call:.2} ms, from its receipt \
             {receipt:.2} ms; of the append itself {append:.2} ms",
            rate(flowed.events, flowed.elapsed),
        ));
    }
}

/// The first event of `entity`.
async fn claim(target: &JournalTarget, entity: &mut Entity, bytes: usize) -> Result<()> {
    target.append_all(entity, 1, [payload(entity.number, 1, bytes)]).await?;
    entity.highest = 1;
    Ok(())
}
