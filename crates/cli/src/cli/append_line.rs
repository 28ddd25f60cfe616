//! One line of `annals events append`: the event that it asks for.

use annals::{
    Capabilities, Error, NewEvent, Payload, PersistenceId, Result, SerializerId, Timestamp,
};
use annals_pekko::value;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::input::{Line, json_error};
use crate::record::{metadata_from, tags_from, value_of};

/// An event to be appended, and the line that asks for it.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) line: u64,
    pub(super) id: PersistenceId,
    pub(super) event: NewEvent,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    /// As text: a JSON payload is stored as it was written, digit for digit.
    #[serde(borrow)]
    payload: &'a RawValue,
    persistence_id: Option<String>,
    tags: Option<Vec<String>>,
    event_manifest: Option<String>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    serializer_id: Option<i32>,
    serializer: Option<i32>,
    manifest: Option<String>,
}

/// Reads `line`; `id` is the one that the command names.
pub(super) fn parse(
    line: &Line,
    id: Option<&PersistenceId>,
    timestamp: Timestamp,
    store: &Capabilities,
) -> Result<Job> {
    read(line, id, timestamp, store).map_err(|error| line.at(error))
}

fn read(
    line: &Line,
    id: Option<&PersistenceId>,
    timestamp: Timestamp,
    store: &Capabilities,
) -> Result<Job> {
    let fields: Fields<'_> = serde_json::from_str(&line.text).map_err(json_error)?;
    let id = match (id, fields.persistence_id) {
        (Some(id), Some(own)) if id.as_str() != own => {
            let message = format!("`persistence_id` is {own:?}, but the command names {id}");
            return Err(Error::invalid(message));
        }
        (Some(id), _) => id.clone(),
        (None, Some(own)) => PersistenceId::new(own)?,
        (None, None) => {
            let message = "missing field `persistence_id`, and the command names no id";
            return Err(Error::invalid(message));
        }
    };
    let serializer = match (fields.serializer_id, fields.serializer) {
        (Some(id), Some(other)) if id != other => {
            let message = format!("`serializer_id` is {id}, but `serializer` is {other}");
            return Err(Error::invalid(message));
        }
        (id, other) => id.or(other).map(SerializerId::new),
    };
    let payload = payload(fields.payload, serializer, fields.manifest.unwrap_or_default(), store)?;
    let mut event = NewEvent::new(payload, timestamp)
        .with_tags(tags_from(fields.tags.unwrap_or_default())?)
        .with_event_manifest(fields.event_manifest.unwrap_or_default());
    event.metadata = metadata_from(fields.metadata)?;
    Ok(Job { line: line.number, id, event })
}

/// A JSON string is a string (20), anything else Jackson JSON (31), unless the line says otherwise.
fn payload(
    text: &RawValue,
    serializer: Option<SerializerId>,
    manifest: String,
    store: &Capabilities,
) -> Result<Payload> {
    // Also for JSON that is stored as it stands: what could not be read back is refused now.
    let value = value_of("payload", text)?;
    let serializer = serializer.unwrap_or(match value {
        Value::String(_) => SerializerId::STRING,
        _ => SerializerId::JACKSON_JSON,
    });
    if serializer != SerializerId::JACKSON_JSON {
        return value::encode(serializer, manifest, &value);
    }
    let needs_manifest = matches!(store.name, "dynamodb" | "cassandra");
    if manifest.is_empty() && needs_manifest {
        return Err(Error::invalid(format!(
            "a JSON payload needs a `manifest` on {}: the class that a JVM reads it as",
            store.name
        )));
    }
    Ok(Payload::new(serializer, manifest, text.get().to_owned().into_bytes()))
}

#[cfg(test)]
mod tests {
    use annals::memory::MemoryOptions;

    use super::*;

    fn parsed(id: Option<&str>, text: &str) -> std::result::Result<Job, String> {
        let id = id.map(|id| PersistenceId::new(id).unwrap());
        let line = Line { number: 3, text: text.to_owned() };
        let now = Timestamp::from_millis(7);
        parse(&line, id.as_ref(), now, &MemoryOptions::CAPABILITIES)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_payload_is_stored_by_its_kind() {
        let payload = |text| parsed(Some("a"), text).unwrap().event.payload;
        let json = payload(r#"{"payload": {"n": 12345678901234567890123, "f": 1.50} }"#);
        assert_eq!(json.serializer, SerializerId::JACKSON_JSON);
        assert_eq!(json.bytes, r#"{"n": 12345678901234567890123, "f": 1.50}"#);
        let text = payload(r#"{"payload": "é"}"#);
        assert_eq!((text.serializer, &text.bytes[..]), (SerializerId::STRING, "é".as_bytes()));
        let null = payload(r#"{"payload": null}"#);
        assert_eq!((null.serializer.get(), &null.bytes[..]), (31, &b"null"[..]));
        let quoted = payload(r#"{"payload": "x", "serializer_id": 31, "manifest": "m"}"#);
        assert_eq!((&quoted.bytes[..], quoted.manifest.as_ref()), (&b"\"x\""[..], "m"));
        let bytes = payload(r#"{"payload": {"base64": "AP8="}, "serializer": 4}"#);
        assert_eq!((bytes.serializer.get(), &bytes.bytes[..]), (4, &[0, 255][..]));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_line() {
        let deep = format!(r#"{{"payload": {}{}}}"#, "[".repeat(500), "]".repeat(500));
        let cases = [
            (Some("a"), "{", "line 3: EOF while parsing"),
            (Some("a"), "[]", "line 3: "),
            (Some("a"), "{}", "line 3: missing field `payload`"),
            (Some("a"), r#"{"payload":1,"paylod":2}"#, "line 3: unknown field `paylod`"),
            (Some("a"), r#"{"payload":1} x"#, "line 3: trailing characters"),
            (
                Some("a"),
                r#"{"payload":1,"persistence_id":"b"}"#,
                "line 3: `persistence_id` is \"b\"",
            ),
            (None, r#"{"payload":1}"#, "line 3: missing field `persistence_id`"),
            (None, r#"{"payload":1,"persistence_id":""}"#, "line 3: a persistence id is empty"),
            (Some("a"), r#"{"payload":1,"tags":[""]}"#, "line 3: a tag is empty"),
            (Some("a"), r#"{"payload":1,"tags":"t"}"#, "line 3: invalid type: string"),
            (
                Some("a"),
                r#"{"payload":1,"serializer":1,"serializer_id":2}"#,
                "line 3: `serializer_id`",
            ),
            (Some("a"), r#"{"payload":1,"serializer":77,"manifest":"m"}"#, "line 3: serializer 77"),
            (Some("a"), r#"{"payload":1.5,"serializer":18}"#, "line 3: a payload of serializer 18"),
            (Some("a"), deep.as_str(), "line 3: `payload`: recursion limit"),
        ];
        for (id, text, expected) in cases {
            let error = parsed(id, text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn all_fields_reach_the_event() {
        let text = r#"{"persistence_id":"a","payload":1,"tags":["t2","t1","t1"],
            "event_manifest":"em","metadata":{"user":"u"},"serializer_id":18}"#;
        let job = parsed(None, text).unwrap();
        let tags: Vec<&str> = job.event.tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!(tags, ["t1", "t2"]);
        assert_eq!(job.event.event_manifest.as_ref(), "em");
        assert_eq!(job.event.metadata.unwrap().bytes, r#"{"user":"u"}"#);
        assert_eq!(job.event.payload.serializer, SerializerId::LONG);
        assert_eq!(job.event.timestamp, Timestamp::from_millis(7));
    }
}
