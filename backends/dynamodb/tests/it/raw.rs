//! Items behind the store's back: what Pekko wrote, and what nobody should have written.

use std::collections::HashMap;

use annals_dynamodb::Settings;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

/// The attributes of an item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The SDK's own client, on the server of `settings`.
pub(crate) fn sdk(settings: &Settings) -> aws_sdk_dynamodb::Client {
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled());
    config.set_endpoint_url(settings.client.endpoint.clone());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// Puts `item`, whatever stands there.
pub(crate) async fn put(settings: &Settings, table: &str, item: Item) {
    sdk(settings).put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

/// Removes the item at `key`.
pub(crate) async fn remove(settings: &Settings, table: &str, key: Item) {
    sdk(settings).delete_item().table_name(table).set_key(Some(key)).send().await.unwrap();
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}
