//! The heap of a long replay.

use annals_core::SeqRange;
use futures_util::StreamExt;

use super::bare::{Template, bulk_load, sdk};
use super::{Server, open};
use crate::Result;
use crate::child::measure_heap_with;
use crate::driver::Entity;
use crate::figures::Bench;
use crate::number::{count, float};
use crate::report::Reach;

impl Bench {
    pub(super) async fn dynamodb_heap(&mut self, server: &mut Server) -> Result<()> {
        let events = if self.plan.quick { 2_000 } else { 200_000 };
        let store = server.fresh().await?;
        let endpoint = server.local.endpoint().to_owned();
        let bytes = self.plan.payload_bytes;
        let template = Template::of(&store, &endpoint, bytes).await?;
        let (journal, entity) = ("heap", Entity::new(0));
        bulk_load(&sdk(&endpoint), &template, journal, &entity, events, bytes).await?;
        let arguments = [format!("--dynamodb={endpoint}"), format!("--journal={journal}")];
        let Some(heap) = measure_heap_with(self.root.path(), &arguments)? else {
            return Err("annals-bench-heap was not built".into());
        };
        let mib = float(heap) / f64::from(1 << 20);
        let what = format!("heap of a replay of {events} events, above the idle store's");
        self.report.figure("heap", &what, " MiB", vec![mib], Reach::AtMost(32.0));
        Ok(())
    }
}

/// Replays the history that was loaded twice; gives what `peak` says of the second time (it is told to
/// begin anew by `reset`, and gives bytes above that moment).
///
/// # Errors
/// What the store reports.
pub async fn heap_of_replay(
    endpoint: &str,
    journal: &str,
    reset: impl Fn(),
    peak: impl Fn() -> u64,
) -> Result<u64> {
    let store = open(endpoint, journal).await?.store();
    let replay = || async {
        let mut batches = store.journal.replay(&Entity::new(0).id, SeqRange::ALL);
        let mut events = 0;
        while let Some(batch) = batches.next().await {
            events += count(batch?.events.len());
        }
        Ok::<u64, annals_core::Error>(events)
    };
    replay().await?;
    reset();
    let events = replay().await?;
    if events == 0 {
        return Err("there is no history to replay".into());
    }
    Ok(peak())
}
