//! Live streams: how long an event takes from its commit to its reader, and what many readers cost.

use std::time::Duration;

use super::Bench;
use super::delay::{Flow, tag};
use crate::Result;
use crate::driver::Entity;
use crate::number::{float, rate};
use crate::process::cpu_time;
use crate::report::Reach;
use crate::subject::Subject;

/// Each appends an event a millisecond: 50,000 events a second together.
const PRODUCERS: u64 = 50;
const READERS: u64 = 64;

/// What a run of live readers gave.
struct Outcome {
    events: u64,
    elapsed: Duration,
    cpu: Duration,
    decoded: u64,
    /// Milliseconds from the receipt of an append to the delivery of its event, p50 and p99.
    from_receipt: (f64, f64),
    /// The same from the call of the append, its own duration included: p99.
    from_call: f64,
}

impl Bench {
    pub(super) async fn live(&mut self) -> Result<()> {
        let (mut tails, mut rates) = (Vec::new(), Vec::new());
        for round in 1..=self.plan.rounds.min(3) {
            let outcome = self.live_run(1).await?;
            self.report.note(format!(
                "live {round}: {:.0} events/s; after the receipt p50 {:.2} ms, p99 {:.2} ms; \
                 after the call p99 {:.2} ms",
                rate(outcome.events, outcome.elapsed),
                outcome.from_receipt.0,
                outcome.from_receipt.1,
                outcome.from_call,
            ));
            rates.push(rate(outcome.events, outcome.elapsed));
            self.report.value("live_from_call_p99_millis", outcome.from_call);
            tails.push(outcome.from_receipt.1);
        }
        let what = "p99 from commit to delivery at 50,000 events/s";
        self.report.figure("live", what, " ms", tails, Reach::AtMost(2.0));
        // A machine that is busy with something else does not keep the rate, and the figure above
        // says little then.
        let what = "the rate that was kept meanwhile, events/s";
        self.report.figure("live", what, "", rates, Reach::AtLeast(47_500.0));
        Ok(())
    }

    pub(super) async fn readers(&mut self) -> Result<()> {
        let (mut decoded, mut cpu, mut net) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=self.plan.rounds.min(3) {
            let none = self.live_run(0).await?;
            let one = self.live_run(1).await?;
            let many = self.live_run(READERS).await?;
            if one.decoded < one.events {
                return Err("the store did not count the events that it decoded".into());
            }
            let seconds = |outcome: &Outcome| outcome.cpu.as_secs_f64();
            self.report.note(format!(
                "readers {round}, 0 / 1 / 64: {:.2} / {:.2} / {:.2} s CPU; \
                 {} / {} / {} events decoded",
                seconds(&none),
                seconds(&one),
                seconds(&many),
                none.decoded,
                one.decoded,
                many.decoded,
            ));
            decoded.push(float(many.decoded) / float(one.decoded.max(1)));
            cpu.push(seconds(&many) / float(READERS) / seconds(&one));
            // What the readers alone cost: without the writers' share. Little is left of one
            // reader.
            let above = |outcome| (seconds(outcome) - seconds(&none)).max(1e-3);
            net.push(above(&many) / float(READERS) / above(&one));
        }
        let what = "64 readers of one tag, events decoded, times one reader's";
        self.report.figure("readers", what, "", decoded, Reach::AtMost(1.1));
        let what = "64 readers, CPU of the process per delivery, share of one's";
        self.report.figure("readers", what, "", cpu, Reach::AtMost(0.125));
        let what = "the same, without what the writers take";
        self.report.figure("readers", what, "", net, Reach::None);
        Ok(())
    }

    async fn live_run(&mut self, readers: u64) -> Result<Outcome> {
        let (subject, dir) = self.fresh("live")?;
        let outcome = self.flow(&subject, readers).await?;
        self.finish(subject, &dir).await?;
        Ok(outcome)
    }

    async fn flow(&self, subject: &Subject, readers: u64) -> Result<Outcome> {
        let flow = Flow {
            entities: (0..PRODUCERS).map(Entity::new).collect(),
            every: Duration::from_millis(1),
            events_each: u64::try_from(self.plan.live.as_millis())?,
            payload_bytes: self.plan.payload_bytes,
            readers,
            after: None,
        };
        let (decoded, cpu) = (subject.stats().events_decoded, cpu_time());
        let flowed = flow.run(&subject.store, &tag()?).await?;
        let cpu = cpu_time().saturating_sub(cpu);
        let [p50, p99] = flowed.since_receipt([0.5, 0.99]);
        let [from_call] = flowed.since_call([0.99]);
        Ok(Outcome {
            events: flowed.events,
            elapsed: flowed.elapsed,
            cpu,
            decoded: subject.stats().events_decoded - decoded,
            from_receipt: (p50, p99),
            from_call,
        })
    }
}
