//! The heap of a long replay.

use annals_cassandra::Fencing;
use annals_core::SeqRange;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bare::Plain;
use super::{Server, open};
use crate::Result;
use crate::child::measure_heap_with;
use crate::driver::{Entity, Target};
use crate::figures::Bench;
use crate::number::{count, float};
use crate::payload::payload;
use crate::report::Reach;

/// Inserts in flight.
const IN_FLIGHT: usize = 128;

impl Bench {
    pub(super) async fn cassandra_heap(&mut self, server: &Server) -> Result<()> {
        let events = if self.plan.quick { 2_000 } else { 200_000 };
        let (address, keyspace) = (server.node.address(), "bench_heap");
        drop(open(address, keyspace, Fencing::Claims).await?);
        let (plain, entity) = (Plain::new(address, keyspace).await?, Entity::new(0));
        let bytes = self.plan.payload_bytes;
        let (plain, entity) = (&plain, &entity);
        let writes = stream::iter(1..=events)
            .map(|seq_nr| plain.append(entity, seq_nr, payload(0, seq_nr, bytes)));
        writes.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
        let arguments = [format!("--cassandra={address}"), format!("--keyspace={keyspace}")];
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
    address: &str,
    keyspace: &str,
    reset: impl Fn(),
    peak: impl Fn() -> u64,
) -> Result<u64> {
    let store = open(address, keyspace, Fencing::Claims).await?.store();
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
