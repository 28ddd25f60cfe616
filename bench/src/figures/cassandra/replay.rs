//! The heap of a long replay.

use annals_cassandra::Fencing;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bare::Plain;
use super::{Server, open};
use crate::Result;
use crate::driver::{Entity, Target};
use crate::figures::Bench;
use crate::payload::payload;

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
        self.heap_of_server_replay(events, &arguments)
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
    super::super::beside::heap_of_replay(&store, reset, peak).await
}
