//! The key of one entity's history, and the slices that spread entities over readers.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// The key of one entity's history: `type|entity-id`. Any non-empty id of Pekko is valid, also one
/// without a separator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistenceId(Arc<str>);

impl PersistenceId {
    /// What stands between the entity type and the entity id (Pekko's `DefaultSeparator`).
    pub const SEPARATOR: char = '|';

    /// An id as it stands.
    ///
    /// # Errors
    /// `Invalid` if it is empty.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() {
            return Err(Error::invalid("a persistence id is empty"));
        }
        Ok(Self(id))
    }

    /// The id of entity `entity_id` of type `entity_type`.
    ///
    /// # Errors
    /// `Invalid` if either is empty, or if the type holds the separator.
    pub fn of(entity_type: &str, entity_id: &str) -> Result<Self> {
        if entity_type.is_empty() || entity_id.is_empty() {
            return Err(Error::invalid("an entity type or entity id is empty"));
        }
        if entity_type.contains(Self::SEPARATOR) {
            return Err(Error::invalid(format!("the entity type {entity_type:?} contains '|'")));
        }
        Self::new(format!("{entity_type}{}{entity_id}", Self::SEPARATOR))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first separator; "" without one, as in Pekko.
    pub fn entity_type(&self) -> &str {
        self.0.split_once(Self::SEPARATOR).map_or("", |(entity_type, _)| entity_type)
    }

    /// What stands after the first separator; the whole id without one.
    pub fn entity_id(&self) -> &str {
        self.0.split_once(Self::SEPARATOR).map_or(&self.0, |(_, entity_id)| entity_id)
    }

    /// The slice of this id: `abs(java_hash(id) % 1024)`, as `Persistence.sliceForPersistenceId`.
    pub fn slice(&self) -> Slice {
        let slice = (java_hash(&self.0) % i32::from(Slice::COUNT)).unsigned_abs();
        Slice(u16::try_from(slice).expect("a remainder of 1024 fits"))
    }
}

impl fmt::Display for PersistenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `java.lang.String.hashCode`: 31-polynomial over UTF-16 code units, wrapping.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// One of 1,024 parts of all entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice(u16);

impl Slice {
    /// How many slices there are.
    pub const COUNT: u16 = 1024;
    /// The first slice.
    pub const MIN: Self = Self(0);
    /// The last slice.
    pub const MAX: Self = Self(Self::COUNT - 1);

    /// Slice `number`, or `None` from 1,024 on.
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The slice's number, 0-1023.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A range of slices, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SliceRange {
    min: Slice,
    max: Slice,
}

impl SliceRange {
    /// All slices.
    pub const ALL: Self = Self { min: Slice::MIN, max: Slice::MAX };

    /// Slices `min` to `max`.
    ///
    /// # Errors
    /// `Invalid` if `min` lies above `max`.
    pub fn new(min: Slice, max: Slice) -> Result<Self> {
        if min > max {
            let message = format!("the slice range {}-{} is empty", min.get(), max.get());
            return Err(Error::invalid(message));
        }
        Ok(Self { min, max })
    }

    /// The lowest slice.
    pub fn min(self) -> Slice {
        self.min
    }

    /// The highest slice.
    pub fn max(self) -> Slice {
        self.max
    }

    /// Whether `slice` lies in the range.
    pub fn contains(self, slice: Slice) -> bool {
        self.min <= slice && slice <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_hash_is_that_of_openjdk() {
        // Published values of java.lang.String.hashCode.
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn a_slice_of_the_lowest_hash_is_in_range() {
        let id = PersistenceId::new("polygenelubricants").unwrap();
        assert_eq!(id.slice().get(), 0);
    }

    #[test]
    fn type_and_id_split_at_the_first_separator() {
        let id = PersistenceId::new("account|a|b").unwrap();
        assert_eq!((id.entity_type(), id.entity_id()), ("account", "a|b"));
        let plain = PersistenceId::new("sample-1").unwrap();
        assert_eq!((plain.entity_type(), plain.entity_id()), ("", "sample-1"));
    }
}
