//! `fencing = off`: appends as Pekko writes them. The application guarantees one writer of each entity.

use annals_core::{Append, AppendMode, Appended, Result};

use crate::entities::Attempt;
use crate::inserts::{Placed, of_append};
use crate::store::Inner;

impl Inner {
    pub(crate) async fn append_plainly(
        &self,
        append: &Append,
        attempt: &Attempt,
    ) -> Result<Appended> {
        let (id, range) = (append.id(), append.range());
        if append.mode() == AppendMode::Ingest && !append.after().is_zero() {
            self.begin_history_plainly(append).await?;
        }
        // All of them go to the partition of the last one.
        let partition = self.settings.journal.target_partition_size.partition_of(range.to);
        let bucket_size = self.settings.events_by_tag.bucket_size;
        let rows = of_append(append, attempt, partition, bucket_size, Placed::No);
        let what = || format!("events {}-{} of {id} were perhaps not stored", range.from, range.to);
        let way = self.connection.way_of_events(id, partition);
        self.connection.insert(way, &rows, what).await?;
        Ok(append.receipt())
    }

    /// Lets an empty history begin after `after`.
    async fn begin_history_plainly(&self, append: &Append) -> Result<()> {
        let bounds = self.bounds(append.id()).await?;
        if !bounds.highest.is_zero() {
            return Ok(());
        }
        let id = append.id();
        let what = || format!("beginning {id} after {}", append.after());
        self.connection.record_deleted_to(id, append.after(), what).await
    }
}
