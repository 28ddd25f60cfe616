//! How events and states become payloads, and what an older program left becomes readable: adapters
//! and upcasters, all of them around a [`Codec`].
//!
//! ```text
//!   event --adapter--> stored form --codec--> payload      one to one, with a manifest
//!   events <--adapter-- stored form <--codec-- payload     none, one or many
//! ```

use std::fmt;
use std::sync::Arc;

use annals_core::{Codec, Error, Payload, Result};

/// An event as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The stored form, serialized.
    pub payload: Payload,
    /// What the reader needs to know besides (Pekko: the event adapter's manifest); mostly empty.
    pub event_manifest: Arc<str>,
}

/// Writes and reads the events of one type: what an entity needs of serialization. Every [`Codec`] is
/// one ([`plain`]), and an [`EventAdapter`] with the codec of its stored form is ([`adapted`]). For
/// readers across entities, too: they then see the same events as the entity does.
pub trait EventFormat<E>: fmt::Debug + Send + Sync + 'static {
    /// The stored form of `event`.
    ///
    /// # Errors
    /// `Invalid` if it has none.
    fn write(&self, event: &E) -> Result<Written>;

    /// Adds the events that a stored one stands for to `events`: none, one or many, in order.
    ///
    /// # Errors
    /// `Corrupt` if it cannot be read, `Unsupported` if its serializer or manifest is unknown.
    fn read(&self, payload: &Payload, event_manifest: &str, events: &mut Vec<E>) -> Result<()>;
}

/// Between an event and the form in which it is stored. It sees every event that the entity writes
/// or recovers, and must give for old stored forms what the present behaviour understands.
pub trait EventAdapter<E>: fmt::Debug + Send + Sync + 'static {
    /// What is stored.
    type Stored;

    /// The form in which `event` is stored.
    ///
    /// # Errors
    /// `Invalid` if it has none: the command fails, and nothing of it is written.
    fn store(&self, event: &E) -> Result<Self::Stored>;

    /// What [`EventAdapter::restore`] is told besides. Default: nothing.
    fn manifest(&self, event: &E) -> Arc<str> {
        let _ = event;
        Arc::default()
    }

    /// The events that `stored` stands for: none if it means nothing any more, several if it was
    /// split. All of them count as one sequence number.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported`: the entity is not recovered, rather than recovered wrongly.
    fn restore(&self, stored: Self::Stored, manifest: &str) -> Result<Vec<E>>;
}

/// The format of a codec: one to one, without a manifest of its own.
pub fn plain<E: 'static>(codec: Arc<dyn Codec<E>>) -> Arc<dyn EventFormat<E>> {
    Arc::new(Plain(codec))
}

/// The format of an adapter, whose stored form `codec` writes and reads.
pub fn adapted<E: 'static, A: EventAdapter<E>>(
    adapter: A,
    codec: Arc<dyn Codec<A::Stored>>,
) -> Arc<dyn EventFormat<E>>
where
    A::Stored: 'static,
{
    Arc::new(Adapted { adapter, codec })
}

struct Plain<E>(Arc<dyn Codec<E>>);

impl<E: 'static> EventFormat<E> for Plain<E> {
    fn write(&self, event: &E) -> Result<Written> {
        // The default text is shared, not allocated anew.
        Ok(Written { payload: self.0.encode(event)?, event_manifest: Arc::default() })
    }

    fn read(&self, payload: &Payload, _event_manifest: &str, events: &mut Vec<E>) -> Result<()> {
        events.push(self.0.decode(payload)?);
        Ok(())
    }
}

impl<E> fmt::Debug for Plain<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plain").field(&self.0).finish()
    }
}

struct Adapted<A, S> {
    adapter: A,
    codec: Arc<dyn Codec<S>>,
}

impl<E: 'static, A: EventAdapter<E>> EventFormat<E> for Adapted<A, A::Stored>
where
    A::Stored: 'static,
{
    fn write(&self, event: &E) -> Result<Written> {
        let payload = self.codec.encode(&self.adapter.store(event)?)?;
        Ok(Written { payload, event_manifest: self.adapter.manifest(event) })
    }

    fn read(&self, payload: &Payload, event_manifest: &str, events: &mut Vec<E>) -> Result<()> {
        let stored = self.codec.decode(payload)?;
        events.extend(self.adapter.restore(stored, event_manifest)?);
        Ok(())
    }
}

impl<A: fmt::Debug, S> fmt::Debug for Adapted<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapted")
            .field("adapter", &self.adapter)
            .field("codec", &self.codec)
            .finish()
    }
}

/// Between a state and the form in which snapshots keep it.
pub trait SnapshotAdapter<B>: fmt::Debug + Send + Sync + 'static {
    /// What is stored.
    type Stored;

    /// The form in which `state` is stored.
    ///
    /// # Errors
    /// `Invalid` if it has none: no snapshot is taken.
    fn store(&self, state: &B) -> Result<Self::Stored>;

    /// The state of `stored`.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported`: recovery falls back on the next older snapshot.
    fn restore(&self, stored: Self::Stored) -> Result<B>;
}

/// The codec of states that `adapter` brings to a form which `codec` writes and reads.
pub fn adapted_snapshots<B: 'static, A: SnapshotAdapter<B>>(
    adapter: A,
    codec: Arc<dyn Codec<A::Stored>>,
) -> Arc<dyn Codec<B>>
where
    A::Stored: 'static,
{
    Arc::new(AdaptedSnapshots { adapter, codec })
}

struct AdaptedSnapshots<A, S> {
    adapter: A,
    codec: Arc<dyn Codec<S>>,
}

