//! The journal over the tables.

use annals_core::{
    Append, AppendMode, Appended, Batch, Bounds, BoxStream, Capabilities, Error, ErrorKind,
    Journal, PersistenceId, Result, SeqNr, SeqRange, WriterId,
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::claims;
use crate::end::{Look, seq_nr};
use crate::entities::Attempt;
use crate::pages::column;
use crate::replay::Replay;
use crate::settings::Fencing;
use crate::store::{CassandraStore, Inner};

/// A batch of a replay is cut when it holds this much.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

#[async_trait]
impl Journal for CassandraStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        let _request = self.inner.enter().await?;
        if let Some(claims) = &self.inner.claims {
            let (bounds, claim) = claims.begin(id, writer).await?;
            self.inner.begin_tags(id, bounds, Some(claim)).await?;
            return Ok(bounds);
        }
        let end = self.inner.find_end(id, Look::Serial).await?;
        self.inner.begin_tags(id, end.bounds, None).await?;
        Ok(end.bounds)
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let inner = &self.inner;
        let _request = inner.enter_to_write().await?;
        inner.capabilities.check_append(&append)?;
        if append.offset_save().is_some() {
            return Err(Error::unsupported("a Cassandra store keeps no projection offsets"));
        }
        if inner.fencing == Fencing::Claims {
            let receipt = inner.append_claimed(&append).await?;
            inner.announce();
            return Ok(receipt);
        }
        let attempt = inner.begin_attempt(&append);
        let receipt = match inner.append_events(&append, &attempt).await {
            Ok(receipt) => receipt,
            Err(error) => {
                inner.abandon_attempt(&append, &attempt, &error);
                return Err(error);
            }
        };
        inner.write_tags(&append, &attempt).await;
        inner.announce();
        Ok(receipt)
    }

    async fn end(&self, id: &PersistenceId, _writer: &WriterId) -> Result<()> {
        let _request = self.inner.enter().await?;
        self.inner.entities.forget(id);
        Ok(())
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let replay = Replay::new(self.inner.clone(), id.clone(), range);
        Box::pin(stream::try_unfold(replay, |mut replay| async move {
            let batch = replay.next().await?;
            Ok(batch.map(|batch| (batch, replay)))
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        let _request = self.inner.enter().await?;
        self.inner.bounds(id).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let _request = self.inner.enter_to_write().await?;
        self.inner.delete_to(id, to).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.end_all().await;
        if let Some(background) = &self.background {
            background.stop().await;
            self.inner.flush_tags().await;
        }
        Ok(())
    }
}

impl Inner {
    /// Draws what the rows of an append need. Readers by tag wait for it from here on, if it has tags.
    fn begin_attempt(&self, append: &Append) -> Attempt {
        let runs = self.fencing != Fencing::Off;
        let tagged = self.is_tagged(append);
        self.in_flight.enter_drawn(|| {
            let attempt = self.entities.attempt(append, runs, || self.draw_uuid());
            let first = attempt.uuids.first().copied().filter(|_| tagged);
            (attempt, first)
        })
    }

    fn abandon_attempt(&self, append: &Append, attempt: &Attempt, error: &Error) {
        let Some(first) = attempt.uuids.first().filter(|_| self.is_tagged(append)) else { return };
        match error.kind() {
            ErrorKind::OutcomeUnknown | ErrorKind::Internal => self.in_flight.leave_unknown(*first),
            _ => self.in_flight.leave(*first),
        }
    }

    fn is_tagged(&self, append: &Append) -> bool {
        self.settings.events_by_tag.enabled
            && append.events().iter().any(|event| !event.tags.is_empty())
    }

    async fn append_events(&self, append: &Append, attempt: &Attempt) -> Result<Appended> {
        if append.after().is_zero() || append.mode() == AppendMode::Ingest {
            self.list_id(append.id()).await?;
        }
        match self.fencing {
            Fencing::Lwt => self.append_if(append, attempt).await,
            Fencing::Off | Fencing::Claims => self.append_plainly(append, attempt).await,
        }
    }

    /// Tags are written for what is permanent alone.
    async fn append_claimed(&self, append: &Append) -> Result<Appended> {
        if append.after().is_zero() || append.mode() == AppendMode::Ingest {
            self.list_id(append.id()).await?;
        }
        let (receipt, rows) = self.claims()?.append(append).await?;
        match rows {
            Some(rows) => self.write_tags(append, &rows.acknowledged()).await,
            // An earlier try was stored without an answer.
            None if self.is_tagged(append) => self.backlog.repair(append.id(), None),
            None => {}
        }
        Ok(receipt)
    }

    pub(crate) async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        if let Some(claims) = &self.claims {
            return claims::bounds(claims, id).await;
        }
        Ok(self.find_end(id, Look::Plain).await?.bounds)
    }

    /// Lists the id, before its first event. An id without events that is listed does no harm.
    pub(crate) async fn list_id(&self, id: &PersistenceId) -> Result<()> {
        if !self.settings.journal.support_all_persistence_ids {
            return Ok(());
        }
        let what = || format!("listing {id} (no event of it was written)");
        let written = self
            .connection
            .write(&self.connection.statements.entities.insert_id, (id.as_str(),), what)
            .await;
        // No event was written, whatever became of this.
        written.map_err(|error| Error::unavailable(error.message().to_owned()).with_source(error))
    }

    /// Deletes logically first, so that what an interrupted physical delete left is not seen.
    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let journal = &self.settings.journal;
        if !journal.support_deletes {
            let message =
                format!("events of {id} cannot be deleted: journal.support-deletes is off");
            return Err(Error::unsupported(message));
        }
        if let Some(claims) = &self.claims {
            let (before, to) = claims.delete_to(id, to).await?;
            if to.is_zero() {
                return Ok(());
            }
            return self.remove_rows(id, before, to).await;
        }
        let end = self.find_end(id, Look::Plain).await?;
        let to = to.min(end.bounds.highest);
        if to.is_zero() {
            return Ok(());
        }
        let stored = end.stored_deleted_to.map_or(SeqNr::ZERO, seq_nr);
        if to > stored {
            let what = || format!("deleting events of {id} up to {to}");
            match self.fencing {
                Fencing::Lwt => self.raise_deleted_to(id, to).await?,
                _ => self.connection.record_deleted_to(id, to, what).await?,
            }
        }
        self.remove_rows(id, end.bounds.deleted_to, to).await
    }

    /// Removes the rows of what is deleted logically, and was so up to `before`.
    async fn remove_rows(&self, id: &PersistenceId, before: SeqNr, to: SeqNr) -> Result<()> {
        let journal = &self.settings.journal;
        // The last partition again where nothing is new: an earlier delete may have been interrupted.
        let size = journal.target_partition_size;
        let mut partition = size.partition_of(before.min(to.previous()).next());
        let mut partitions = vec![partition];
        while partition <= size.partition_of(to) {
            partition = partition.next();
            partitions.push(partition);
        }
        let deletes = stream::iter(partitions.into_iter().map(|partition| async move {
            let what = || {
                format!(
                    "events of {id} up to {to} are deleted, but some of their rows are perhaps still \
                     there: repeat the delete"
                )
            };
            let values = (id.as_str(), partition.column(), column(to));
            self.connection.write(&self.connection.statements.events.delete, values, what).await
        }));
        let mut deletes = deletes.buffer_unordered(journal.max_concurrent_deletes.max(1));
        while deletes.try_next().await?.is_some() {}
        Ok(())
    }
}
