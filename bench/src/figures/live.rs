//! Live streams: how long an event takes from its commit to its reader, and what many readers cost.
//!
//! Producers append an event each millisecond; each event carries its index, by which the moments
//! of its acknowledgement and its delivery are brought together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals_core::{ReadJournal, Scope, Tag, Tags};
use annals_query::{Extent, Query};
use futures_util::StreamExt;
use tokio::time::MissedTickBehavior;

use super::Bench;
use crate::Result;
use crate::driver::{Entity, histogram};
use crate::number::{count, float, rate};
use crate::payload::payload;
use crate::process::cpu_time;
use crate::report::Reach;
use crate::subject::{JournalTarget, Subject};

/// Each appends an event a millisecond: 50,000 events a second together.
const PRODUCERS: usize = 50;
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
        let each = usize::try_from(self.plan.live.as_millis())?;
        let outcome = run(&subject, readers, each).await?;
        self.finish(subject, &dir).await?;
        Ok(outcome)
    }
}

/// The moments of each event, in nanoseconds since the run's start.
struct Moments {
    start: Instant,
    called: Vec<AtomicU64>,
    received: Vec<AtomicU64>,
    delivered: Vec<AtomicU64>,
}

impl Moments {
    fn new(events: usize) -> Self {
        let moments = || (0..events).map(|_| AtomicU64::new(0)).collect();
        let (called, received, delivered) = (moments(), moments(), moments());
        Self { start: Instant::now(), called, received, delivered }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn mark(&self, moments: &[AtomicU64], index: u64) {
        let moment = usize::try_from(index).ok().and_then(|index| moments.get(index));
        if let Some(moment) = moment {
            moment.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Milliseconds from each of `from` to the delivery, at these quantiles.
    fn millis<const N: usize>(&self, from: &[AtomicU64], quantiles: [f64; N]) -> [f64; N] {
        let mut micros = histogram();
        for (from, to) in from.iter().zip(&self.delivered) {
            let (from, to) = (from.load(Ordering::Relaxed), to.load(Ordering::Relaxed));
            micros.saturating_record(to.saturating_sub(from) / 1_000);
        }
        quantiles.map(|quantile| float(micros.value_at_quantile(quantile)) / 1_000.0)
    }
}

async fn run(subject: &Subject, readers: u64, events_each: usize) -> Result<Outcome> {
    let tag = Tag::new("followed")?;
    let events = PRODUCERS * events_each;
    let moments = Arc::new(Moments::new(events));
    let tags = Tags::from_iter([tag.clone()]);
    let target = JournalTarget::new(subject.store.journal.clone(), tags);
    let decoded = subject.stats().events_decoded;
    let cpu = cpu_time();
    let mut following = Vec::new();
    for reader in 0..readers {
        let marks = (reader == 0).then(|| moments.clone());
        let journal = subject.store.read_journal.clone();
        following.push(tokio::spawn(follow(journal, tag.clone(), events, marks)));
    }
    let mut producing = Vec::new();
    for producer in 0..PRODUCERS {
        let first = count(producer * events_each);
        let part = first..first + count(events_each);
        producing.push(tokio::spawn(produce(target.clone(), part, moments.clone())));
    }
    for producer in producing {
        producer.await??;
    }
    let elapsed = moments.start.elapsed();
    for reader in following {
        tokio::time::timeout(Duration::from_secs(30), reader).await???;
    }
    let cpu = cpu_time().saturating_sub(cpu);
    let [p50, p99] = moments.millis(&moments.received, [0.5, 0.99]);
    let [from_call] = moments.millis(&moments.called, [0.99]);
    let decoded = subject.stats().events_decoded - decoded;
    let events = count(events);
    Ok(Outcome { events, elapsed, cpu, decoded, from_receipt: (p50, p99), from_call })
}

async fn produce(
    target: JournalTarget,
    part: std::ops::Range<u64>,
    moments: Arc<Moments>,
) -> Result<()> {
    let mut entity = Entity::new(part.start);
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    // A producer that was late catches up, so that the rate is kept.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for index in part {
        ticks.tick().await;
        let seq_nr = entity.highest + 1;
        let mut bytes = index.to_le_bytes().to_vec();
        bytes.extend_from_slice(&payload(entity.number, seq_nr, 248));
        moments.mark(&moments.called, index);
        target.append_all(&entity, seq_nr, [bytes.into()]).await?;
        moments.mark(&moments.received, index);
        entity.highest = seq_nr;
    }
    Ok(())
}

/// Reads until all events came; the reader that has `moments` marks each.
async fn follow(
    journal: Arc<dyn ReadJournal>,
    tag: Tag,
    events: usize,
    moments: Option<Arc<Moments>>,
) -> Result<()> {
    let mut pages = Query::new(journal).pages(Scope::Tag(tag), Extent::Live, None);
    let mut seen = 0;
    while seen < events {
        let page = pages.next().await.ok_or("a live stream ended")??;
        seen += page.events().len();
        let Some(moments) = &moments else { continue };
        for envelope in page.events() {
            let index = envelope.event.payload.bytes.first_chunk::<8>();
            let index = u64::from_le_bytes(*index.ok_or("an event without its index")?);
            moments.mark(&moments.delivered, index);
        }
    }
    Ok(())
}
