//! Values of one Rust type under one class.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::{Payload, Result, Serializer, SerializerId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::class::{JacksonClass, Step};
use super::format::JacksonFormat;
use crate::ManifestVersion;
use crate::compression::{Compression, decompress};

/// Values of `T` as Jackson payloads of one class, in the format `F`.
///
/// The manifest's class name is the caller's choice, so that a JVM class can be named. Reading takes
/// the same class name (or an [alias](Self::with_alias)) in any version up to the one written, raw or
/// compressed. An older version goes through the [upcaster](Self::with_upcaster); without one its
/// version is ignored, as Jackson does. Where each variant of an enum is a class of its own, see
/// [`JacksonVariants`](crate::JacksonVariants).
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
pub struct Jackson<F, T> {
    class: JacksonClass,
    of: PhantomData<fn() -> (F, T)>,
}

impl<F: JacksonFormat, T> Jackson<F, T> {
    /// Writes under `manifest`: a class name, with `#version` from the second version on.
    pub fn new(manifest: impl Into<Arc<str>>) -> Self {
        Self::of(JacksonClass::new(manifest))
    }

    /// Writes and reads as `class` says.
    pub fn of(class: JacksonClass) -> Self {
        Self { class, of: PhantomData }
    }

    /// See [`JacksonClass::with_alias`].
    #[must_use]
    pub fn with_alias(self, class: impl Into<Arc<str>>) -> Self {
        Self::of(self.class.with_alias(class))
    }

    /// See [`JacksonClass::with_upcaster`].
    #[must_use]
    pub fn with_upcaster(
        self,
        upcast: impl Fn(ManifestVersion, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Self::of(self.class.with_upcaster(upcast))
    }

    /// See [`JacksonClass::with_forward_version`].
    #[must_use]
    pub fn with_forward_version(self, version: ManifestVersion) -> Self {
        Self::of(self.class.with_forward_version(version))
    }

    /// See [`JacksonClass::with_compression`].
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self::of(self.class.with_compression(compression))
    }
}

impl<F, T> Serializer<T> for Jackson<F, T>
where
    F: JacksonFormat,
    T: Serialize + DeserializeOwned + 'static,
{
    fn id(&self) -> SerializerId {
        F::ID
    }

    fn serialize(&self, value: &T) -> Result<Payload> {
        let class = &self.class;
        let bytes = if class.is_object() {
            F::EMPTY.to_vec()
        } else {
            let bytes = F::write(value).map_err(|error| error.context(class.text()))?;
            class.compress(bytes)?
        };
        Ok(Payload::new(F::ID, class.text().clone(), bytes))
    }

    fn deserialize(&self, payload: &Payload) -> Result<T> {
        let class = &self.class;
        let read = || match class.step(payload)? {
            Step::None => F::read(&decompress(&payload.bytes)?),
            Step::Object => F::read(F::EMPTY).or_else(|_| F::read(F::NULL)),
            Step::Upcast(version) => {
                let old = F::to_json(&decompress(&payload.bytes)?)?;
                F::read_json(class.upcast(version, old)?)
            }
        };
        read().map_err(|error| error.context(format_args!("a payload of {:?}", payload.manifest)))
    }
}

impl<F, T> fmt::Debug for Jackson<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jackson").field(&self.class).finish()
    }
}
