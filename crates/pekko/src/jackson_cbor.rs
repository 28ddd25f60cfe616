//! Serializer 33: CBOR as Pekko's Jackson module writes and reads it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Manifest;
use crate::compression::decompress;

/// How deep a document may nest, as `serde_json` has it for JSON.
const DEPTH_MAX: usize = 128;

/// Values of `T` as Jackson CBOR (serializer 33) under one manifest.
///
/// Writes maps and lists of definite length, which Jackson reads; reads indefinite ones and chunked
/// texts too, which it writes. The version of a stored manifest is ignored, as Jackson does without a
/// migration, unless it is newer than the one written.
pub struct JacksonCbor<T> {
    text: Arc<str>,
    manifest: Manifest,
    of: PhantomData<fn() -> T>,
}

impl<T> JacksonCbor<T> {
    /// Writes under `manifest`: a class name, with `#version` from the second version on.
    pub fn new(manifest: impl Into<Arc<str>>) -> Self {
        let text = manifest.into();
        Self { manifest: Manifest::parse(&text), text, of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serializer<T> for JacksonCbor<T> {
    fn id(&self) -> SerializerId {
        SerializerId::JACKSON_CBOR
    }

    fn serialize(&self, value: &T) -> Result<Payload> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).map_err(|error| {
            Error::invalid(format!("a value of {} has no form in CBOR", self.text))
                .with_source(error.to_string())
        })?;
        Ok(Payload::new(self.id(), self.text.clone(), bytes))
    }

    fn deserialize(&self, payload: &Payload) -> Result<T> {
        if payload.manifest != self.text {
            let stored = Manifest::parse(&payload.manifest);
            if stored.class != self.manifest.class
                || stored.version_or_first() > self.manifest.version_or_first()
            {
                return Err(Error::unsupported(format!(
                    "a payload of serializer {} has manifest {:?}, where {:?} can be read; it is kept as it is",
                    payload.serializer, payload.manifest, self.text
                )));
            }
        }
        read(&decompress(&payload.bytes)?)
            .map_err(|error| error.context(format!("a payload of {:?}", payload.manifest)))
    }
}

impl<T> fmt::Debug for JacksonCbor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JacksonCbor").field("manifest", &self.text).finish_non_exhaustive()
    }
}

/// The one document that `bytes` are.
pub(crate) fn read<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T> {
    let value = ciborium::de::from_reader_with_recursion_limit(&mut bytes, DEPTH_MAX)
        .map_err(|error| Error::corrupt("CBOR cannot be read").with_source(describe(error)))?;
    if !bytes.is_empty() {
        let message = format!("{} bytes follow the end of a CBOR document", bytes.len());
        return Err(Error::corrupt(message));
    }
    Ok(value)
}

fn describe(error: ciborium::de::Error<std::io::Error>) -> String {
    use ciborium::de::Error;
    match error {
        Error::Io(_) => "it ends too early".to_owned(),
        Error::Syntax(at) => format!("malformed at byte {at}"),
        Error::Semantic(Some(at), what) => format!("{what} at byte {at}"),
        Error::Semantic(None, what) => what,
        Error::RecursionLimitExceeded => format!("nested deeper than {DEPTH_MAX}"),
    }
}