impl<B: 'static, A: SnapshotAdapter<B>> Codec<B> for AdaptedSnapshots<A, A::Stored>
where
    A::Stored: 'static,
{
    fn encode(&self, state: &B) -> Result<Payload> {
        self.codec.encode(&self.adapter.store(state)?)
    }

    fn decode(&self, payload: &Payload) -> Result<B> {
        self.adapter.restore(self.codec.decode(payload)?)
    }
}

impl<A: fmt::Debug, S> fmt::Debug for AdaptedSnapshots<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptedSnapshots")
            .field("adapter", &self.adapter)
            .field("codec", &self.codec)
            .finish()
    }
}

type Upcast = dyn Fn(Payload) -> Result<Payload> + Send + Sync;

/// A codec whose manifests carry a version (`Name#2`; none means 1), as Pekko's Jackson migrations
/// do; older payloads are brought to the present form, version by version, before `codec` reads them.
/// It works on bytes, for any serializer; `annals-pekko`'s JSON has a variant on JSON trees.
pub struct Upcasting<T> {
    codec: Arc<dyn Codec<T>>,
    /// The step at index `i` leads from version `i + 1` to the next one.
    steps: Vec<Arc<Upcast>>,
}

impl<T: 'static> Upcasting<T> {
    /// Version 1 of what `codec` writes: manifests are as `codec` chose them.
    pub fn new(codec: Arc<dyn Codec<T>>) -> Self {
        Self { codec, steps: Vec::new() }
    }

    /// One version more: `upcast` brings a payload of the version before to this one. It may change
    /// the manifest's name; the version is not part of the manifest that it sees and gives.
    #[must_use]
    pub fn then(
        mut self,
        upcast: impl Fn(Payload) -> Result<Payload> + Send + Sync + 'static,
    ) -> Self {
        self.steps.push(Arc::new(upcast));
        self
    }

    fn version(&self) -> usize {
        self.steps.len() + 1
    }
}

impl<T: 'static> Codec<T> for Upcasting<T> {
    fn encode(&self, value: &T) -> Result<Payload> {
        let mut payload = self.codec.encode(value)?;
        if !self.steps.is_empty() {
            payload.manifest = format!("{}#{}", payload.manifest, self.version()).into();
        }
        Ok(payload)
    }

    fn decode(&self, payload: &Payload) -> Result<T> {
        let (name, version) = name_and_version(&payload.manifest);
        let steps = version.checked_sub(1).and_then(|done| self.steps.get(done..));
        let Some(steps) = steps else {
            return Err(Error::unsupported(format!(
                "a payload of serializer {} has manifest {:?}, but this program reads versions 1 to \
                 {}; it is kept as it is",
                payload.serializer,
                payload.manifest,
                self.version()
            )));
        };
        let mut payload = payload.clone();
        if name.len() != payload.manifest.len() {
            payload.manifest = name.into();
        }
        let payload = steps.iter().try_fold(payload, |payload, step| step(payload))?;
        self.codec.decode(&payload)
    }
}

impl<T> fmt::Debug for Upcasting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upcasting")
            .field("codec", &self.codec)
            .field("versions", &(self.steps.len() + 1))
            .finish()
    }
}

/// What follows the last `#` is the version, if it is a number.
fn name_and_version(manifest: &str) -> (&str, usize) {
    let versioned = manifest.rsplit_once('#');
    versioned
        .and_then(|(name, version)| Some((name, version.parse().ok()?)))
        .unwrap_or((manifest, 1))
}

#[cfg(test)]
mod tests {
    use annals_core::{ErrorKind, SerializerId};

    use super::*;

    #[derive(Debug)]
    struct Text;

    impl Codec<String> for Text {
        fn encode(&self, text: &String) -> Result<Payload> {
            Ok(Payload::new(SerializerId::STRING, "Text", text.clone()))
        }

        fn decode(&self, payload: &Payload) -> Result<String> {
            assert_eq!(&*payload.manifest, "Text");
            Ok(String::from_utf8(payload.bytes.to_vec()).unwrap())
        }
    }

    fn stored(manifest: &str, text: &'static str) -> Payload {
        Payload::new(SerializerId::STRING, manifest, text)
    }

    fn with(payload: &Payload, suffix: &str) -> Payload {
        let bytes = [payload.bytes.as_ref(), suffix.as_bytes()].concat();
        Payload::new(payload.serializer, "Text", bytes)
    }

    fn third_version() -> Upcasting<String> {
        let second = |payload: Payload| Ok(with(&payload, "2"));
        Upcasting::new(Arc::new(Text)).then(second).then(|payload| Ok(with(&payload, "3")))
    }

    #[test]
    fn older_payloads_go_through_every_version_between() {
        let codec = third_version();
        for (manifest, expected) in
            [("Old", "x23"), ("Text#1", "x23"), ("Text#2", "x3"), ("Text#3", "x")]
        {
            assert_eq!(codec.decode(&stored(manifest, "x")).unwrap(), expected, "{manifest}");
        }
        let written = codec.encode(&"x".to_owned()).unwrap();
        assert_eq!(&*written.manifest, "Text#3");
        assert_eq!(codec.decode(&written).unwrap(), "x");
    }

    #[test]
    fn a_version_of_a_newer_program_is_unsupported_and_named() {
        for manifest in ["Text#4", "Text#0"] {
            let error = third_version().decode(&stored(manifest, "x")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(manifest), "{error}");
        }
    }

    #[test]
    fn the_first_version_leaves_manifests_alone() {
        let codec = Upcasting::new(Arc::new(Text));
        let written = codec.encode(&"x".to_owned()).unwrap();
        assert_eq!(written, Text.encode(&"x".to_owned()).unwrap());
        assert_eq!(codec.decode(&written).unwrap(), "x");
    }
}
