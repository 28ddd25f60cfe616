//! How values become payloads unless somebody chooses otherwise.

use std::sync::Arc;

use annals_core::{Codec, Registry};
use annals_entity::EventSourced;
use annals_pekko::JacksonJson;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes and reads values as JSON, in Pekko's Jackson format (serializer 31) under `manifest`: a name
/// that stays the same when the Rust type is renamed, or the name of a JVM class.
///
/// A [`Registry`] of serializers does more: it reads other formats too, chosen by id and manifest.
pub fn json<T>(manifest: impl Into<Arc<str>>) -> Arc<dyn Codec<T>>
where
    T: Serialize + DeserializeOwned + 'static,
{
    Arc::new(Registry::new(Arc::new(JacksonJson::new(manifest))))
}

/// How [`Store::entities`](crate::Store::entities) writes and reads the events of `B`: as [`json`] under
/// the manifest `TYPE.Event`, where `TYPE` is the entity type. For readers across entities.
pub fn event_codec<B>() -> Arc<dyn Codec<B::Event>>
where
    B: EventSourced,
    B::Event: Serialize + DeserializeOwned,
{
    json(format!("{}.Event", B::ENTITY_TYPE))
}

#[cfg(test)]
mod tests {
    use annals_core::{ErrorKind, Payload, SerializerId};

    use super::*;

    #[test]
    fn a_value_goes_there_and_back_under_its_manifest() {
        let codec = json::<Vec<u8>>("numbers");
        let payload = codec.encode(&vec![1, 2]).unwrap();
        let expected = Payload::new(SerializerId::JACKSON_JSON, "numbers", "[1,2]");
        assert_eq!(payload, expected);
        assert_eq!(codec.decode(&payload).unwrap(), [1, 2]);
    }

    #[test]
    fn a_payload_of_another_serializer_is_unsupported_and_named() {
        let codec = json::<Vec<u8>>("numbers");
        let error = codec.decode(&Payload::new(SerializerId::STRING, "x", "[1,2]")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("id 20 and manifest \"x\""), "{error}");
    }
}
