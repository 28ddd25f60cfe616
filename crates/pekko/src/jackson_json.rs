//! Serializer 31: JSON as Pekko's Jackson module writes and reads it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::compression::decompress;
use crate::{Manifest, ManifestVersion};

/// Brings the JSON of an older version to the current form.
type Upcast = dyn Fn(ManifestVersion, Value) -> Result<Value> + Send + Sync;

/// Values of `T` as Jackson JSON (serializer 31) under one manifest.
///
/// The manifest's class name is the caller's choice, so that a JVM class can be named. Reading takes
/// the same class name (or an [alias](Self::with_alias)) in any version up to the one written;
/// compressed payloads are read, none are written. An older version goes through the
/// [upcaster](Self::with_upcaster); without one its version is ignored, as Jackson does.
///
/// ```
/// use annals_core::Serializer;
/// use annals_pekko::JacksonJson;
///
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Deposited { cents: u64 }
///
/// let json = JacksonJson::new("com.example.Deposited");
/// let payload = json.serialize(&Deposited { cents: 100 })?;
/// assert_eq!(payload.bytes, r#"{"cents":100}"#);
/// assert_eq!(json.deserialize(&payload)?, Deposited { cents: 100 });
/// # Ok::<(), annals_core::Error>(())
/// ```
pub struct JacksonJson<T> {
    text: Arc<str>,
    manifest: Manifest,
    aliases: Vec<Arc<str>>,
    upcast: Option<Arc<Upcast>>,
    of: PhantomData<fn() -> T>,
}

impl<T> JacksonJson<T> {
    /// Writes under `manifest`: a class name, with `#version` from the second version on.
    pub fn new(manifest: impl Into<Arc<str>>) -> Self {
        let text = manifest.into();
        let manifest = Manifest::parse(&text);
        Self { text, manifest, aliases: Vec::new(), upcast: None, of: PhantomData }
    }

    /// Reads the former class name `class` too.
    #[must_use]
    pub fn with_alias(mut self, class: impl Into<Arc<str>>) -> Self {
        self.aliases.push(class.into());
        self
    }

    /// Brings the JSON of versions older than the one written to the current form with `upcast`.
    #[must_use]
    pub fn with_upcaster(
        mut self,
        upcast: impl Fn(ManifestVersion, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.upcast = Some(Arc::new(upcast));
        self
    }

    fn stored_version(&self, payload: &Payload) -> Result<ManifestVersion> {
        // The same text is by far the most frequent: nothing is parsed for it.
        if payload.manifest == self.text {
            return Ok(self.manifest.version_or_first());
        }
        let stored = Manifest::parse(&payload.manifest);
        let version = stored.version_or_first();
        let known = stored.class == self.manifest.class || self.aliases.contains(&stored.class);
        if !known || version > self.manifest.version_or_first() {
            return Err(Error::unsupported(format!(
                "a payload of serializer {} has manifest {:?}, where {:?} can be read; it is kept as it is",
                payload.serializer, payload.manifest, self.text
            )));
        }
        Ok(version)
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serializer<T> for JacksonJson<T> {
    fn id(&self) -> SerializerId {
        SerializerId::JACKSON_JSON
    }

    fn serialize(&self, value: &T) -> Result<Payload> {
        let bytes = serde_json::to_vec(value).map_err(|error| {
            Error::invalid(format!("a value of {} has no form in JSON", self.text))
                .with_source(error)
        })?;
        Ok(Payload::new(self.id(), self.text.clone(), bytes))
    }

    fn deserialize(&self, payload: &Payload) -> Result<T> {
        let version = self.stored_version(payload)?;
        let unreadable = |error: serde_json::Error| {
            let message = format!("a JSON payload of {:?} cannot be read", payload.manifest);
            Error::corrupt(message).with_source(error)
        };
        let json = decompress(&payload.bytes)?;
        match &self.upcast {
            Some(upcast) if version < self.manifest.version_or_first() => {
                let old = serde_json::from_slice(&json).map_err(unreadable)?;
                serde_json::from_value(upcast(version, old)?).map_err(unreadable)
            }
            _ => serde_json::from_slice(&json).map_err(unreadable),
        }
    }
}

impl<T> fmt::Debug for JacksonJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JacksonJson")
            .field("manifest", &self.text)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}
