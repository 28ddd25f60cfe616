//! Recording rows: each is a command to its aircraft; many are under way at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::{Entities, ErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Failure;
use super::aircraft::{Aircraft, AlreadyRecorded, Command};
use super::progress::Progress;
use super::row::Row;

/// The most commands that are unanswered at a time.
pub(crate) const IN_FLIGHT: usize = 512;

/// How often a command is sent while the store does not answer as it should.
const ATTEMPTS_MAX: usize = 5;

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Import {
    pub(crate) recorded: usize,
    pub(crate) events: usize,
    pub(crate) recorded_before: usize,
    pub(crate) duration: Duration,
    /// How long each row that was recorded waited for its acknowledgement.
    latencies: Vec<Duration>,
}

/// Records `rows`; those that are recorded already are counted and left as they are.
pub(crate) async fn import(
    aircraft: &Entities<Aircraft>,
    rows: &[Arc<Row>],
) -> Result<Import, Failure> {
    let mut import = Import::default();
    let mut progress = Progress::new(rows.len());
    let start = Instant::now();
    let mut answers =
        stream::iter(rows).map(|row| record(aircraft, row.clone())).buffer_unordered(IN_FLIGHT);
    while let Some((answer, latency)) = answers.try_next().await? {
        match answer {
            Ok(events) => {
                import.recorded += 1;
                import.events += events;
                import.latencies.push(latency);
            }
            Err(AlreadyRecorded) => import.recorded_before += 1,
        }
        progress.step();
    }
    import.duration = start.elapsed();
    import.latencies.sort_unstable();
    Ok(import)
}

/// Sends one row to its aircraft. It may be sent again after any failure that may pass, also when
/// nobody knows whether it was stored: the aircraft records a flight once.
async fn record(
    aircraft: &Entities<Aircraft>,
    row: Arc<Row>,
) -> Result<(Result<usize, AlreadyRecorded>, Duration), Failure> {
    let entity = aircraft.entity(&row.aircraft());
    let start = Instant::now();
    let mut attempts = 1;
    loop {
        let answer = entity.ask(|reply| Command::Record { row: row.clone(), reply }).await;
        match answer {
            Ok(answer) => return Ok((answer, start.elapsed())),
            Err(error) if attempts < ATTEMPTS_MAX && may_pass(error.kind()) => attempts += 1,
            Err(error) => {
                let message = format!("flight {} could not be recorded", row.key);
                return Err(error.context(message).into());
            }
        }
    }
}

fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Conflict { .. })
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
