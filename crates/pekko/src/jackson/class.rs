//! A JVM class in the eyes of Jackson: its manifest, its former names and forms, how it is stored.

use std::fmt;
use std::sync::Arc;

use annals_core::{Error, Payload, Result};
use serde_json::Value;

use crate::compression::Compression;
use crate::{Manifest, ManifestVersion};

/// Brings the JSON of another version to the current form.
type Upcast = dyn Fn(ManifestVersion, Value) -> Result<Value> + Send + Sync;

/// A class that Jackson payloads name in their manifest. What Pekko has in `JacksonMigration` is here:
/// former names, versions, and how an older form becomes the current one.
#[derive(Clone)]
pub struct JacksonClass {
    text: Arc<str>,
    manifest: Manifest,
    aliases: Vec<Arc<str>>,
    version_max: ManifestVersion,
    upcast: Option<Arc<Upcast>>,
    compression: Compression,
}

/// How the stored form of a payload becomes the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the current one.
    None,
    /// By the upcaster.
    Upcast(ManifestVersion),
    /// It is a Scala object: its content means nothing.
    Object,
}

impl JacksonClass {
    /// The class of `manifest`: its name, with `#version` from the second version on.
    pub fn new(manifest: impl Into<Arc<str>>) -> Self {
        let text = manifest.into();
        let manifest = Manifest::parse(&text);
        Self {
            version_max: manifest.version_or_first(),
            text,
            manifest,
            aliases: Vec::new(),
            upcast: None,
            compression: Compression::Off,
        }
    }

    /// Reads the former name `class` too.
    #[must_use]
    pub fn with_alias(mut self, class: impl Into<Arc<str>>) -> Self {
        self.aliases.push(class.into());
        self
    }

    /// Brings the JSON of other versions than the one written to the current form with `upcast`.
    #[must_use]
    pub fn with_upcaster(
        mut self,
        upcast: impl Fn(ManifestVersion, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.upcast = Some(Arc::new(upcast));
        self
    }

    /// Reads versions up to `version`, newer than the one written: while a new version is rolled out, its
    /// first payloads meet programs that write the old one (`supportedForwardVersion`).
    #[must_use]
    pub fn with_forward_version(mut self, version: ManifestVersion) -> Self {
        self.version_max = self.version_max.max(version);
        self
    }

    /// Compresses what it writes.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The manifest that is written.
    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The names that are read, the current one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.manifest.class).chain(&self.aliases)
    }

    /// Whether it is the one instance of a Scala object, whose content nobody reads.
    pub(super) fn is_object(&self) -> bool {
        self.manifest.class.ends_with('$')
    }

    pub(super) fn compress(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.compression.compress(bytes)
    }

    /// How `payload` is read, if it is of this class.
    pub(super) fn step(&self, payload: &Payload) -> Result<Step> {
        // The same text is by far the most frequent: nothing is parsed for it.
        if payload.manifest == self.text && !self.is_object() {
            return Ok(Step::None);
        }
        let stored = Manifest::parse(&payload.manifest);
        let version = stored.version_or_first();
        if !self.names().any(|name| *name == stored.class) || version > self.version_max {
            return Err(self.unreadable(payload));
        }
        if stored.class.ends_with('$') {
            return Ok(Step::Object);
        }
        match self.upcast {
            Some(_) if version != self.manifest.version_or_first() => Ok(Step::Upcast(version)),
            // Without an upcaster the version means nothing, as in Jackson without a migration.
            _ => Ok(Step::None),
        }
    }

    pub(super) fn upcast(&self, version: ManifestVersion, json: Value) -> Result<Value> {
        match &self.upcast {
            Some(upcast) => upcast(version, json),
            None => Ok(json),
        }
    }

    fn unreadable(&self, payload: &Payload) -> Error {
        Error::unsupported(format!(
            "a payload of serializer {} has manifest {:?}, where {:?} can be read; it is kept as it is",
            payload.serializer, payload.manifest, self.text
        ))
    }
}

impl From<&str> for JacksonClass {
    fn from(manifest: &str) -> Self {
        Self::new(manifest)
    }
}

impl fmt::Debug for JacksonClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JacksonClass")
            .field("manifest", &self.text)
            .field("aliases", &self.aliases)
            .field("version_max", &self.version_max)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
