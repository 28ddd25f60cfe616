//! Recording rows: each is a command to its aircraft; many aircraft at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::environment::System;
use annals::{
    Append, Clock, Ids, JournalExt, NewEvent, PersistenceId, SeqRange, Serializer, Store, Tag,
};
use annals_pekko::JacksonJson;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Failure;
use super::aircraft::{Aircraft, AlreadyRecorded, Event};
use super::progress::Progress;
use super::row::Row;

/// The most commands that are unanswered at a time.
pub(crate) const IN_FLIGHT: usize = 512;

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Import {
    pub(crate) recorded: usize,
    pub(crate) events: usize,
    pub(crate) recorded_before: usize,
    pub(crate) duration: Duration,
    /// How long each row that was recorded waited for its acknowledgement.
    pub(crate) latencies: Vec<Duration>,
}

/// Records `rows`; those that are recorded already are counted and left as they are.
pub(crate) async fn import(store: &Store, rows: &[&Row]) -> Result<Import, Failure> {
    let mut by_aircraft: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_aircraft.entry(row.aircraft()).or_default().push(row);
    }
    let progress = Arc::new(Progress::new(rows.len()));
    let start = Instant::now();
    let mut import = stream::iter(by_aircraft)
        .map(|(aircraft, rows)| record(store, aircraft, rows, progress.clone()))
        .buffer_unordered(IN_FLIGHT)
        .try_fold(Import::default(), |mut sum, one| async move {
            sum.recorded += one.recorded;
            sum.events += one.events;
            sum.recorded_before += one.recorded_before;
            sum.latencies.extend(one.latencies);
            Ok(sum)
        })
        .await?;
    import.duration = start.elapsed();
    import.latencies.sort_unstable();
    Ok(import)
}

async fn record(
    store: &Store,
    aircraft: String,
    rows: Vec<&Row>,
    progress: Arc<Progress>,
) -> Result<Import, Failure> {
    let system = System::new();
    let json = JacksonJson::<Event>::new(Event::MANIFEST);
    let id = PersistenceId::of(Aircraft::TYPE, &aircraft)?;
    let writer = system.writer_id();
    let mut highest = store.journal.begin(&id, &writer).await?.highest;
    let mut state = recover(store, &id).await?;
    let mut import = Import::default();
    for row in rows {
        match state.record(row) {
            Err(AlreadyRecorded) => import.recorded_before += 1,
            Ok(events) => {
                let start = Instant::now();
                let mut new_events = Vec::new();
                for event in &events {
                    let tags = event.tags().map(Tag::new).into_iter().collect::<Result<_, _>>()?;
                    let payload = json.serialize(event)?;
                    new_events.push(NewEvent::new(payload, system.now()).with_tags(tags));
                }
                let append_id = system.append_id();
                let append =
                    Append::new(append_id, id.clone(), highest, writer.clone(), new_events)?;
                highest = store.journal.append(append).await?.last;
                import.recorded += 1;
                import.events += events.len();
                import.latencies.push(start.elapsed());
                events.iter().for_each(|event| state.take(event));
            }
        }
        progress.step();
    }
    store.journal.end(&id, &writer).await?;
    Ok(import)
}

/// The state that the events of an aircraft add up to.
pub(crate) async fn recover(store: &Store, id: &PersistenceId) -> Result<Aircraft, Failure> {
    let json = JacksonJson::<Event>::new(Event::MANIFEST);
    let mut state = Aircraft::default();
    for event in store.journal.read_all(id, SeqRange::ALL).await? {
        state.take(&json.deserialize(&event.payload)?);
    }
    Ok(state)
}

impl Import {
    /// The latency that `percent` of the acknowledgements did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied()
    }

    /// Rows recorded per second.
    pub(crate) fn rows_per_second(&self) -> u64 {
        let millis = self.duration.as_millis().max(1);
        let recorded = u128::try_from(self.recorded).unwrap_or(u128::MAX);
        u64::try_from(recorded * 1_000 / millis).unwrap_or(u64::MAX)
    }
}
