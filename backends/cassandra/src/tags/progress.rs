//! `tag_write_progress` and `tag_scanning` with the times at which they were written, for who mends them.

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
        let what = || format!("reading up to where the tags of {id} are written");
        let read = self.connection.read(&statements.select_scanning_written, (id.as_str(),), what);
        let row = read.await?.maybe_first_row::<(Option<i64>, Option<i64>)>();
        if let Some((number, written)) = row.map_err(|error| error::of_rows(what(), error))? {
            stored.scanned = number.map(seq_nr);
            stored.scanned_written = written.unwrap_or_default();
        }
        Ok(stored)
    }

    /// Notes the progress of a tag, or that there is none, as of `at`.
    pub(super) async fn note_progress(
        &self,
        id: &PersistenceId,
        tag: &Tag,
        progress: Option<Progress>,
        at: i64,
    ) -> Result<()> {
        let what = || format!("noting the progress of tag {tag} of {id}");
        let statements = &self.connection.statements.tag_rebuild;
        let noted = progress.and_then(|progress| Some((progress, progress.timestamp?)));
        let Some((progress, timestamp)) = noted else {
            let values = (at, id.as_str(), tag.as_str());
            return self.connection.write(&statements.delete_progress_at, values, what).await;
        };
        let values = vec![
            Value::Text(id.as_str()),
            Value::Text(tag.as_str()),
            Value::BigInt(column(progress.seq_nr)),
            Value::BigInt(progress.counter),
            Value::TimeUuid(timestamp),
            Value::BigInt(at),
        ];
        self.connection.write(&statements.insert_progress_at, values, what).await
    }

    /// Notes up to where the progress is stored, or that nothing is, as of `at`.
    pub(super) async fn note_scanned(
        &self,
        id: &PersistenceId,
        to: Option<SeqNr>,
        at: i64,
    ) -> Result<()> {
        let what = || format!("noting up to where the tags of {id} are written");
        let statements = &self.connection.statements.tag_rebuild;
        match to {
            Some(to) => {
                let values = (id.as_str(), column(to), at);
                self.connection.write(&statements.insert_scanning_at, values, what).await
            }
            None => {
                let values = (at, id.as_str());
                self.connection.write(&statements.delete_scanning_at, values, what).await
            }
        }
    }
}
