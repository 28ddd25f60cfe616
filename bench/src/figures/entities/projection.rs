//! An exactly-once projection that catches up with a store that was filled before it began: each event
//! gives a result, and the results go out with the offset in one commit.

use std::time::{Duration, Instant};

use annals::Source;
use annals_core::{Bounds, Envelope, NewEvent, Payload, PersistenceId, SerializerId};
use annals_query::{HandlerError, Producer};
use async_trait::async_trait;

use super::Bench;
use crate::Result;
use crate::load::{Fill, Order, fill};
use crate::number::rate;
use crate::report::Reach;
use crate::subject::Subject;

const ENTITIES: u64 = 1_024;
const DEADLINE: Duration = Duration::from_secs(120);

/// Keeps a running total of the bytes that it saw.
#[derive(Debug, Default)]
struct Totals {
    bytes: usize,
}

#[async_trait]
impl Producer for Totals {
    async fn start(&mut self, _: Bounds) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&mut self, event: &Envelope) -> Result<Vec<NewEvent>, HandlerError> {
        self.bytes += event.event.payload.bytes.len();
        let total = format!("after {}: {} bytes", event.event.seq_nr, self.bytes);
        let payload = Payload::new(SerializerId::STRING, "", total);
        Ok(vec![NewEvent::new(payload, event.event.timestamp)])
    }
}

impl Bench {
    pub(super) async fn projection(&mut self) -> Result<()> {
        let events = self.plan.history_events;
        let what = Fill {
            events,
            entities: ENTITIES,
            events_per_append: 1,
            payload_bytes: self.plan.payload_bytes,
            order: Order::InTurn,
        };
        let mut rates = Vec::new();
        for round in 1..=self.plan.rounds.min(3) {
            let (subject, dir) = self.fresh("projected")?;
            fill(&subject, what).await?;
            let took = catch_up(&subject, events).await?;
            self.finish(subject, &dir).await?;
            let rate = rate(events, took);
            self.report.note(format!(
                "projection {round}: {events} events in {took:.2?}, {rate:.0} events/s"
            ));
            rates.push(rate);
        }
        let what = "exactly-once projection catching up, offsets included, events/s";
        self.report.figure("projection", what, "", rates, Reach::AtLeast(200_000.0));
        Ok(())
    }
}

/// How long it takes until the result of every event is stored, and with the last one the offset.
async fn catch_up(subject: &Subject, events: u64) -> Result<Duration> {
    let store = annals::Store::from(subject.store.clone());
    let results = PersistenceId::of("totals", "all")?;
    let projection = store.projection("totals", Source::All);
    let (runner, handle) = projection.exactly_once(results.clone(), Totals::default())?;
    let start = Instant::now();
    let running = tokio::spawn(runner.run());
    // Looked at now and then: to watch its status would wake a task for each event.
    while store.journal.bounds(&results).await?.highest.get() < events {
        if running.is_finished() || start.elapsed() > DEADLINE {
            return Err(format!("not all was stored: {:?}", handle.status()).into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    handle.stop().await;
    running.await??;
    Ok(took)
}
