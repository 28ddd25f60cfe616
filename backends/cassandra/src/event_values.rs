//! The rows of an append, as values to bind.

use annals_core::{Append, NewEvent, Payload, SeqNr};

use crate::partition::{BucketSize, Partition};
use crate::reader::column;
use crate::statements::{Statement, Statements};
use crate::timeuuid::TimeUuid;
use crate::value::Value;

/// The text of the column `timebucket` of `messages`, one for each event.
pub(crate) fn time_buckets(uuids: &[TimeUuid], size: BucketSize) -> Vec<String> {
    uuids.iter().map(|uuid| size.bucket_of(*uuid).column().to_string()).collect()
}

/// One event on its way into a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow<'a> {
    pub(crate) seq_nr: SeqNr,
    pub(crate) timestamp: TimeUuid,
    pub(crate) time_bucket: &'a str,
    pub(crate) event: &'a NewEvent,
    /// Its index in the append.
    index: i32,
    /// The index of the append's last event.
    last_index: i32,
}

/// The events of an append with what their rows need.
pub(crate) fn rows<'a>(
    append: &'a Append,
    uuids: &'a [TimeUuid],
    time_buckets: &'a [String],
) -> impl Iterator<Item = NewRow<'a>> {
    let last_index = i32::try_from(append.events().len().saturating_sub(1)).unwrap_or(i32::MAX);
    let events = append.events().iter().zip(uuids).zip(time_buckets);
    events.zip(0_i32..).map(move |(((event, timestamp), time_bucket), index)| NewRow {
        seq_nr: append.range().from.plus(u64::from(index.unsigned_abs())),
        timestamp: *timestamp,
        time_bucket,
        event,
        index,
        last_index,
    })
}

impl<'a> NewRow<'a> {
    /// The row as Pekko writes it.
    pub(crate) fn plain(
        &self,
        id: &'a str,
        partition: Partition,
        writer_uuid: &'a str,
        statements: &'a Statements,
    ) -> (&'a Statement, Vec<Value<'a>>) {
        let mut values = self.values(id, partition, writer_uuid);
        let Some(metadata) = &self.event.metadata else {
            return (&statements.events.insert, values);
        };
        values.extend(meta_values(metadata));
        (&statements.events.insert_meta, values)
    }

    /// The row with its place in the append.
    pub(crate) fn fenced(
        &self,
        id: &'a str,
        partition: Partition,
        writer_uuid: &'a str,
        statements: &'a Statements,
    ) -> (&'a Statement, Vec<Option<Value<'a>>>) {
        let mut values = self.values(id, partition, writer_uuid);
        values.extend([Value::Int(self.index), Value::Int(self.last_index)]);
        let statement = match &self.event.metadata {
            None => &statements.events.insert_fenced,
            Some(metadata) => {
                values.extend(meta_values(metadata));
                &statements.events.insert_fenced_meta
            }
        };
        (statement, values.into_iter().map(Some).collect())
    }

    /// The same row, written plainly under a claim.
    pub(crate) fn claimed(
        &self,
        id: &'a str,
        partition: Partition,
        writer_uuid: &'a str,
        statements: &'a Statements,
    ) -> (&'a Statement, Vec<Value<'a>>) {
        let (statement, values) = self.fenced(id, partition, writer_uuid, statements);
        (statement, values.into_iter().flatten().collect())
    }

    fn values(&self, id: &'a str, partition: Partition, writer_uuid: &'a str) -> Vec<Value<'a>> {
        let event = self.event;
        let mut values = Vec::with_capacity(16);
        values.extend([
            Value::Text(id),
            Value::BigInt(partition.column()),
            Value::BigInt(column(self.seq_nr)),
            Value::TimeUuid(self.timestamp),
            Value::Text(self.time_bucket),
            Value::Text(writer_uuid),
            Value::Int(event.payload.serializer.get()),
            Value::Text(&event.payload.manifest),
            Value::Text(&event.event_manifest),
            Value::Blob(&event.payload.bytes),
            Value::Tags(&event.tags),
        ]);
        values
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
