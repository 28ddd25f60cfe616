//! The JSON forms of what a store keeps: printed, exported, and read back from stdin.
//!
//! A payload is its JSON value where the serializer is known and the bytes can be read, and
//! `{"base64": "…"}` otherwise. In an export `payload_base64` stands beside it when the bytes could not
//! be had back from the value alone, so that every byte survives.
//!
//! Metadata that is Jackson JSON without a manifest is its value; any other is an object of
//! `serializer_id`, `manifest` and `payload`.

use annals::{
    Envelope, Error, NewEvent, Offset, Payload, PersistenceId, Result, SeqNr, SerializerId,
    Snapshot, StoredEvent, Tag, Tags, Timestamp, WriterId,
};
use annals_pekko::value::{decode, encode, raw_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::input::json_error;
use crate::output::Row;
use crate::time;

/// How exactly payloads are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// Their values.
    Value,
    /// Their values, and their bytes where these could not be had back.
    Bytes,
}

/// What a payload means, or its bytes.
pub(crate) fn payload_value(payload: &Payload) -> Value {
    decode(payload).map_or_else(|_| raw_json(&payload.bytes), |decoded| decoded.into_json())
}

/// An event.
pub(crate) fn event(
    id: &PersistenceId,
    event: &StoredEvent,
    exactness: Exactness,
) -> Map<String, Value> {
    let mut json = Map::new();
    put(&mut json, "persistence_id", id.as_str());
    put(&mut json, "sequence_nr", event.seq_nr.get());
    put(&mut json, "timestamp", event.timestamp.as_millis());
    put(&mut json, "writer", event.writer.as_str());
    put(&mut json, "serializer_id", event.payload.serializer.get());
    put(&mut json, "manifest", event.payload.manifest.as_ref());
    put(&mut json, "event_manifest", event.event_manifest.as_ref());
    put(&mut json, "tags", event.tags.iter().map(Tag::as_str).collect::<Vec<_>>());
    put(&mut json, "metadata", metadata(event.metadata.as_ref(), exactness));
    put_payload(&mut json, &event.payload, exactness);
    json
}

/// An event as a row: of one entity, or across entities with its offset.
pub(crate) fn event_row(id: &PersistenceId, of: &StoredEvent, offset: Option<&Offset>) -> Row {
    let mut json = event(id, of, Exactness::Value);
    let payload = json.get("payload").map(Value::to_string).unwrap_or_default();
    let tags: Vec<&str> = of.tags.iter().map(Tag::as_str).collect();
    let mut cells = Vec::new();
    if let Some(offset) = offset {
        put(&mut json, "offset", offset.to_string());
        cells.push(("OFFSET", offset.to_string()));
        cells.push(("PERSISTENCE ID", id.to_string()));
    }
    cells.extend([
        ("NUMBER", of.seq_nr.to_string()),
        ("TIME", time::text(of.timestamp)),
        ("MANIFEST", of.payload.manifest.to_string()),
        ("TAGS", tags.join(",")),
        ("PAYLOAD", payload),
    ]);
    Row { json, cells }
}

/// An event across entities.
pub(crate) fn envelope_row(envelope: &Envelope) -> Row {
    event_row(&envelope.persistence_id, &envelope.event, Some(&envelope.offset))
}

/// A snapshot without its payload.
pub(crate) fn snapshot_info(snapshot: &Snapshot, exactness: Exactness) -> Map<String, Value> {
    let mut json = Map::new();
    put(&mut json, "persistence_id", snapshot.persistence_id.as_str());
    put(&mut json, "sequence_nr", snapshot.seq_nr.get());
    put(&mut json, "timestamp", snapshot.timestamp.as_millis());
    put(&mut json, "serializer_id", snapshot.payload.serializer.get());
    put(&mut json, "manifest", snapshot.payload.manifest.as_ref());
    put(&mut json, "metadata", metadata(snapshot.metadata.as_ref(), exactness));
    json
}

