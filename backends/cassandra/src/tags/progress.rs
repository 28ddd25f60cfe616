//! `tag_write_progress` and `tag_scanning`, and the times as of which they are written.

use std::collections::HashMap;

use annals_core::{Error, PersistenceId, Result, SeqNr, Tag};
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use super::counters::Progress;
use crate::end::seq_nr;
use crate::error;
use crate::pages::column;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;
use crate::value::Value;

/// A note of progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    pub(super) progress: Progress,
    /// When it was written, in microseconds since 1970, by its writer's clock.
    pub(super) written: i64,
}

/// What is noted of one entity.
#[derive(Debug, Default)]
pub(super) struct StoredProgress {
    pub(super) tags: HashMap<Tag, Note>,
    /// Up to where its progress is stored.
    pub(super) scanned: Option<SeqNr>,
    pub(super) scanned_written: i64,
}

impl Inner {
    pub(super) async fn stored_progress_written(
        &self,
        id: &PersistenceId,
    ) -> Result<StoredProgress> {
        let what = || format!("reading the tag progress of {id}");
        let statements = &self.connection.statements.tag_rebuild;
        let mut stored = StoredProgress::default();
        let read = self.connection.read(&statements.select_progress_written, (id.as_str(),), what);
        let rows = read.await?;
        let rows = rows
            .rows::<(String, Option<i64>, Option<i64>, Option<CqlTimeuuid>, Option<i64>)>()
            .map_err(|error| error::of_rows(what(), error))?;
        for row in rows {
            let (tag, number, counter, timestamp, written) =
                row.map_err(|error| error::of_rows(what(), error))?;
            let timestamp = timestamp.map(|uuid| Uuid::from_bytes(*uuid.as_bytes()));
            let progress = Progress {
                seq_nr: seq_nr(number.unwrap_or_default()),
                counter: counter.unwrap_or_default(),
                timestamp: timestamp.and_then(TimeUuid::new),
            };
            let tag = Tag::new(tag).map_err(|error: Error| error.context(what()))?;
            let written = written.unwrap_or_default();
            stored.tags.insert(tag, Note { progress, written });
        }
        (stored.scanned, stored.scanned_written) = self.stored_scanning(id).await?;
        Ok(stored)
    }

    /// Up to where the progress is stored, and when that was written, in microseconds since 1970.
    pub(super) async fn stored_scanning(&self, id: &PersistenceId) -> Result<(Option<SeqNr>, i64)> {
        let what = || format!("reading up to where the tags of {id} are written");
        let statement = &self.connection.statements.tags.select_scanning;
        let rows = self.connection.read(statement, (id.as_str(),), what).await?;
        let row = rows.maybe_first_row::<(Option<i64>, Option<i64>)>();
        let row = row.map_err(|error| error::of_rows(what(), error))?;
        let (number, written) = row.unwrap_or_default();
        Ok((number.map(seq_nr), written.unwrap_or_default()))
    }

    /// Notes the progress of a tag as of `at`: nothing where its timeuuid is not known.
    pub(super) async fn note_progress(
        &self,
        id: &PersistenceId,
        tag: &Tag,
        progress: Progress,
        at: i64,
    ) -> Result<()> {
        let Some(timestamp) = progress.timestamp else { return Ok(()) };
        let what = || format!("writing the progress of tag {tag} of {id}");
        let values = vec![
            Value::Text(id.as_str()),
            Value::Text(tag.as_str()),
            Value::BigInt(column(progress.seq_nr)),
            Value::BigInt(progress.counter),
            Value::TimeUuid(timestamp),
            Value::BigInt(at),
        ];
        self.connection.write(&self.connection.statements.tags.insert_progress, values, what).await
    }

    /// Notes that a tag has no progress, as of `at`.
    pub(super) async fn forget_progress(
        &self,
        id: &PersistenceId,
        tag: &Tag,
        at: i64,
    ) -> Result<()> {
        let what = || format!("removing the progress of tag {tag} of {id}");
        let values = (at, id.as_str(), tag.as_str());
        let statement = &self.connection.statements.tag_rebuild.delete_progress_at;
        self.connection.write(statement, values, what).await
    }

    /// Notes up to where the progress is stored, as of `at`.
    pub(super) async fn note_scanned(&self, id: &PersistenceId, to: SeqNr, at: i64) -> Result<()> {
        let what = || format!("writing up to where the tags of {id} are written");
        let values = (id.as_str(), column(to), at);
        self.connection.write(&self.connection.statements.tags.insert_scanning, values, what).await
    }

    /// Notes that no progress is stored, as of `at`.
    pub(super) async fn forget_scanned(&self, id: &PersistenceId, at: i64) -> Result<()> {
        let what = || format!("removing up to where the tags of {id} are written");
        let statement = &self.connection.statements.tag_rebuild.delete_scanning_at;
        self.connection.write(statement, (at, id.as_str()), what).await
    }
}
