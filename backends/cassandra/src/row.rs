//! A row of events as it is stored, and what it means.

use std::sync::Arc;

use annals_core::{
    Error, Payload, PersistenceId, Result, SeqNr, SerializerId, StoredEvent, Tag, WriterId,
};
use annals_pekko::PersistentRepr;
use bytes::Bytes;
use scylla::deserialize::row::{ColumnIterator, RawColumn};
use scylla::deserialize::value::DeserializeValue;
use scylla::errors::DeserializationError;
use scylla::response::query_result::QueryRowsResult;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use crate::claims::claim_of;
use crate::error;
use crate::replay_filter::Written;
use crate::timeuuid::TimeUuid;

/// What stands between a writer and the number at which its run begins, in `writer_uuid`.
const RUN: char = '#';

/// An event as a row of `messages` or `tag_views` holds it.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) persistence_id: Option<String>,
    pub(crate) timestamp: TimeUuid,
    /// The column `writer_uuid`.
    pub(crate) writer_uuid: String,
    /// Which of its append's events this is, from 0, and the index of the last; of fenced rows only.
    pub(crate) place: Option<(i32, i32)>,
    /// `tag_pid_sequence_nr`, of rows of `tag_views`.
    pub(crate) tag_counter: i64,
    pub(crate) event: StoredEvent,
    /// Its serialized form has been deleted logically (only old forms of rows can say so).
    pub(crate) deleted: bool,
}

impl Written for EventRow {
    fn seq_nr(&self) -> SeqNr {
        self.event.seq_nr
    }

    fn writer_text(&self) -> &str {
        &self.writer_uuid
    }
}

/// The column `writer_uuid` of a fenced row: the writer, and where its run of appends begins. So each run
/// is a writer of its own to Pekko's replay filter, which takes a writer that comes back for an old one.
pub(crate) fn writer_of_run(writer: &WriterId, first: SeqNr) -> String {
    format!("{}{RUN}{first}", writer.as_str().replace(RUN, "/"))
}

/// The writer within a column `writer_uuid`.
fn writer_in(writer_uuid: &str) -> WriterId {
    let (writer, claim) = claim_of(writer_uuid);
    if claim.is_some() {
        return writer;
    }
    WriterId::new(match writer_uuid.rsplit_once(RUN) {
        Some((writer, run)) if run.bytes().all(|byte| byte.is_ascii_digit()) => writer,
        _ => writer_uuid,
    })
}

/// The rows of a page; rows without an event (static columns alone) are left out.
pub(crate) fn events(rows: &QueryRowsResult, id: &str) -> Result<Vec<EventRow>> {
    let what = || format!("a row of events of {id}");
    let iterator = rows.rows::<ColumnIterator<'_, '_>>();
    let iterator = iterator.map_err(|error| error::of_rows(what(), error))?;
    let mut events = Vec::with_capacity(rows.rows_num());
    for row in iterator {
        let row = row.map_err(|error| error::of_rows(what(), error))?;
        let mut columns = Columns::default();
        for column in row {
            let column = column.map_err(|error| error::of_rows(what(), error))?;
            columns.take(&column).map_err(|error| error::of_rows(what(), error))?;
        }
        events.extend(columns.event().map_err(|error| error.context(what()))?);
    }
    Ok(events)
}

/// The value of a column.
pub(crate) fn read_column<'f, 'm, T: DeserializeValue<'f, 'm>>(
    column: &RawColumn<'f, 'm>,
) -> Result<T, DeserializationError> {
    T::deserialize(column.spec.typ(), column.slice)
}

/// The columns of one row, whichever there are.
#[derive(Default)]
struct Columns {
    persistence_id: Option<String>,
    sequence_nr: Option<i64>,
    timestamp: Option<CqlTimeuuid>,
    writer_uuid: Option<String>,
    ser_id: Option<i32>,
    ser_manifest: Option<String>,
    event_manifest: Option<String>,
    event: Option<Bytes>,
    message: Option<Bytes>,
    meta_ser_id: Option<i32>,
    meta_ser_manifest: Option<String>,
    meta: Option<Bytes>,
    tags: Option<Vec<String>>,
    tag1: Option<String>,
    tag2: Option<String>,
    tag3: Option<String>,
    idx: Option<i32>,
    cnt: Option<i32>,
    tag_counter: Option<i64>,
}

impl Columns {
    fn take(&mut self, column: &RawColumn<'_, '_>) -> Result<(), DeserializationError> {
        match column.spec.name() {
            "persistence_id" => self.persistence_id = read_column(column)?,
            "sequence_nr" => self.sequence_nr = read_column(column)?,
            "timestamp" => self.timestamp = read_column(column)?,
            "writer_uuid" => self.writer_uuid = read_column(column)?,
            "ser_id" => self.ser_id = read_column(column)?,
            "ser_manifest" => self.ser_manifest = read_column(column)?,
            "event_manifest" => self.event_manifest = read_column(column)?,
            "event" => self.event = read_column(column)?,
            "message" => self.message = read_column(column)?,
            "meta_ser_id" => self.meta_ser_id = read_column(column)?,
            "meta_ser_manifest" => self.meta_ser_manifest = read_column(column)?,
            "meta" => self.meta = read_column(column)?,
            "tags" => self.tags = read_column(column)?,
            "tag1" => self.tag1 = read_column(column)?,
            "tag2" => self.tag2 = read_column(column)?,
            "tag3" => self.tag3 = read_column(column)?,
            "idx" => self.idx = read_column(column)?,
            "cnt" => self.cnt = read_column(column)?,
            "tag_pid_sequence_nr" => self.tag_counter = read_column(column)?,
            _ => {}
        }
        Ok(())
    }

