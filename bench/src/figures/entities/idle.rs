//! What an idle entity costs beyond its state, counted by a program of its own.

use std::path::Path;

use super::wake::lines_of;
use super::{Bench, handle, region_over};
use crate::Result;
use crate::child::measure_heap;
use crate::number::float;
use crate::report::Reach;
use crate::subject::Subject;

/// The questions asked at a time, so that the commands in flight take little beside the entities.
const ASKED_AT_ONCE: u64 = 1_000;

impl Bench {
    pub(super) fn idle(&mut self) -> Result<()> {
        let entities = self.plan.large_events / 10;
        let dir = self.place("idle")?;
        match measure_heap(&dir, Some(entities))? {
            Some(bytes) => {
                let each = vec![float(bytes) / float(entities)];
                let what = "heap of an idle entity of 1 M, beyond its state";
                self.report.figure("idle", what, " B", each, Reach::AtMost(1_024.0));
            }
            None => self.report.note("idle left out: annals-bench-heap was not built".to_owned()),
        }
        Ok(())
    }
}

/// The heap that `entities` idle entities take, with an empty state, in bytes: all that is there
/// beyond the open store and the region, as `peak` counts it from `reset` on.
///
/// # Errors
/// When the store cannot be made, or an entity does not answer.
pub async fn heap_of_idle(
    dir: &Path,
    entities: u64,
    reset: impl Fn(),
    peak: impl Fn() -> u64,
) -> Result<u64> {
    let subject = Subject::open(dir)?;
    let region = region_over(&subject);
    reset();
    for wave in 0..entities.div_ceil(ASKED_AT_ONCE) {
        let numbers = wave * ASKED_AT_ONCE..entities.min((wave + 1) * ASKED_AT_ONCE);
        let asks = numbers.map(|number| lines_of(handle(&region, number)));
        for answer in futures_util::future::join_all(asks).await {
            answer.map_err(|kind| format!("an entity did not answer: {}", kind.name()))?;
        }
    }
    let bytes = peak();
    region.stop().await?;
    subject.close().await?;
    Ok(bytes)
}
