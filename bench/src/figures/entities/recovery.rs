//! The recovery of one long history, against decoding and applying its bytes in a loop.

use std::time::{Duration, Instant};

use annals::EventSourced;
use annals_core::SeqRange;
use futures_util::StreamExt;

use super::cart::{Ask, Cart, codec, write_histories};
use super::{Bench, handle, region_over};
use crate::Result;
use crate::driver::Entity;
use crate::number::rate;
use crate::report::Reach;
use crate::subject::Subject;

/// A history of a million events may take longer than an ask usually does.
const DEADLINE: Duration = Duration::from_secs(600);

impl Bench {
    pub(super) async fn recovery(&mut self) -> Result<()> {
        let (subject, dir) = self.fresh("history")?;
        let events = self.plan.history_events;
        write_histories(&subject.store.journal, 1, events).await?;
        let mut ratios = Vec::new();
        // The first round warms the caches.
        for round in 0..=self.plan.rounds {
            let recovered = recover(&subject, events).await?;
            let folded = fold(&subject, events).await?;
            let (ours, bare) = (rate(events, recovered), rate(events, folded));
            self.report.note(format!(
                "recovery {round}: {ours:.0} events/s; decoding and applying alone: {bare:.0} events/s"
            ));
            if round > 0 {
                self.report.value("recovery_events_per_second", ours);
                ratios.push(ours / bare);
            }
        }
        self.finish(subject, &dir).await?;
        let what = "recovery of one long history / decoding and applying its bytes";
        self.report.figure("recovery", what, "", ratios, Reach::AtLeast(0.7));
        Ok(())
    }
}

/// How long a cart takes from its first command to the answer.
async fn recover(subject: &Subject, events: u64) -> Result<Duration> {
    let region = region_over(subject);
    let start = Instant::now();
    let lines = handle(&region, 0).ask_within(DEADLINE, |reply| Ask::Lines { reply }).await?;
    let took = start.elapsed();
    region.stop().await?;
    whole(lines, events)?;
    Ok(took)
}

/// How long decoding and applying takes, without what the store needs to read.
async fn fold(subject: &Subject, events: u64) -> Result<Duration> {
    let codec = codec();
    let mut batches = subject.store.journal.replay(&Entity::new(0).id, SeqRange::ALL);
    let (mut took, mut cart) = (Duration::ZERO, Cart::default());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let start = Instant::now();
        for event in &batch.events {
            cart.apply(&codec.decode(&event.payload)?);
        }
        took += start.elapsed();
    }
    whole(cart.lines, events)?;
    Ok(took)
}

fn whole(lines: u64, events: u64) -> Result<()> {
    if lines != events {
        return Err(format!("{lines} of {events} events were applied").into());
    }
    Ok(())
}