    fn event(self) -> Result<Option<EventRow>> {
        let sequence_nr = self.sequence_nr.unwrap_or_default();
        let Some(seq_nr) =
            u64::try_from(sequence_nr).ok().filter(|nr| *nr > 0).and_then(SeqNr::new)
        else {
            return Ok(None);
        };
        let missing = |column: &str| Error::corrupt(format!("event {seq_nr} has no {column}"));
        let place = self.idx.zip(self.cnt);
        let timestamp = self.timestamp.ok_or_else(|| missing("timestamp"))?;
        let timestamp = TimeUuid::new(Uuid::from_bytes(*timestamp.as_bytes()))
            .ok_or_else(|| missing("timestamp of version 1"))?;
        let old = [self.tag1, self.tag2, self.tag3].into_iter().flatten();
        let tags = self.tags.unwrap_or_default().into_iter().chain(old);
        let tags = tags.filter(|tag| !tag.is_empty()).map(Tag::new).collect::<Result<_>>()?;
        if let Some(message) = &self.message {
            // Of an old version of the plugin: all is in there.
            let repr = PersistentRepr::decode(message)?;
            let deleted = repr.deleted;
            let (id, mut event) = repr.into_event()?;
            event.timestamp = timestamp.timestamp();
            event.tags = tags;
            let writer_uuid = event.writer.as_str().to_owned();
            let persistence_id = self.persistence_id.or_else(|| Some(id.as_str().to_owned()));
            let tag_counter = self.tag_counter.unwrap_or_default();
            return Ok(Some(EventRow {
                persistence_id,
                timestamp,
                writer_uuid,
                place,
                tag_counter,
                event,
                deleted,
            }));
        }
        if self.event.is_none() && self.writer_uuid.is_none() {
            // Seen in part: a read of some columns mended only those.
            return Ok(None);
        }
        let bytes = self.event.ok_or_else(|| missing("event"))?;
        let ser_id = self.ser_id.ok_or_else(|| missing("ser_id"))?;
        let payload = payload(ser_id, self.ser_manifest, bytes);
        let metadata = match (self.meta_ser_id, self.meta) {
            (Some(ser_id), Some(meta)) => Some(self::payload(ser_id, self.meta_ser_manifest, meta)),
            _ => None,
        };
        let writer_uuid = self.writer_uuid.unwrap_or_default();
        let writer = writer_in(&writer_uuid);
        let event = StoredEvent {
            seq_nr,
            writer,
            timestamp: timestamp.timestamp(),
            payload,
            event_manifest: Arc::from(self.event_manifest.unwrap_or_default()),
            tags,
            metadata,
        };
        let tag_counter = self.tag_counter.unwrap_or_default();
        let persistence_id = self.persistence_id;
        Ok(Some(EventRow {
            persistence_id,
            timestamp,
            writer_uuid,
            place,
            tag_counter,
            event,
            deleted: false,
        }))
    }
}

/// The timeuuids of rows of `sequence_nr` and `timestamp`.
pub(crate) fn timestamps(rows: &QueryRowsResult) -> Result<Vec<TimeUuid>> {
    let what = "a row's timestamp";
    let rows = rows.rows::<(Option<i64>, Option<CqlTimeuuid>)>();
    let rows = rows.map_err(|error| error::of_rows(what, error))?;
    let mut found = Vec::new();
    for row in rows {
        let (_, timestamp) = row.map_err(|error| error::of_rows(what, error))?;
        let uuid = timestamp.map(|timestamp| Uuid::from_bytes(*timestamp.as_bytes()));
        found.extend(uuid.and_then(TimeUuid::new));
    }
    Ok(found)
}

/// A payload of three columns. A manifest that is null was never written by Pekko; it reads as none.
pub(crate) fn payload(ser_id: i32, manifest: Option<String>, bytes: Bytes) -> Payload {
    Payload::new(SerializerId::new(ser_id), manifest.unwrap_or_default(), bytes)
}

/// The id that a row of several entities names.
pub(crate) fn id_of(row: &EventRow) -> Result<PersistenceId> {
    PersistenceId::new(row.persistence_id.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_writer_of_its_own_and_reads_as_its_writer() {
        let nr = SeqNr::new(7).unwrap();
        let writer = writer_of_run(&WriterId::new("a#1"), nr);
        assert_eq!(writer, "a/1#7");
        assert_eq!(writer_in(&writer).as_str(), "a/1");
        assert_eq!(
            writer_in("11111111-2222-3333-4444-555555555555").as_str(),
            "11111111-2222-3333-4444-555555555555"
        );
        assert_eq!(writer_in("akka#x").as_str(), "akka#x");
    }
}
