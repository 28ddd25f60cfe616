//! The bare SDK: a `PutItem` of an item with the very attributes that the store writes, without a word about
//! what becomes of it; plain, or under the store's condition, which shows what that costs the server.

use std::collections::HashMap;
use std::sync::Arc;

use annals_core::{JournalExt, SeqRange};
use annals_dynamodb::DynamoDb;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use bytes::Bytes;

use super::target;
use crate::Result;
use crate::driver::{Entity, Target};
use crate::payload::payload;

type Item = HashMap<String, AttributeValue>;

/// The table of a store that was opened without naming one.
const TABLE: &str = "pekko-persistence";
/// How many numbers share a partition key.
const GROUP: u64 = 100;

/// The SDK's client, without a library around it.
pub(super) fn sdk(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

/// An item as the store wrote it, to be written again under other keys.
#[derive(Debug, Clone)]
pub(super) struct Template(Item);

impl Template {
    /// Lets `store` write an event, and reads its item back.
    pub(super) async fn of(store: &Arc<DynamoDb>, endpoint: &str, bytes: usize) -> Result<Self> {
        let entity = Entity::new(99_999_999);
        target(store).append_all(&entity, 1, [payload(0, 1, bytes)]).await?;
        let journal = store.store().journal;
        if journal.read_all(&entity.id, SeqRange::ALL).await?.len() != 1 {
            return Err("the template was not written".into());
        }
        let id = AttributeValue::S(entity.id.to_string());
        let scan = sdk(endpoint).scan().table_name(TABLE).filter_expression("persistence_id = :id");
        // Page by page: one without a match does not end it.
        let mut found = scan.expression_attribute_values(":id", id).into_paginator().items().send();
        Ok(Self(found.next().await.transpose()?.ok_or("the template was not found")?))
    }

    /// The item of another event.
    pub(super) fn item(&self, journal: &str, entity: &Entity, seq_nr: u64, event: &[u8]) -> Item {
        let mut item = self.0.clone();
        let par = format!("{journal}-P-{}-{}", entity.id, seq_nr / GROUP);
        let number = |number: u64| AttributeValue::N(number.to_string());
        item.insert("par".to_owned(), AttributeValue::S(par));
        item.insert("num".to_owned(), number(seq_nr % GROUP));
        item.insert("seq".to_owned(), number(seq_nr));
        item.insert("persistence_id".to_owned(), AttributeValue::S(entity.id.to_string()));
        item.insert("event".to_owned(), AttributeValue::B(Blob::new(event)));
        item
    }
}

/// Puts items.
#[derive(Debug)]
pub(super) struct Bare {
    pub(super) sdk: Client,
    pub(super) template: Template,
    pub(super) journal: String,
    /// Whether the key must be free, and the answer brings along what is in the way.
    pub(super) conditional: bool,
}

impl Target for Bare {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        let item = self.template.item(&self.journal, entity, seq_nr, &payload);
        let mut put = self.sdk.put_item().table_name(TABLE).set_item(Some(item));
        if self.conditional {
            put = put.condition_expression("attribute_not_exists(par)");
            let old = ReturnValuesOnConditionCheckFailure::AllOld;
            put = put.return_values_on_condition_check_failure(old);
        }
        put.send().await?;
        Ok(())
    }
}

/// Puts the items of events 1 to `events` of `entity` into the table, many at a time.
pub(super) async fn bulk_load(
    sdk: &Client,
    template: &Template,
    journal: &str,
    entity: &Entity,
    events: u64,
    event_bytes: usize,
) -> Result<()> {
    use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
    use futures_util::{StreamExt, TryStreamExt, stream};
    const REQUEST: u64 = 25;
    const IN_FLIGHT: usize = 16;
    let write = |first: u64| async move {
        let mut writes = Vec::new();
        for seq_nr in first..(first + REQUEST).min(events + 1) {
            let event = payload(entity.number, seq_nr, event_bytes);
            let item = template.item(journal, entity, seq_nr, &event);
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        let written = sdk.batch_write_item().request_items(TABLE, writes).send().await?;
        match written.unprocessed_items {
            Some(rest) if !rest.is_empty() => Err("the server did not take a whole request".into()),
            _ => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(()),
        }
    };
    let firsts = (1..=events).step_by(usize::try_from(REQUEST)?);
    stream::iter(firsts).map(write).buffer_unordered(IN_FLIGHT).try_collect().await
}