/// A snapshot.
pub(crate) fn snapshot(of: &Snapshot, exactness: Exactness) -> Map<String, Value> {
    let mut json = snapshot_info(of, exactness);
    put_payload(&mut json, &of.payload, exactness);
    json
}

/// A payload as it is given in JSON. Its value is taken as text first, since nesting is limited and it
/// must not matter how deep in a line a payload stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayloadRecord {
    serializer_id: i32,
    #[serde(default)]
    manifest: String,
    payload: Box<RawValue>,
    payload_base64: Option<String>,
}

impl PayloadRecord {
    /// The payload, byte for byte as it was exported.
    pub(crate) fn payload(self) -> Result<Payload> {
        let serializer = SerializerId::new(self.serializer_id);
        match self.payload_base64 {
            None => encode(serializer, self.manifest, &value_of("payload", &self.payload)?),
            Some(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| {
                    Error::invalid("`payload_base64` is not base64").with_source(error)
                })?;
                Ok(Payload::new(serializer, self.manifest, bytes))
            }
        }
    }
}

/// Metadata as it is given in JSON.
pub(crate) fn metadata_from(text: Option<&RawValue>) -> Result<Option<Payload>> {
    let Some(text) = text else { return Ok(None) };
    if let Some(record) = payload_record(text.get()) {
        return record.payload().map_err(|error| error.context("`metadata`")).map(Some);
    }
    match value_of("metadata", text)? {
        Value::Null => Ok(None),
        value => encode(SerializerId::JACKSON_JSON, "", &value).map(Some),
    }
}

/// The value that `text` is.
pub(crate) fn value_of(field: &str, text: &RawValue) -> Result<Value> {
    serde_json::from_str(text.get())
        .map_err(|error| json_error(error).context(format!("`{field}`")))
}

fn payload_record(text: &str) -> Option<PayloadRecord> {
    serde_json::from_str(text).ok()
}

/// Tags as they are given in JSON.
pub(crate) fn tags_from(tags: Vec<String>) -> Result<Tags> {
    tags.into_iter().map(Tag::new).collect()
}

/// What one line of an export says.
#[derive(Debug)]
pub(crate) enum Record {
    /// An id whose oldest events are deleted.
    Entity { id: PersistenceId, deleted_to: SeqNr, highest: SeqNr },
    /// An event, with its number and writer.
    Event { id: PersistenceId, seq_nr: SeqNr, writer: WriterId, event: NewEvent },
    /// A snapshot.
    Snapshot(Snapshot),
}

/// A line of an export, field by field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    #[serde(rename = "type", default = "event_type")]
    kind: String,
    persistence_id: String,
    sequence_nr: Option<u64>,
    deleted_to: Option<u64>,
    highest: Option<u64>,
    timestamp: Option<i64>,
    writer: Option<String>,
    serializer_id: Option<i32>,
    manifest: Option<String>,
    event_manifest: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    metadata: Option<Box<RawValue>>,
    payload: Option<Box<RawValue>>,
    payload_base64: Option<String>,
    #[serde(rename = "offset")]
    _offset: Option<String>,
}

fn event_type() -> String {
    "event".to_owned()
}

impl Record {
    /// The record of an event of a store.
    pub(crate) fn of_event(envelope: Envelope) -> Self {
        let Envelope { persistence_id: id, event, .. } = envelope;
        let StoredEvent { seq_nr, writer, timestamp, payload, event_manifest, tags, metadata } =
            event;
        let event = NewEvent { payload, timestamp, event_manifest, tags, metadata };
        Self::Event { id, seq_nr, writer, event }
    }

    /// Reads one line of an export.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let line: RecordLine = serde_json::from_str(text).map_err(json_error)?;
        let id = PersistenceId::new(line.persistence_id.as_str())?;
        match line.kind.as_str() {
            "entity" => Ok(Self::Entity {
                id,
                deleted_to: number("deleted_to", line.deleted_to)?,
                highest: number("highest", line.highest)?,
            }),
            "event" => line.event(id),
            "snapshot" => line.snapshot(id),
            other => Err(Error::invalid(format!("`type` {other:?} is not known"))),
        }
    }
}

