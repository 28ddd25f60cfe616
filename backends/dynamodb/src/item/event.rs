//! An event as an item, as Pekko's plugin writes it, with our attributes beside its own.

use annals_core::{Append, NewEvent, Payload, SeqNr};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{Item, names, number};
use crate::keys::{Group, Keys, num};

/// Where an event of an append stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// Its place, 0 first.
    pub(crate) index: u64,
    /// Whether the append is committed by an intent.
    pub(crate) intent: bool,
}

/// The item of `event`, which stands at `position` in `append`.
pub(crate) fn encode_event(
    keys: &Keys,
    append: &Append,
    event: &NewEvent,
    position: Position,
) -> Item {
    let seq_nr = append.range().from.plus(position.index);
    let last_index = append.events().len() - 1;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let binary = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    let mut item = key_of(keys, append, seq_nr);
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put(names::PERSISTENCE_ID, text(append.id().as_str()));
    put(names::SEQ, number(seq_nr));
    put(names::EVENT, binary(&event.payload.bytes));
    put(names::SERIALIZER, number(event.payload.serializer));
    put(names::WRITER, text(append.writer().as_str()));
    put(names::APPEND, binary(&append.append_id().get().to_be_bytes()));
    put(names::TIMESTAMP, number(event.timestamp));
    if !event.payload.manifest.is_empty() {
        put(names::MANIFEST, text(&event.payload.manifest));
    }
    if !event.event_manifest.is_empty() {
        put(names::EVENT_MANIFEST, text(&event.event_manifest));
    }
    if last_index > 0 {
        put(names::INDEX, number(position.index));
        put(names::LAST_INDEX, number(last_index));
    }
    if position.intent {
        put(names::INTENT, AttributeValue::Bool(true));
    }
    if !event.tags.is_empty() {
        let tags = event.tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        put(names::TAGS, AttributeValue::Ss(tags));
    }
    if let Some(Payload { serializer, manifest, bytes }) = &event.metadata {
        put(names::META, binary(bytes));
        put(names::META_SERIALIZER, number(serializer));
        if !manifest.is_empty() {
            put(names::META_MANIFEST, text(manifest));
        }
    }
    item
}

fn key_of(keys: &Keys, append: &Append, seq_nr: SeqNr) -> Item {
    // Enough for every attribute of an event without metadata: most items never grow.
    let mut item = Item::with_capacity(14);
    let par = keys.events(append.id(), Group::of(seq_nr));
    item.insert(names::PAR.to_owned(), AttributeValue::S(par));
    item.insert(names::NUM.to_owned(), number(num(seq_nr)));
    item
}
