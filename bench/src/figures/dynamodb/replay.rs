//! The heap of a long replay.

use super::bare::{Template, bulk_load, sdk};
use super::{Server, open};
use crate::Result;
use crate::driver::Entity;
use crate::figures::Bench;

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
        self.heap_of_server_replay(events, &arguments)
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
    super::super::beside::heap_of_replay(&store, reset, peak).await
}