impl RecordLine {
    fn event(mut self, id: PersistenceId) -> Result<Record> {
        let seq_nr = number("sequence_nr", self.sequence_nr)?;
        if seq_nr.is_zero() {
            return Err(Error::invalid("`sequence_nr` of an event is 0"));
        }
        let writer = self.writer.take().ok_or_else(|| missing("writer"))?;
        let timestamp = Timestamp::from_millis(self.timestamp.ok_or_else(|| missing("timestamp"))?);
        let tags = tags_from(std::mem::take(&mut self.tags))?;
        let metadata = metadata_from(self.metadata.as_deref())?;
        let event_manifest = self.event_manifest.take().unwrap_or_default();
        let mut event = NewEvent::new(self.payload()?, timestamp)
            .with_tags(tags)
            .with_event_manifest(event_manifest);
        event.metadata = metadata;
        Ok(Record::Event { id, seq_nr, writer: WriterId::new(writer), event })
    }

    fn snapshot(self, id: PersistenceId) -> Result<Record> {
        let seq_nr = number("sequence_nr", self.sequence_nr)?;
        let timestamp = Timestamp::from_millis(self.timestamp.ok_or_else(|| missing("timestamp"))?);
        let metadata = metadata_from(self.metadata.as_deref())?;
        let payload = self.payload()?;
        Ok(Record::Snapshot(Snapshot { persistence_id: id, seq_nr, timestamp, payload, metadata }))
    }

    fn payload(self) -> Result<Payload> {
        PayloadRecord {
            serializer_id: self.serializer_id.ok_or_else(|| missing("serializer_id"))?,
            manifest: self.manifest.unwrap_or_default(),
            payload: self.payload.unwrap_or_else(|| RawValue::NULL.to_owned()),
            payload_base64: self.payload_base64,
        }
        .payload()
    }
}

fn missing(field: &str) -> Error {
    Error::invalid(format!("missing field `{field}`"))
}

fn number(field: &'static str, value: Option<u64>) -> Result<SeqNr> {
    SeqNr::new(value.ok_or_else(|| missing(field))?)
        .ok_or_else(|| Error::invalid(format!("`{field}` is above {}", SeqNr::MAX)))
}

fn metadata(metadata: Option<&Payload>, exactness: Exactness) -> Value {
    let Some(payload) = metadata else { return Value::Null };
    if payload.serializer == SerializerId::JACKSON_JSON
        && payload.manifest.is_empty()
        && let Ok(decoded) = decode(payload)
    {
        let value = decoded.into_json();
        let exact = exactness == Exactness::Value || has_bytes(&value, payload);
        if exact && !value.is_null() && payload_record(&value.to_string()).is_none() {
            return value;
        }
    }
    let mut json = Map::new();
    put(&mut json, "serializer_id", payload.serializer.get());
    put(&mut json, "manifest", payload.manifest.as_ref());
    put_payload(&mut json, payload, exactness);
    Value::Object(json)
}

fn put_payload(json: &mut Map<String, Value>, payload: &Payload, exactness: Exactness) {
    let value = payload_value(payload);
    if exactness == Exactness::Bytes && !has_bytes(&value, payload) {
        put(json, "payload_base64", STANDARD.encode(&payload.bytes));
    }
    put(json, "payload", value);
}

/// Whether `value` alone gives the bytes of `payload` back.
fn has_bytes(value: &Value, payload: &Payload) -> bool {
    encode(payload.serializer, payload.manifest.clone(), value)
        .is_ok_and(|again| again.bytes == payload.bytes)
}

fn put(json: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    json.insert(key.to_owned(), value.into());
}

/// An object of `fields`.
pub(crate) fn object(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(object) => object,
        other => Map::from_iter([("value".to_owned(), json!(other))]),
    }
}
