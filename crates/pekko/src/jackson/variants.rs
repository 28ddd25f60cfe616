//! Values of an enum whose variants are classes of their own, as a service on the JVM has its events.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::{Error, Payload, Result, Serializer, SerializerId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::class::{JacksonClass, Step};
use super::format::JacksonFormat;
use crate::Manifest;
use crate::compression::decompress;

/// Values of the enum `T` as Jackson payloads in the format `F`, each variant under its own class: its
/// payload is the variant's content alone, as Jackson writes an instance of that class.
///
/// `T` has serde's default form of an enum (not `untagged`, no `tag`), with variants that have named
/// fields, hold one struct, or nothing at all.
///
/// ```
/// use annals_core::Serializer;
/// use annals_pekko::{JacksonClass, JacksonVariants, Json};
///
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// enum Event { Deposited { cents: u64 }, Closed }
///
/// let json = JacksonVariants::<Json, Event>::new([
///     ("Deposited", "com.example.Account$Deposited".into()),
///     ("Closed", JacksonClass::new("com.example.Account$Closed$").with_alias("com.example.Closed$")),
/// ]);
/// let payload = json.serialize(&Event::Deposited { cents: 100 })?;
/// assert_eq!(payload.manifest.as_ref(), "com.example.Account$Deposited");
/// assert_eq!(payload.bytes, r#"{"cents":100}"#);
/// assert_eq!(json.deserialize(&payload)?, Event::Deposited { cents: 100 });
/// # Ok::<(), annals_core::Error>(())
/// ```
pub struct JacksonVariants<F, T> {
    variants: Vec<Variant>,
    by_class: HashMap<Arc<str>, usize>,
    of: PhantomData<fn() -> (F, T)>,
}

#[derive(Debug)]
struct Variant {
    name: Arc<str>,
    class: JacksonClass,
    /// What precedes the content of a value of this variant.
    opening: Vec<u8>,
    /// A value of this variant without content.
    alone: Vec<u8>,
}

impl<F: JacksonFormat, T> JacksonVariants<F, T> {
    /// The variants, by the names that serde gives them, and the class of each.
    pub fn new<N: Into<Arc<str>>>(variants: impl IntoIterator<Item = (N, JacksonClass)>) -> Self {
        let mut by_class = HashMap::new();
        let mut list = Vec::new();
        for (name, class) in variants {
            let name = name.into();
            for read in class.names() {
                // A name that two variants claim is the first one's.
                by_class.entry(read.clone()).or_insert(list.len());
            }
            let opening = F::opening(&name);
            let alone = F::write(&*name).unwrap_or_default();
            list.push(Variant { name, class, opening, alone });
        }
        Self { variants: list, by_class, of: PhantomData }
    }

    fn variant_of(&self, payload: &Payload) -> Result<&Variant> {
        // The name is looked up whole first, since a version is rare.
        let index = self.by_class.get(&payload.manifest).or_else(|| {
            let class = Manifest::parse(&payload.manifest).class;
            self.by_class.get(&class)
        });
        index.and_then(|index| self.variants.get(*index)).ok_or_else(|| {
            Error::unsupported(format!(
                "a payload of serializer {} has manifest {:?}, which is none of the {} classes that can be read; it is kept as it is",
                payload.serializer,
                payload.manifest,
                self.by_class.len()
            ))
        })
    }
}

impl Variant {
    /// The content of `document`, if that is a value of this variant.
    fn content<'a, F: JacksonFormat>(&self, document: &'a [u8]) -> Option<&'a [u8]> {
        if document == self.alone {
            return Some(F::EMPTY);
        }
        document.strip_prefix(&*self.opening)?.strip_suffix(F::CLOSING)
    }

    /// The value of this variant whose content is `content`. A variant without content takes any, as
    /// Jackson ignores properties that it does not know.
    fn read<F: JacksonFormat, T: DeserializeOwned>(&self, content: &[u8]) -> Result<T> {
        F::read(&[&*self.opening, content, F::CLOSING].concat()).or_else(|error| {
            F::to_json(content).and_then(|_| F::read(&self.alone)).map_err(|_| error)
        })
    }
}

impl<F, T> Serializer<T> for JacksonVariants<F, T>
where
    F: JacksonFormat,
    T: Serialize + DeserializeOwned + 'static,
{
    fn id(&self) -> SerializerId {
        F::ID
    }

    fn serialize(&self, value: &T) -> Result<Payload> {
        let document = F::write(value)?;
        let found = self
            .variants
            .iter()
            .find_map(|variant| variant.content::<F>(&document).map(|content| (variant, content)));
        let Some((variant, content)) = found else {
            let names: Vec<_> = self.variants.iter().map(|variant| &*variant.name).collect();
            let message = format!("a value is none of the variants with a class: {names:?}");
            return Err(Error::invalid(message));
        };
        let class = &variant.class;
        let bytes = match class.is_object() {
            true => F::EMPTY.to_vec(),
            false => class.compress(content.to_vec())?,
        };
        Ok(Payload::new(F::ID, class.text().clone(), bytes))
    }

    fn deserialize(&self, payload: &Payload) -> Result<T> {
        let variant = self.variant_of(payload)?;
        let read = || match variant.class.step(payload)? {
            Step::None => variant.read::<F, T>(&decompress(&payload.bytes)?),
            Step::Object => variant.read::<F, T>(F::EMPTY),
            Step::Upcast(version) => {
                let old = F::to_json(&decompress(&payload.bytes)?)?;
                let content = variant.class.upcast(version, old)?;
                let entry = (variant.name.as_ref().to_owned(), content);
                F::read_json(Value::Object(Map::from_iter([entry])))
            }
        };
        read().map_err(|error| error.context(format_args!("a payload of {:?}", payload.manifest)))
    }
}

impl<F, T> fmt::Debug for JacksonVariants<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JacksonVariants").field("variants", &self.variants).finish_non_exhaustive()
    }
}
