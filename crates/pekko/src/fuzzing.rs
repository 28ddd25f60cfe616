//! Everything that decodes bytes of others, as functions that take any bytes: for `fuzz/` and for the
//! tests that mutate what Pekko wrote. None may panic, overflow the stack, or take memory out of
//! proportion to its bytes; and what was read is read again from what is written of it.

use annals_core::{Payload, Serializer, SerializerId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::value::{decode, encode};
use crate::{
    AtomicWrite, Cbor, JacksonClass, JacksonFormat, JacksonVariants, JavaSerialized, Json,
    ManifestNames, Message, Misc, OldCbor, PersistentRepr, Replicated, read_snapshot, untag,
    write_snapshot,
};

/// A decoder: says whether the bytes were whole.
pub type Target = fn(&[u8]) -> bool;

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("value", value),
    ("message", message),
    ("snapshot", snapshot),
    ("java", java),
    ("jackson", jackson),
    #[cfg(feature = "config")]
    ("config", config),
];

/// A payload: its serializer in 4 bytes, the length of its manifest in one, the manifest, the bytes.
pub fn value(input: &[u8]) -> bool {
    let Some(payload) = payload(input) else { return false };
    let Ok(decoded) = decode(&payload) else { return false };
    let json = decoded.into_json();
    // Not every value can be written; one that can reads the same.
    if let Ok(again) = encode(payload.serializer, payload.manifest.clone(), &json)
        && let Ok(read) = decode(&again)
    {
        assert!(read.into_json() == json || has_fraction(&json), "{json}");
    }
    true
}

/// A message of serializer 7, 16 or 40, as [`value`] has a payload; and the bytes alone as an event.
pub fn message(input: &[u8]) -> bool {
    let Some(payload) = payload(input) else { return false };
    let mut whole = false;
    if let Ok(message) = Message::from_payload(&payload) {
        whole = true;
        let read = Message::from_payload(&message.to_payload());
        assert!(read.is_ok_and(|read| read == written(message)), "written and read again");
    }
    if let Ok(misc) = Misc::from_payload(&payload) {
        whole = true;
        assert!(Misc::from_payload(&misc.to_payload()).is_ok_and(|read| read == misc));
    }
    if let Ok(replicated) = Replicated::from_payload(&payload) {
        whole = true;
        assert!(
            Replicated::from_payload(&replicated.to_payload()).is_ok_and(|read| read == replicated)
        );
    }
    if let Ok(repr) = PersistentRepr::decode(&payload.bytes) {
        let _ = repr.into_event();
    }
    whole
}

/// The container of a snapshot.
pub fn snapshot(input: &[u8]) -> bool {
    let container = Bytes::copy_from_slice(input);
    let Ok(snapshot) = read_snapshot(&container, ManifestNames::AsGiven) else { return false };
    let again = write_snapshot(&snapshot, ManifestNames::AsGiven);
    assert!(again.is_ok_and(|again| again == container), "written as it was read");
    read_snapshot(&container, ManifestNames::Pekko).is_ok()
}

/// An object in Java's serialization.
pub fn java(input: &[u8]) -> bool {
    let payload = Payload::new(SerializerId::new(1), "", Bytes::copy_from_slice(input));
    let text: Result<String, _> = JavaSerialized.deserialize(&payload);
    let number: Result<i64, _> = JavaSerialized.deserialize(&payload);
    let untagged = untag(payload.clone()).is_ok_and(|(inner, _)| inner != payload);
    text.is_ok() || number.is_ok() || untagged
}

/// An event of a service, in each of Jackson's formats: the manifest's length in a byte, the manifest,
/// the bytes.
pub fn jackson(input: &[u8]) -> bool {
    let Some((manifest, bytes)) = manifest(input) else { return false };
    let formats: [fn(&str, &[u8]) -> bool; 3] = [event::<Json>, event::<Cbor>, event::<OldCbor>];
    formats.iter().fold(false, |whole, event| event(manifest, bytes) | whole)
}

/// A configuration. What could unfold without bound, and includes, are left out.
#[cfg(feature = "config")]
pub fn config(input: &[u8]) -> bool {
    const SUBSTITUTIONS_MAX: usize = 6;
    let Ok(text) = std::str::from_utf8(input) else { return false };
    if text.matches('$').count() > SUBSTITUTIONS_MAX || text.contains("include") {
        return false;
    }
    let Ok(config) = crate::config::Config::parse(text) else { return false };
    let _ = format!("{:?} {:?}", config.store(), config.persistence().report());
    true
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Deposited { cents: i64, note: Option<String>, tags: Vec<String> },
    Other(Value),
    Closed,
}

fn event<F: JacksonFormat>(manifest: &str, bytes: &[u8]) -> bool {
    let classes = [
        ("Deposited", JacksonClass::new("Deposited#2").with_upcaster(|_, json| Ok(json))),
        ("Other", JacksonClass::new("Other#2").with_upcaster(|_, json| Ok(json))),
        ("Closed", "Closed$".into()),
    ];
    let variants = JacksonVariants::<F, Event>::new(classes);
    let id = Serializer::<Event>::id(&variants);
    let payload = Payload::new(id, manifest, Bytes::copy_from_slice(bytes));
    let Ok(event) = variants.deserialize(&payload) else { return false };
    if let Event::Deposited { .. } | Event::Closed = event {
        let again = variants.serialize(&event).and_then(|again| variants.deserialize(&again));
        assert!(again.is_ok_and(|again| again == event), "written and read again");
    }
    true
}

fn payload(input: &[u8]) -> Option<Payload> {
    let (id, rest) = input.split_first_chunk()?;
    let (manifest, bytes) = manifest(rest)?;
    let id = SerializerId::new(i32::from_le_bytes(*id));
    Some(Payload::new(id, manifest, Bytes::copy_from_slice(bytes)))
}

fn manifest(input: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = input.split_first()?;
    let (manifest, bytes) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(manifest).ok()?, bytes))
}

/// What is left of a message once it was written: nobody writes that an event is deleted, nor a time
/// before 1970.
fn written(message: Message) -> Message {
    let event = |mut event: PersistentRepr| {
        event.deleted = false;
        event.timestamp = event.timestamp.max(annals_core::Timestamp::UNKNOWN);
        event
    };
    match message {
        Message::Repr(repr) => Message::Repr(event(repr)),
        Message::AtomicWrite(write) => Message::AtomicWrite(AtomicWrite {
            events: write.events.into_iter().map(event).collect(),
        }),
        other => other,
    }
}

/// Fractions lose digits on their way unless the feature `exact-json` is on.
fn has_fraction(json: &Value) -> bool {
    match json {
        Value::Number(number) => !number.is_i64() && !number.is_u64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(object) => object.values().any(has_fraction),
        _ => false,
    }
}
