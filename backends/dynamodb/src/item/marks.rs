//! Marks, tombstones, and keys as items.

use annals_core::{Error, Result, SeqNr, Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{Item, names, number, number_of, required};

/// The key `par`, `num` as an item.
pub(crate) fn key(par: String, num: u64) -> Item {
    Item::from([
        (names::PAR.to_owned(), AttributeValue::S(par)),
        (names::NUM.to_owned(), number(num)),
    ])
}

/// A mark at `par` that says `value`.
pub(crate) fn mark(par: String, value: SeqNr) -> Item {
    let mut item = key(par, 0);
    item.insert(names::SEQ.to_owned(), number(value));
    item
}

/// What a mark says.
pub(crate) fn mark_value(item: &Item) -> Result<SeqNr> {
    let value: u64 = required(number_of(item, names::SEQ)?, names::SEQ)?;
    required(SeqNr::new(value), names::SEQ)
}

/// What a deleted event leaves at `key`.
pub(crate) fn tombstone(key: Item, at: Timestamp) -> Item {
    let mut item = key;
    item.insert(names::DELETED.to_owned(), number(at));
    item
}

/// The states of an intent: its append may still be stored, is stored, will never be.
pub(crate) const PENDING: &str = "pending";
pub(crate) const COMMITTED: &str = "committed";
pub(crate) const VOID: &str = "void";

/// The state of an intent, if there is one.
pub(crate) fn intent_state(intent: Option<&Item>) -> Result<Option<&str>> {
    match intent.and_then(|intent| intent.get(names::STATE)) {
        None => Ok(None),
        Some(AttributeValue::S(state)) => Ok(Some(state)),
        Some(_) => Err(Error::corrupt("the state of an intent is not a text")),
    }
}
