//! The server is killed (-9, its storage on disk), stopped in time, and started again under load: nothing
//! acknowledged is lost or doubled, and the writers go on by themselves.
//!
//! DynamoDB Local acknowledges a transaction, and shows its items, before they are on disk: killed within
//! some milliseconds, it has lost it (`examples/local_loss.rs` shows that without annals). Single puts it
//! keeps, and they come after the transactions before them. So the wire gives the answer to anything but a
//! put only when a put that was sent after it has been acknowledged: DynamoDB itself answers when it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_core::{
    Append, AppendId, Ids, JournalExt, RetryPolicy, SeqRange, Sleep, Store, WriterId,
};
use annals_dynamodb::Settings;
use annals_servers::{DynamoDb, Storage};

use crate::raw::{self, item, n, s};
use crate::support::{append, id, open, runtime, settings, text_of, texts};
use crate::wire::{Act, Afterwards, Wire};

const WRITERS: usize = 4;

/// Waits on tokio's timer, and draws nothing.
#[derive(Debug)]
struct Environment;

impl Sleep for Environment {
    fn sleep(
        &self,
        duration: Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Ids for Environment {
    fn append_id(&self) -> AppendId {
        AppendId::new(0)
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new("")
    }

    fn random(&self) -> u64 {
        u64::MAX
    }
}

/// Appends to an entity of its own until told to stop; each append is repeated until it is answered.
async fn write(store: Store, name: String, stop: Arc<AtomicBool>) -> Vec<Append> {
    let mut appends = Vec::new();
    let mut after = 0;
    while !stop.load(Ordering::Relaxed) {
        let count = match appends.len() % 12 {
            11 => 130,
            index if index % 3 == 2 => 4,
            _ => 1,
        };
        let next = append(&format!("{name}-{}", appends.len()), &id(&name), after, count);
        let policy = RetryPolicy {
            first: Duration::from_millis(20),
            max: Duration::from_millis(300),
            retries_max: 500,
        };
        let retry = policy.start(Arc::new(Environment));
        let receipt = store.journal.append_retrying(next.clone(), retry, &Environment).await;
        after = receipt.expect("an answer in the end").last.get();
        appends.push(next);
    }
    appends
}

async fn check(store: &Store, name: &str, appends: &[Append]) {
    let events = store.journal.read_all(&id(name), SeqRange::ALL).await.unwrap();
    let wanted: Vec<String> = appends.iter().flat_map(|a| a.events().iter().map(text_of)).collect();
    assert_eq!(texts(&events), wanted, "{name}");
}

/// A wire that gives an answer when what it tells of is on disk.
fn durable(settings: &Settings) -> Wire {
    let (sdk, table) = (raw::sdk(settings), settings.journal_table.clone());
    let barrier = Afterwards::new(move || {
        let put = sdk.put_item().table_name(&table);
        let put = put.set_item(Some(item([("par", s("barrier")), ("num", n(0))])));
        Box::pin(async move { put.send().await.is_ok() })
    });
    Wire::new(move |_, operation| match operation {
        "PutItem" => Act::Pass,
        _ => Act::Then(barrier.clone()),
    })
}

/// A wire that changes nothing: a server that is not killed forgets nothing.
fn plain(_: &Settings) -> Wire {
    Wire::new(|_, _| Act::Pass)
}

/// Lets writers loose on `server`, does `harm` to it, and checks what is left.
fn suffer(
    server: DynamoDb,
    request_timeout: Duration,
    wire: fn(&Settings) -> Wire,
    harm: fn(&DynamoDb),
) {
    let server = Arc::new(server);
    runtime().block_on(async {
        let mut settings: Settings = settings();
        settings.client.endpoint = Some(server.endpoint().to_owned());
        // Who looks afterwards is patient.
        let patient = open(settings.clone()).await.unwrap().store();
        settings.client.request_timeout = request_timeout;
        settings.client.retry.retries_max = 2;
        let wire = wire(&settings);
        let builder =
            annals_dynamodb::DynamoDb::builder().settings(settings).http_client(wire.client());
        let store = builder.open().await.unwrap().store();
        let stop = Arc::new(AtomicBool::new(false));
        let names: Vec<String> = (0..WRITERS).map(|writer| format!("writer-{writer}")).collect();
        let spawn = |name: &String| tokio::spawn(write(store.clone(), name.clone(), stop.clone()));
        let tasks: Vec<_> = names.iter().map(spawn).collect();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // Dropped, it would be gone for good.
        let harmed = server.clone();
        tokio::task::spawn_blocking(move || harm(&harmed)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        stop.store(true, Ordering::Relaxed);
        for (name, task) in names.iter().zip(tasks) {
            let appends = task.await.unwrap();
            assert!(!appends.is_empty(), "{name} got through");
            check(&patient, name, &appends).await;
        }
    });
}

#[test]
fn a_killed_server_loses_and_doubles_nothing() {
    suffer(DynamoDb::start(Storage::Disk).unwrap(), Duration::from_secs(30), durable, |server| {
        server.kill().unwrap();
        server.start_again().unwrap();
    });
}

#[test]
fn a_server_that_stops_for_a_while_loses_and_doubles_nothing() {
    suffer(
        DynamoDb::start(Storage::Memory).unwrap(),
        Duration::from_millis(500),
        plain,
        |server| {
            server.pause().unwrap();
            std::thread::sleep(Duration::from_secs(2));
            server.resume().unwrap();
        },
    );
}
