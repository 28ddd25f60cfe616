//! How long events take from their writers to a live stream.
//!
//! ```text
//! producers, each with its entity:  ─┬── due ── call ── receipt ──►  journal
//!                                    └ every so often                   │
//! reader of the tag:  delivery  ◄───────────────────────────────────────┘
//! ```
//!
//! Appends are due at moments that do not depend on how long earlier ones took, so a store that falls
//! behind does not lower the load by which it is measured. Each event carries its index, by which the
//! moments are brought together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_core::{BoxStream, Offset, Page, Scope, Store, Tag, Tags};
use annals_query::{Extent, Query};
use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};

use crate::Result;
use crate::driver::{Entity, histogram};
use crate::number::{count, float};
use crate::payload::payload;
use crate::subject::JournalTarget;

/// What an event has of its own, its index, is in these bytes.
const INDEX_BYTES: usize = size_of::<u64>();
/// How long a reader may take to come to the end when all is written.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tag that is followed.
pub(super) fn tag() -> Result<Tag> {
    Ok(Tag::new("followed")?)
}

/// Who writes how much, and who reads it.
#[derive(Debug)]
pub(super) struct Flow {
    /// One producer each; events follow those that it has.
    pub(super) entities: Vec<Entity>,
    /// Between two events of a producer.
    pub(super) every: Duration,
    pub(super) events_each: u64,
    pub(super) payload_bytes: usize,
    pub(super) readers: u64,
    /// Where they begin.
    pub(super) after: Option<Offset>,
}

/// What that gave.
#[derive(Debug)]
pub(super) struct Flowed {
    pub(super) events: u64,
    /// Until the last receipt.
    pub(super) elapsed: Duration,
    moments: Arc<Moments>,
}

impl Flowed {
    /// Milliseconds from when an append was due to the delivery of its event.
    #[cfg(feature = "cassandra")]
    pub(super) fn since_due<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        self.moments.millis(&self.moments.due, &self.moments.delivered, quantiles)
    }

    /// The same from the call of the append.
    pub(super) fn since_call<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        self.moments.millis(&self.moments.called, &self.moments.delivered, quantiles)
    }

    /// The same from its receipt.
    pub(super) fn since_receipt<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        self.moments.millis(&self.moments.received, &self.moments.delivered, quantiles)
    }

    /// Milliseconds from the call of an append to its receipt.
    #[cfg(feature = "cassandra")]
    pub(super) fn to_receipt<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        self.moments.millis(&self.moments.called, &self.moments.received, quantiles)
    }
}

impl Flow {
    /// Writes and reads; every reader must get every event once.
    pub(super) async fn run(self, store: &Store, tag: &Tag) -> Result<Flowed> {
        let producers = count(self.entities.len());
        let events = producers * self.events_each;
        let moments = Arc::new(Moments::new(usize::try_from(events)?));
        let mut following = Vec::new();
        for reader in 0..self.readers {
            let marks = (reader == 0).then(|| moments.clone());
            let query = Query::new(store.read_journal.clone());
            let pages = query.pages(Scope::Tag(tag.clone()), Extent::Live, self.after.clone());
            following.push(tokio::spawn(follow(pages, events, marks)));
        }
        let tags = Tags::from_iter([tag.clone()]);
        let target = JournalTarget::new(store.journal.clone(), tags);
        let mut producing = Vec::new();
        for (producer, entity) in (0..producers).zip(self.entities) {
            // One after the other, so that the load is even.
            let apart = u32::try_from(producer)? * self.every / u32::try_from(producers)?;
            let producer = Producer {
                target: target.clone(),
                entity,
                first_due: moments.start + apart,
                every: self.every,
                payload_bytes: self.payload_bytes,
            };
            let first = count(producing.len()) * self.events_each;
            let part = first..first + self.events_each;
            producing.push(tokio::spawn(producer.produce(part, moments.clone())));
        }
        for producer in producing {
            producer.await??;
        }
        let elapsed = moments.start.elapsed();
        for reader in following {
            tokio::time::timeout(PATIENCE, reader).await???;
        }
        if self.readers > 0 && !moments.all_delivered() {
            return Err("an event was delivered twice, and another not at all".into());
        }
        Ok(Flowed { events, elapsed, moments })
    }
}

/// The moments of each event, in nanoseconds since the start; 0: it has not come.
#[derive(Debug)]
struct Moments {
    start: Instant,
    due: Vec<AtomicU64>,
    called: Vec<AtomicU64>,
    received: Vec<AtomicU64>,
    delivered: Vec<AtomicU64>,
}

impl Moments {
    fn new(events: usize) -> Self {
        let moments = || (0..events).map(|_| AtomicU64::new(0)).collect();
        let (due, called, received, delivered) = (moments(), moments(), moments(), moments());
        Self { start: Instant::now(), due, called, received, delivered }
    }

    fn mark(&self, moments: &[AtomicU64], index: u64, at: Instant) {
        let moment = usize::try_from(index).ok().and_then(|index| moments.get(index));
        if let Some(moment) = moment {
            let since = at.saturating_duration_since(self.start).as_nanos();
            moment.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    fn all_delivered(&self) -> bool {
        self.delivered.iter().all(|moment| moment.load(Ordering::Relaxed) > 0)
    }

    /// Milliseconds between two moments of each event, at these quantiles.
    fn millis<const N: usize>(
        &self,
        from: &[AtomicU64],
        to: &[AtomicU64],
        quantiles: [f64; N],
    ) -> [f64; N] {
        let mut micros = histogram();
        for (from, to) in from.iter().zip(to) {
            let (from, to) = (from.load(Ordering::Relaxed), to.load(Ordering::Relaxed));
            micros.saturating_record(to.saturating_sub(from) / 1_000);
        }
        quantiles.map(|quantile| float(micros.value_at_quantile(quantile)) / 1_000.0)
    }
}

/// Appends an event to its entity every so often.
struct Producer {
    target: JournalTarget,
    entity: Entity,
    first_due: Instant,
    every: Duration,
    payload_bytes: usize,
}

impl Producer {
    async fn produce(mut self, part: std::ops::Range<u64>, moments: Arc<Moments>) -> Result<()> {
        let mut ticks = tokio::time::interval_at(self.first_due, self.every);
        // A producer that was late catches up, so that the rate is kept.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for index in part {
            let due = ticks.tick().await;
            let seq_nr = self.entity.highest + 1;
            let mut bytes = index.to_le_bytes().to_vec();
            let rest = self.payload_bytes.saturating_sub(INDEX_BYTES);
            bytes.extend_from_slice(&payload(self.entity.number, seq_nr, rest));
            moments.mark(&moments.due, index, due);
            moments.mark(&moments.called, index, Instant::now());
            self.target.append_all(&self.entity, seq_nr, [bytes.into()]).await?;
            moments.mark(&moments.received, index, Instant::now());
            self.entity.highest = seq_nr;
        }
        Ok(())
    }
}

/// Reads until all events came; the reader that has `moments` marks each.
async fn follow(
    mut pages: BoxStream<'static, annals_core::Result<Page>>,
    events: u64,
    moments: Option<Arc<Moments>>,
) -> Result<()> {
    let mut seen = 0;
    while seen < events {
        let page = pages.next().await.ok_or("a live stream ended")??;
        seen += count(page.events().len());
        let Some(moments) = &moments else { continue };
        for envelope in page.events() {
            let index = envelope.event.payload.bytes.first_chunk::<INDEX_BYTES>();
            let index = u64::from_le_bytes(*index.ok_or("an event without its index")?);
            moments.mark(&moments.delivered, index, Instant::now());
        }
    }
    Ok(())
}
