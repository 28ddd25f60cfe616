//! The server that the tests share, and stores on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use std::time::Duration;

use annals_core::{
    Append, AppendId, NewEvent, Payload, PersistenceId, Result, RetryPolicy, SeqNr, SerializerId,
    Store, StoredEvent, Timestamp, WriterId,
};
use annals_dynamodb::{Credentials, DynamoDb, Settings};

use crate::wire::{Act, Wire};

/// A text that no other run uses.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{:x}-{count}", std::process::id(), now.as_nanos() & 0xff_ffff)
}

/// Settings for the tables of this run, with a journal of its own.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    let run = std::process::id();
    settings.client.endpoint = Some(annals_servers::dynamodb().to_owned());
    settings.client.credentials = Credentials::Static {
        access_key_id: "any".to_owned(),
        secret_access_key: "any".to_owned(),
    };
    // A server that shares its machine with all the other tests may be slow.
    settings.client.request_timeout = Duration::from_secs(60);
    settings.client.socket_timeout = Duration::from_secs(60);
    settings.client.operation_timeout = Duration::from_secs(120);
    settings.journal_name = fresh("j");
    settings.journal_table = format!("annals-{run}");
    settings.snapshot_table = format!("annals-{run}-snapshots");
    settings
}

/// A store with these settings, its tables created.
pub(crate) async fn open(settings: Settings) -> Result<Arc<DynamoDb>> {
    let store = DynamoDb::builder().settings(settings).open().await?;
    store.create_tables().await?;
    Ok(store)
}

/// A client of the SDK, to look and to meddle behind a store's back.
pub(crate) fn sdk() -> aws_sdk_dynamodb::Client {
    let http = Wire::new(|_, _| Act::Pass).client();
    let key = aws_sdk_dynamodb::config::Credentials::new("any", "any", None, None, "tests");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
        .credentials_provider(key)
        .endpoint_url(annals_servers::dynamodb())
        .http_client(http);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A journal of its own, and the same one over a wire.
pub(crate) async fn journal() -> (Store, Store, Wire) {
    let settings = settings();
    let plain = open(settings.clone()).await.unwrap().store();
    let wire = Wire::new(|_, _| Act::Pass);
    let over = store_over(&wire, settings).await;
    (plain, over, wire)
}

/// A store over a wire, which soon gives up.
pub(crate) async fn store_over(wire: &Wire, mut settings: Settings) -> Store {
    settings.client.retry = RetryPolicy {
        first: Duration::from_millis(1),
        max: Duration::from_millis(2),
        retries_max: 3,
    };
    let builder = DynamoDb::builder().settings(settings).http_client(wire.client());
    builder.open().await.unwrap().store()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) fn nr(value: u64) -> SeqNr {
    SeqNr::new(value).unwrap()
}

pub(crate) fn id(name: &str) -> PersistenceId {
    PersistenceId::new(format!("test|{name}")).unwrap()
}

/// An append of `count` events named after `name`, under an id of its own.
pub(crate) fn append(name: &str, id: &PersistenceId, after: u64, count: usize) -> Append {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let append_id = AppendId::new(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)));
    let event = |number| {
        let text = format!("{name}-{number}");
        NewEvent::new(Payload::new(SerializerId::STRING, "", text), Timestamp::from_millis(7))
    };
    let events = (0..count).map(event).collect();
    Append::new(append_id, id.clone(), nr(after), WriterId::new(name), events).unwrap()
}

pub(crate) fn text_of(event: &NewEvent) -> String {
    String::from_utf8_lossy(&event.payload.bytes).into_owned()
}

pub(crate) fn texts(events: &[StoredEvent]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8_lossy(&event.payload.bytes).into_owned()).collect()
}
