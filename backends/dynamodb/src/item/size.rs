//! How large items are: by the formula of Pekko's plugin, by DynamoDB's own, and what follows from
//! both for the limits that are told to callers.

use annals_core::{Append, Error, NewEvent, Result};
use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::Item;
use crate::keys::Keys;
use crate::settings::Settings;

/// The longest writer, manifest or tag.
pub(crate) const TEXT_BYTES_MAX: usize = 1024;

/// The largest item that DynamoDB takes: 400 KB, of 1,024 bytes each.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// What the names and small numbers of one item come to at most, 64 tags included.
const NAMES_BYTES: usize = 1024;

/// The constant of Pekko's formula for the key of an event.
const PEKKO_KEY_BYTES: usize = 26;

/// The limits that follow from the sizes of keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ItemSizes {
    item_bytes_max: usize,
    snapshot_item_bytes_max: usize,
    journal_units: usize,
    key_bytes_max: usize,
}

impl ItemSizes {
    pub(crate) fn new(keys: &Keys, settings: &Settings) -> Self {
        Self {
            item_bytes_max: settings.client.limits.max_item_size,
            snapshot_item_bytes_max: settings.snapshots().limits.max_item_size,
            journal_units: keys.journal().encode_utf16().count(),
            key_bytes_max: keys.journal().len() + keys.id_bytes_max(),
        }
    }

    /// The largest event that fits whatever its entity and its writer are called.
    pub(crate) fn event_bytes_max(&self) -> usize {
        let around = 2 * self.key_bytes_max + TEXT_BYTES_MAX + 2 * NAMES_BYTES;
        self.item_bytes_max.min(ITEM_BYTES_MAX).saturating_sub(around)
    }

    /// The largest snapshot payload that fits whatever its entity is called.
    pub(crate) fn snapshot_bytes_max(&self) -> usize {
        let around = self.key_bytes_max + TEXT_BYTES_MAX + 2 * NAMES_BYTES;
        self.snapshot_item_bytes_max.min(ITEM_BYTES_MAX).saturating_sub(around)
    }

    /// The size of `event` by Pekko's formula. It counts UTF-16 units in keys, and no names.
    pub(crate) fn pekko_event_bytes(&self, append: &Append, event: &NewEvent) -> usize {
        let id = append.id().as_str();
        [
            id.encode_utf16().count(),
            self.journal_units,
            PEKKO_KEY_BYTES,
            event.payload.bytes.len(),
            event.payload.serializer.to_string().len(),
            event.payload.manifest.len(),
            id.len(),
            append.range().to.to_string().len(),
            append.writer().as_str().len(),
            event.event_manifest.len(),
        ]
        .into_iter()
        .sum()
    }

    /// Checks that an item of Pekko's size `pekko_bytes` and DynamoDB's size `bytes` is taken.
    ///
    /// # Errors
    /// `Invalid`, naming the limit.
    pub(crate) fn check(&self, pekko_bytes: usize, bytes: usize) -> Result<()> {
        let Self { item_bytes_max, .. } = self;
        if pekko_bytes > *item_bytes_max {
            return Err(Error::invalid(format!(
                "an item of {pekko_bytes} bytes is more than aws-api-limits.max-item-size ({item_bytes_max}): make it \
                 smaller"
            )));
        }
        if bytes > ITEM_BYTES_MAX {
            return Err(Error::invalid(format!(
                "an item of {bytes} bytes is more than DynamoDB takes ({ITEM_BYTES_MAX}): make it smaller"
            )));
        }
        Ok(())
    }
}

/// The size of an item as DynamoDB counts it, rounded up: names and values in UTF-8, a number as a byte
/// for two digits and two more.
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => 3 + texts.iter().map(|text| text.len() + 1).sum::<usize>(),
        // Nothing else is written.
        _ => 1,
    }
}
