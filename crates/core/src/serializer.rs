//! From a Rust value to a payload and back, chosen by serializer id and manifest.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::{Error, Payload, Result, SerializerId};

/// Writes and reads values of one type in one format.
pub trait Serializer<T>: Debug + Send + Sync + 'static {
    /// The id that its payloads carry.
    fn id(&self) -> SerializerId;

    /// The payload of `value`.
    ///
    /// # Errors
    /// `Invalid` if the value has no form in this format.
    fn serialize(&self, value: &T) -> Result<Payload>;

    /// The value of `payload`.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not of this format, `Unsupported` if the manifest is unknown.
    fn deserialize(&self, payload: &Payload) -> Result<T>;
}

/// What an entity needs of serialization.
pub trait Codec<T>: Debug + Send + Sync + 'static {
    /// The payload of `value`.
    ///
    /// # Errors
    /// As [`Serializer::serialize`].
    fn encode(&self, value: &T) -> Result<Payload>;

    /// The value of `payload`.
    ///
    /// # Errors
    /// As [`Serializer::deserialize`].
    fn decode(&self, payload: &Payload) -> Result<T>;
}

/// The serializers of one type: one that writes, and those that read, by (id, manifest).
pub struct Registry<T> {
    writer: Arc<dyn Serializer<T>>,
    by_id: HashMap<SerializerId, Arc<dyn Serializer<T>>>,
    by_manifest: HashMap<(SerializerId, Arc<str>), Arc<dyn Serializer<T>>>,
}

impl<T: 'static> Registry<T> {
    /// A registry that writes with `writer`, and reads what it wrote.
    pub fn new(writer: Arc<dyn Serializer<T>>) -> Self {
        let by_id = HashMap::from([(writer.id(), writer.clone())]);
        Self { writer, by_id, by_manifest: HashMap::new() }
    }

    /// The same registry, reading any other manifest of `reader`'s id with it.
    #[must_use]
    pub fn with_reader(mut self, reader: Arc<dyn Serializer<T>>) -> Self {
        self.by_id.insert(reader.id(), reader);
        self
    }

    /// The same registry, reading `manifest` of `reader`'s id with it.
    #[must_use]
    pub fn with_manifest(
        mut self,
        manifest: impl Into<Arc<str>>,
        reader: Arc<dyn Serializer<T>>,
    ) -> Self {
        self.by_manifest.insert((reader.id(), manifest.into()), reader);
        self
    }
}

impl<T: 'static> Codec<T> for Registry<T> {
    fn encode(&self, value: &T) -> Result<Payload> {
        self.writer.serialize(value)
    }

    fn decode(&self, payload: &Payload) -> Result<T> {
        let exact = match self.by_manifest.is_empty() {
            true => None,
            false => self.by_manifest.get(&(payload.serializer, payload.manifest.clone())),
        };
        match exact.or_else(|| self.by_id.get(&payload.serializer)) {
            Some(reader) => reader.deserialize(payload),
            None => Err(Error::unsupported(format!(
                "no serializer is registered for id {} and manifest {:?}; the event is kept as it is",
                payload.serializer, payload.manifest
            ))),
        }
    }
}

/// Not derived: a derived one would ask `T` to be `Debug`, which no value of `T` here needs.
impl<T> Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("writer", &self.writer)
            .field("by_id", &self.by_id)
            .field("by_manifest", &self.by_manifest)
            .finish()
    }
}
