//! Items as they lie in the tables, read without any code of annals' store.

use annals_core::{Payload, SerializerId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::kinds::meaning;

/// An item in DynamoDB's own JSON: `{"par": {"S": …}, …}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item(pub(crate) Value);

impl Item {
    pub(crate) fn new(item: Value) -> Self {
        assert!(item.is_object(), "{item}");
        Self(item)
    }

    /// Its place in its table; snapshots sort by `seq` instead of `num`.
    pub(crate) fn key(&self) -> (String, u64) {
        let number = self.number("num").or_else(|| self.number("seq"));
        (self.text("par").unwrap().to_owned(), number.unwrap())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0[name]["S"].as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0[name]["N"].as_str().map(|number| number.parse().unwrap())
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.0[name]["B"].as_str().map(|bytes| STANDARD.decode(bytes).unwrap())
    }

    /// Whether it is an event, and not a mark.
    pub(crate) fn is_event(&self) -> bool {
        self.bytes("event").is_some()
    }

    /// What the event means.
    pub(crate) fn event(&self) -> Value {
        let id = self.0["ev_ser_id"]["N"].as_str().unwrap().parse().unwrap();
        let manifest = self.text("ev_ser_manifest").unwrap_or_default();
        let payload = Payload::new(SerializerId::new(id), manifest, self.bytes("event").unwrap());
        meaning(&payload, self.text("manifest").unwrap_or_default())
    }
}
