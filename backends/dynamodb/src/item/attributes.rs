//! Attributes by name and type.

use std::collections::HashMap;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;

/// The attributes of an item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The names of attributes.
pub(crate) mod names {
    pub(crate) const PAR: &str = "par";
    pub(crate) const NUM: &str = "num";
    pub(crate) const PERSISTENCE_ID: &str = "persistence_id";
    pub(crate) const SEQ: &str = "seq";
    pub(crate) const EVENT: &str = "event";
    pub(crate) const SERIALIZER: &str = "ev_ser_id";
    pub(crate) const MANIFEST: &str = "ev_ser_manifest";
    pub(crate) const WRITER: &str = "writer_uuid";
    pub(crate) const EVENT_MANIFEST: &str = "manifest";
    pub(crate) const INDEX: &str = "idx";
    pub(crate) const LAST_INDEX: &str = "cnt";
    pub(crate) const OLD_EVENT: &str = "pay";
    pub(crate) const APPEND: &str = "annals_append";
    pub(crate) const TIMESTAMP: &str = "annals_ts";
    pub(crate) const TAGS: &str = "annals_tags";
    pub(crate) const META: &str = "annals_meta";
    pub(crate) const META_SERIALIZER: &str = "annals_meta_ser_id";
    pub(crate) const META_MANIFEST: &str = "annals_meta_ser_manifest";
    pub(crate) const INTENT: &str = "annals_intent";
    pub(crate) const DELETED: &str = "annals_deleted";
    pub(crate) const SWEPT: &str = "annals_swept";
    pub(crate) const PURGED: &str = "annals_purged";
    pub(crate) const STATE: &str = "annals_state";
    pub(crate) const LAST: &str = "annals_last";
}

/// A number as DynamoDB takes it.
pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Something about an item that is not what was written.
pub(crate) fn damaged(name: &str, why: &str) -> Error {
    Error::corrupt(format!("attribute {name:?} {why}"))
}

/// The number `name`, if the item has it.
pub(crate) fn number_of<T: std::str::FromStr>(item: &Item, name: &str) -> Result<Option<T>> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => {
            digits.parse().map(Some).map_err(|_| damaged(name, "is out of range"))
        }
        Some(_) => Err(damaged(name, "is not a number")),
    }
}

/// The text `name`, if the item has it.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Result<Option<&'a str>> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(_) => Err(damaged(name, "is not a text")),
    }
}

/// The bytes `name`, taken out of the item, if it has them.
pub(crate) fn take_bytes(item: &mut Item, name: &str) -> Result<Option<Bytes>> {
    match item.remove(name) {
        None => Ok(None),
        Some(AttributeValue::B(blob)) => Ok(Some(Bytes::from(blob.into_inner()))),
        Some(_) => Err(damaged(name, "is not binary")),
    }
}

/// What an item that must have an attribute lacks.
pub(crate) fn required<T>(found: Option<T>, name: &str) -> Result<T> {
    found.ok_or_else(|| damaged(name, "is missing"))
}
