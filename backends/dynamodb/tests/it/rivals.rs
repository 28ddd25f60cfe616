//! Writers that share entities: tasks of one process, and two processes. Every acknowledged event is
//! there once, in order, and nothing else is.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use annals_core::{
    Append, AppendId, JournalExt, NewEvent, Payload, PersistenceId, SeqRange, SerializerId, Store,
    Timestamp, WriterId,
};
use annals_dynamodb::DynamoDb;

use crate::support::{fresh, id, nr, open, runtime, settings};

const ENTITIES: usize = 10;

/// Names the journal to a test that is the other process, and its own name.
const JOURNAL: &str = "ANNALS_RIVAL_JOURNAL";
const TABLE: &str = "ANNALS_RIVAL_TABLE";
const ENDPOINT: &str = "ANNALS_RIVAL_ENDPOINT";
const MARK: &str = "acknowledged: ";

/// What was acknowledged: of which entity, at which number, which text.
type Acknowledged = Vec<(usize, u64, String)>;

/// How much each writer is to have stored, however little of the processor it gets.
const EVENTS_MIN: usize = 10;

/// Appends to the shared entities in turn until the time is over, reloading on each conflict.
async fn write(store: Store, name: String, time: Duration) -> Acknowledged {
    let until = Instant::now() + time;
    let mut known = [0; ENTITIES];
    let mut acknowledged = Vec::new();
    let mut attempt = 0;
    let mut round = 0;
    while Instant::now() < until || acknowledged.len() <= EVENTS_MIN {
        attempt += 1;
        let entity = round % ENTITIES;
        // Mostly single events; sometimes several; rarely more than a transaction.
        let count = match round % 40 {
            7 => 130,
            index if index % 5 == 0 => 3,
            _ => 1,
        };
        let text = |number: usize| format!("{name}-{round}-{number}");
        let event = |number| {
            let payload = Payload::new(SerializerId::STRING, "", text(number));
            NewEvent::new(payload, Timestamp::UNKNOWN)
        };
        let append = Append::new(
            AppendId::new(u128::from_be_bytes(key(&name, attempt))),
            shared(entity),
            nr(known[entity]),
            WriterId::new(name.as_str()),
            (0..count).map(event).collect(),
        );
        match store.journal.append(append.unwrap()).await {
            Ok(receipt) => {
                known[entity] = receipt.last.get();
                let first = receipt.first.get();
                acknowledged.extend((0..count).map(|n| (entity, first + n as u64, text(n))));
                round += 1;
            }
            Err(error) => {
                assert!(error.is_conflict(), "{error}");
                known[entity] = store.journal.bounds(&shared(entity)).await.unwrap().highest.get();
            }
        }
    }
    acknowledged
}

/// An append id from a name and a number.
fn key(name: &str, round: usize) -> [u8; 16] {
    let mut key = [0; 16];
    for (at, byte) in name.bytes().rev().take(12).enumerate() {
        key[at] = byte;
    }
    key[12..].copy_from_slice(&u32::try_from(round).unwrap().to_be_bytes());
    key
}

fn shared(entity: usize) -> PersistenceId {
    id(&format!("shared-{entity}"))
}

/// Everything that is stored was acknowledged to someone, and the other way round.
async fn check(store: &Store, acknowledged: Vec<Acknowledged>) {
    assert!(acknowledged.iter().all(|own| own.len() > EVENTS_MIN), "each writer got through");
    let mut wanted: BTreeMap<(usize, u64), String> = BTreeMap::new();
    for (entity, seq_nr, text) in acknowledged.into_iter().flatten() {
        let earlier = wanted.insert((entity, seq_nr), text);
        assert_eq!(earlier, None, "two writers were acknowledged event {seq_nr} of {entity}");
    }
    let mut found = BTreeMap::new();
    for entity in 0..ENTITIES {
        let events = store.journal.read_all(&shared(entity), SeqRange::ALL).await.unwrap();
        for event in events {
            let text = String::from_utf8_lossy(&event.payload.bytes).into_owned();
            found.insert((entity, event.seq_nr.get()), text);
        }
    }
    assert_eq!(found, wanted);
}

#[test]
fn writers_of_one_process_lose_nothing() {
    runtime().block_on(async {
        let settings = settings();
        let mut tasks = Vec::new();
        for name in ["left", "right", "third"] {
            let store = open(settings.clone()).await.unwrap().store();
            tasks.push(tokio::spawn(write(store, name.to_owned(), Duration::from_secs(3))));
        }
        let mut acknowledged = Vec::new();
        for task in tasks {
            acknowledged.push(task.await.unwrap());
        }
        check(&open(settings).await.unwrap().store(), acknowledged).await;
    });
}

/// How long the processes write: half a minute in the long run of the tests.
fn together() -> Duration {
    let long = std::env::var_os("ANNALS_LONG").is_some();
    Duration::from_secs(if long { 30 } else { 4 })
}

#[test]
fn writers_of_two_processes_lose_nothing() {
    let mut settings = settings();
    if let Ok(journal) = std::env::var(JOURNAL) {
        // The other process.
        settings.journal_name = journal;
        settings.journal_table = std::env::var(TABLE).unwrap();
        settings.client.endpoint = std::env::var(ENDPOINT).ok();
        let acknowledged = runtime().block_on(async {
            let store = DynamoDb::builder().settings(settings).open().await.unwrap().store();
            write(store, fresh("child"), together()).await
        });
        for (entity, seq_nr, text) in acknowledged {
            println!("{MARK}{entity} {seq_nr} {text}");
        }
        return;
    }
    runtime().block_on(async {
        let store = open(settings.clone()).await.unwrap().store();
        let children = [(); 2].map(|()| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["rivals::writers_of_two_processes_lose_nothing", "--exact", "--nocapture"])
                .env(JOURNAL, &settings.journal_name)
                .env(TABLE, &settings.journal_table)
                .env(ENDPOINT, settings.client.endpoint.as_ref().unwrap())
                .env(annals_servers::ANNALS_DYNAMODB, settings.client.endpoint.as_ref().unwrap())
                .stdout(Stdio::piped());
            command.spawn().unwrap()
        });
        let mut acknowledged = Vec::new();
        for mut child in children {
            let mut own = Vec::new();
            for line in BufReader::new(child.stdout.take().unwrap()).lines() {
                let line = line.unwrap();
                let Some((_, line)) = line.split_once(MARK) else { continue };
                let parts: Vec<&str> = line.splitn(3, ' ').collect();
                own.push((
                    parts[0].parse().unwrap(),
                    parts[1].parse().unwrap(),
                    parts[2].to_owned(),
                ));
            }
            assert!(child.wait().unwrap().success(), "the other process ended well");
            acknowledged.push(own);
        }
        let counts: Vec<usize> = acknowledged.iter().map(Vec::len).collect();
        println!("{counts:?} events of {ENTITIES} entities were acknowledged in {:?}", together());
        check(&store, acknowledged).await;
    });
}
