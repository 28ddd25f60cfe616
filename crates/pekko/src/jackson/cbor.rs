//! CBOR documents.

use annals_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How deep a document may nest, as `serde_json` has it for JSON.
const DEPTH_MAX: usize = 128;
/// A map of one entry.
const MAP_OF_ONE: u8 = 0xA1;

pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|error| {
        Error::invalid("a value has no form in CBOR").with_source(error.to_string())
    })?;
    Ok(bytes)
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

pub(super) fn opening(name: &str) -> Vec<u8> {
    let mut bytes = vec![MAP_OF_ONE];
    ciborium::into_writer(name, &mut bytes).expect("a text is written to memory");
    bytes
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
