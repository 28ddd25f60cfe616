//! Rows on their way into `messages` and `tag_views`. They own what they hold, so that rows of several
//! appends can go out together.

use std::sync::Arc;

use annals_core::{Append, Error, NewEvent, Payload, PersistenceId, SeqNr, Tag};
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::RowWriter;

use crate::entities::Attempt;
use crate::pages::column;
use crate::partition::{BucketSize, Partition};
use crate::statements::{Statement, Statements};
use crate::tags::TaggedEvent;
use crate::timeuuid::TimeUuid;
use crate::value::Value;

/// A row to insert.
#[derive(Debug, Clone)]
pub(crate) enum Insert {
    Event(EventInsert),
    View(ViewInsert),
}

/// A row of `messages`.
#[derive(Debug, Clone)]
pub(crate) struct EventInsert {
    id: PersistenceId,
    partition: Partition,
    seq_nr: SeqNr,
    timestamp: TimeUuid,
    time_bucket: i64,
    writer_uuid: Arc<str>,
    event: NewEvent,
    /// Its index in the append, and that of the append's last event; of fenced rows.
    place: Option<(i32, i32)>,
}

/// A row of `tag_views`.
#[derive(Debug, Clone)]
pub(crate) struct ViewInsert {
    pub(crate) id: PersistenceId,
    pub(crate) tag: Tag,
    pub(crate) time_bucket: i64,
    pub(crate) counter: i64,
    pub(crate) event: TaggedEvent,
}

/// Whether rows say where they stand in their append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// As Pekko writes them.
    No,
    /// Fenced ones.
    Yes,
}

/// The rows of an append in `partition`.
pub(crate) fn of_append(
    append: &Append,
    attempt: &Attempt,
    partition: Partition,
    bucket_size: BucketSize,
    placed: Placed,
) -> Arc<[Insert]> {
    let last = i32::try_from(append.events().len().saturating_sub(1)).unwrap_or(i32::MAX);
    let events = append.events().iter().zip(attempt.uuids.iter()).zip(0_i32..);
    let rows = events.map(|((event, timestamp), index)| {
        Insert::Event(EventInsert {
            id: append.id().clone(),
            partition,
            seq_nr: append.range().from.plus(u64::from(index.unsigned_abs())),
            timestamp: *timestamp,
            time_bucket: bucket_size.bucket_of(*timestamp).column(),
            writer_uuid: Arc::clone(&attempt.writer_uuid),
            event: event.clone(),
            place: (placed == Placed::Yes).then_some((index, last)),
        })
    });
    rows.collect()
}

impl Insert {
    /// Into which table, with which columns.
    pub(crate) fn statement<'s>(&self, statements: &'s Statements) -> &'s Statement {
        match self {
            Self::Event(row) => {
                let events = &statements.events;
                match (row.place, &row.event.metadata) {
                    (None, None) => &events.insert,
                    (None, Some(_)) => &events.insert_meta,
                    (Some(_), None) => &events.insert_fenced,
                    (Some(_), Some(_)) => &events.insert_fenced_meta,
                }
            }
            Self::View(row) if row.event.metadata.is_none() => &statements.tags.insert_view,
            Self::View(_) => &statements.tags.insert_view_meta,
        }
    }

    /// About how many bytes a server counts for it: what is its own, and a bound for the small columns,
    /// each of which has a time of its own.
    pub(crate) fn size_bytes(&self) -> usize {
        const SMALL_COLUMNS: usize = 240;
        let (id, payload, metadata) = match self {
            Self::Event(row) => (&row.id, &row.event.payload, &row.event.metadata),
            Self::View(row) => (&row.id, &row.event.payload, &row.event.metadata),
        };
        let metadata = metadata.as_ref().map_or(0, Payload::size_bytes);
        SMALL_COLUMNS + id.as_str().len() + payload.size_bytes() + metadata
    }
}

impl EventInsert {
    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let Self { event, .. } = self;
        let own = [
            Value::Text(self.id.as_str()),
            Value::BigInt(self.partition.column()),
            Value::BigInt(column(self.seq_nr)),
            Value::TimeUuid(self.timestamp),
            Value::Decimal(self.time_bucket),
            Value::Text(&self.writer_uuid),
            Value::Int(event.payload.serializer.get()),
            Value::Text(&event.payload.manifest),
            Value::Text(&event.event_manifest),
            Value::Blob(&event.payload.bytes),
            Value::Tags(&event.tags),
        ];
        let place = self.place.map(|(index, last)| [Value::Int(index), Value::Int(last)]);
        let metadata = event.metadata.as_ref().map(meta_values);
        own.into_iter().chain(place.into_iter().flatten()).chain(metadata.into_iter().flatten())
    }
}

impl ViewInsert {
    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let Self { event, .. } = self;
        let own = [
            Value::Text(self.tag.as_str()),
            Value::BigInt(self.time_bucket),
            Value::TimeUuid(event.timestamp),
            Value::BigInt(self.counter),
            Value::Text(self.id.as_str()),
            Value::BigInt(column(event.seq_nr)),
            Value::Text(&event.writer_uuid),
            Value::Int(event.payload.serializer.get()),
            Value::Text(&event.payload.manifest),
            Value::Text(&event.event_manifest),
            Value::Blob(&event.payload.bytes),
        ];
        let metadata = event.metadata.as_ref().map(meta_values);
        own.into_iter().chain(metadata.into_iter().flatten())
    }
}

/// The three columns of metadata.
pub(crate) fn meta_values(metadata: &Payload) -> [Value<'_>; 3] {
    [
        Value::Int(metadata.serializer.get()),
        Value::Text(&metadata.manifest),
        Value::Blob(&metadata.bytes),
    ]
}

impl SerializeRow for Insert {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Event(row) => write(row.values(), context, writer),
            Self::View(row) => write(row.values(), context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

fn write<'a>(
    values: impl Iterator<Item = Value<'a>>,
    context: &RowSerializationContext<'_>,
    writer: &mut RowWriter<'_>,
) -> Result<(), SerializationError> {
    let other_columns =
        || SerializationError::new(Error::internal("the statement has other columns than its row"));
    let mut columns = context.columns().iter();
    for value in values {
        let column = columns.next().ok_or_else(other_columns)?;
        value.serialize(column.typ(), writer.make_cell_writer())?;
    }
    match columns.next() {
        None => Ok(()),
        Some(_) => Err(other_columns()),
    }
}
