//! JSON documents.

use annals_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Room for most events: to grow a buffer again and again costs more than to write them.
const USUAL_BYTES: usize = 512;

pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| Error::invalid("a value has no form in JSON").with_source(error))?;
    Ok(bytes)
}

pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(unreadable)
}

pub(super) fn read_value<T: DeserializeOwned>(json: Value) -> Result<T> {
    serde_json::from_value(json).map_err(unreadable)
}

pub(super) fn opening(name: &str) -> Vec<u8> {
    format!("{{{}:", Value::from(name)).into_bytes()
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::corrupt("JSON cannot be read").with_source(error)
}
