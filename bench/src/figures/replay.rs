//! The replay of one long history.

use std::time::Instant;

use super::{Bench, discard};
use crate::Result;
use crate::child::{measure_heap, replay};
use crate::load::{Fill, Order};
use crate::number::{float, rate};
use crate::report::Reach;
use crate::subject::Subject;

impl Bench {
    pub(super) async fn replay(&mut self) -> Result<()> {
        let events = self.plan.history_events;
        let history = Fill {
            events,
            entities: 1,
            events_per_append: 100,
            payload_bytes: self.plan.payload_bytes,
            order: Order::OneByOne,
        };
        let dir = self.filled("history", history).await?;
        let subject = Subject::open(&dir)?;
        let mut rates = Vec::new();
        // The first one warms the caches.
        for round in 0..=self.plan.rounds {
            let start = Instant::now();
            let found = replay(&subject).await?;
            if found != events {
                return Err(format!("a replay gave {found} of {events} events").into());
            }
            if round > 0 {
                rates.push(rate(events, start.elapsed()));
            }
        }
        subject.close().await?;
        let what = "one history of 1 M events of 256 B, warm, events/s";
        self.report.figure("replay", what, "", rates, Reach::AtLeast(3e6));
        match measure_heap(&dir, None)? {
            Some(bytes) => {
                let mebibytes = vec![float(bytes) / float(1 << 20)];
                let what = "heap of that replay above the open store's";
                self.report.figure("replay", what, " MiB", mebibytes, Reach::AtMost(32.0));
            }
            None => self.report.note("heap left out: annals-bench-heap was not built".to_owned()),
        }
        discard(&dir)
    }
}
