//! Whether DynamoDB Local keeps what it acknowledged when it is killed: the SDK alone, nothing of annals.
//!
//! Writers send transactions (or single puts) of new items until the server, its storage on disk, is killed
//! with `kill -9`; then it is started again, and what was acknowledged is counted.
//!
//! ```console
//! $ cargo run -p annals-dynamodb --example local_loss -- 4 10     # items of a transaction, kills
//! $ cargo run -p annals-dynamodb --example local_loss -- 1 10     # single puts
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_servers::Storage;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, TransactWriteItem,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const TABLE: &str = "acknowledged";
const WRITERS: usize = 4;
const IS_FREE: &str = "attribute_not_exists(par)";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (items, kills): (usize, usize) = (number(4)?, number(10)?);
    let (mut acknowledged, mut lost) = (0, 0);
    for kill in 1..=kills {
        let (more, missing) = round(items).await?;
        acknowledged += more;
        lost += missing;
        println!("kill {kill}: {acknowledged} writes of {items} items acknowledged, {lost} lost");
    }
    Ok(())
}

/// One life of a server: how many writes it acknowledged, and how many of them were gone afterwards.
async fn round(items: usize) -> Result<(usize, usize), Failure> {
    let server = tokio::task::spawn_blocking(|| annals_servers::DynamoDb::start(Storage::Disk));
    let server = Arc::new(server.await??);
    let client = client(server.endpoint());
    create_table(&client).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let write = |writer| tokio::spawn(write(client.clone(), writer, items, stop.clone()));
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let killed = server.clone();
    tokio::task::spawn_blocking(move || killed.kill()).await??;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await?);
    }
    let again = server.clone();
    tokio::task::spawn_blocking(move || again.start_again()).await??;
    let mut lost = 0;
    for (writer, count) in acknowledged.iter().enumerate() {
        for write in 0..*count {
            let key = key(writer, write * items);
            let request = client.get_item().table_name(TABLE).set_key(Some(key));
            lost += usize::from(request.consistent_read(true).send().await?.item.is_none());
        }
    }
    Ok((acknowledged.iter().sum(), lost))
}

/// Writes until something fails, and tells how many writes were acknowledged.
async fn write(client: Client, writer: usize, items: usize, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = match items {
            1 => {
                let put = client.put_item().table_name(TABLE).condition_expression(IS_FREE);
                put.set_item(Some(key(writer, count))).send().await.is_ok()
            }
            _ => {
                let put = |key| {
                    let put = Put::builder().table_name(TABLE).set_item(Some(key));
                    let put = put.condition_expression(IS_FREE).build().ok();
                    TransactWriteItem::builder().set_put(put).build()
                };
                let numbers = count * items..(count + 1) * items;
                let puts = numbers.map(|number| put(key(writer, number))).collect();
                client.transact_write_items().set_transact_items(Some(puts)).send().await.is_ok()
            }
        };
        if !answer {
            break;
        }
        count += 1;
    }
    count
}

fn key(writer: usize, number: usize) -> std::collections::HashMap<String, AttributeValue> {
    [
        ("par".to_owned(), AttributeValue::S(format!("writer-{writer}"))),
        ("num".to_owned(), AttributeValue::N(number.to_string())),
    ]
    .into()
}

fn client(endpoint: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "example"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

async fn create_table(client: &Client) -> Result<(), Failure> {
    let mut request = client.create_table().table_name(TABLE);
    for (name, kind, role) in [
        ("par", ScalarAttributeType::S, KeyType::Hash),
        ("num", ScalarAttributeType::N, KeyType::Range),
    ] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        let element = KeySchemaElement::builder().attribute_name(name).key_type(role);
        request = request.attribute_definitions(attribute.build()?).key_schema(element.build()?);
    }
    request.billing_mode(BillingMode::PayPerRequest).send().await?;
    Ok(())
}
