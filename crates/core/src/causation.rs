//! Why a command came: ids that go with it into the metadata of its events, so that what belongs
//! together can be followed across entities, projections and services.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Envelope, Payload, PersistenceId, SeqNr, SerializerId};

/// Why a command came, and so why its events were written. In annals-entity `EntityRef::because` gives it
/// to commands, a handler sees it in `Context::causation`, commands that come back from work and delays
/// inherit it, and it is stored beside each event whose effect has no metadata of its own. Who reads an
/// event finds it again ([`Causation::of`]), and hands it on ([`Causation::by`]).
///
/// Stored, it is the JSON object `{"correlation_id":"…","causation_id":"…"}` (serializer 31, no
/// manifest), without what is not known. Readers ignore other fields, so that an application may add
/// its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Causation {
    correlation_id: Option<Arc<str>>,
    causation_id: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Cow<'a, str>>,
}

impl Causation {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why the event in `envelope` was written, if that is known.
    pub fn of(envelope: &Envelope) -> Option<Self> {
        envelope.event.metadata.as_ref().and_then(Self::from_metadata)
    }

    /// The cause is the event in `envelope`: see [`Causation::by_event`].
    pub fn by(envelope: &Envelope) -> Self {
        let event = &envelope.event;
        Self::by_event(&envelope.persistence_id, event.seq_nr, event.metadata.as_ref())
    }

    /// The cause is event `seq_nr` of `id`, whose metadata is `metadata`: its correlation id is kept,
    /// and the causation id names the event, as `account|alice#7`.
    pub fn by_event(id: &PersistenceId, seq_nr: SeqNr, metadata: Option<&Payload>) -> Self {
        let known = metadata.and_then(Self::from_metadata).unwrap_or_default();
        known.with_causation_id(format!("{id}#{seq_nr}"))
    }

    /// The same, with the id of everything that follows from one request.
    #[must_use]
    pub fn with_correlation_id(mut self, correlation_id: impl Into<Arc<str>>) -> Self {
        self.correlation_id = Some(correlation_id.into());
        self
    }

    /// The same, with the id of the message or event that directly led to the command.
    #[must_use]
    pub fn with_causation_id(mut self, causation_id: impl Into<Arc<str>>) -> Self {
        self.causation_id = Some(causation_id.into());
        self
    }

    /// The id of everything that follows from one request.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// The id of the message or event that directly led to the command.
    pub fn causation_id(&self) -> Option<&str> {
        self.causation_id.as_deref()
    }

    /// The stored form; none if nothing is known.
    pub fn to_metadata(&self) -> Option<Payload> {
        if *self == Self::default() {
            return None;
        }
        let stored = Stored {
            correlation_id: self.correlation_id().map(Cow::Borrowed),
            causation_id: self.causation_id().map(Cow::Borrowed),
        };
        let bytes = serde_json::to_vec(&stored).expect("texts have a form in JSON");
        Some(Payload::new(SerializerId::JACKSON_JSON, "", bytes))
    }

    /// What an event's metadata says; none if it is of another form, which is the application's.
    pub fn from_metadata(metadata: &Payload) -> Option<Self> {
        if metadata.serializer != SerializerId::JACKSON_JSON {
            return None;
        }
        let stored: Stored<'_> = serde_json::from_slice(&metadata.bytes).ok()?;
        let causation = Self {
            correlation_id: stored.correlation_id.map(|id| id.as_ref().into()),
            causation_id: stored.causation_id.map(|id| id.as_ref().into()),
        };
        (causation != Self::default()).then_some(causation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_a_json_object() {
        let causation = Causation::new().with_correlation_id("request \"7\"");
        let metadata = causation.to_metadata().unwrap();
        assert_eq!(metadata.bytes, r#"{"correlation_id":"request \"7\""}"#);
        assert_eq!(metadata.serializer, SerializerId::JACKSON_JSON);
        assert_eq!(Causation::from_metadata(&metadata), Some(causation));
        assert_eq!(Causation::new().to_metadata(), None);
    }

    #[test]
    fn metadata_of_an_application_is_read_as_far_as_it_says_so() {
        let json = |text: &'static str| Payload::new(SerializerId::JACKSON_JSON, "", text);
        let read = |text| Causation::from_metadata(&json(text));
        let expected = Causation::new().with_causation_id("c");
        assert_eq!(read(r#"{"user":1,"causation_id":"c"}"#), Some(expected));
        assert_eq!(read(r#"{"user":1}"#), None);
        assert_eq!(read("[1]"), None);
        let text = Payload::new(SerializerId::STRING, "", r#"{"causation_id":"c"}"#);
        assert_eq!(Causation::from_metadata(&text), None);
    }

    #[test]
    fn an_event_as_a_cause_hands_its_correlation_on() {
        let id = PersistenceId::new("account|alice").unwrap();
        let metadata = Causation::new().with_correlation_id("r").with_causation_id("c");
        let next = Causation::by_event(&id, SeqNr::FIRST, metadata.to_metadata().as_ref());
        assert_eq!(next.correlation_id(), Some("r"));
        assert_eq!(next.causation_id(), Some("account|alice#1"));
    }
}
