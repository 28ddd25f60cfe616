//! Entities of a store: recovered by the next region, stored as the documentation says.

use annals::{
    Context, Effect, Entities, EventSourced, JournalExt, PersistenceId, Reply, SeqNr, SeqRange,
    SerializerId, SnapshotCriteria, Store, Tag, Tags, event_codec, json, keep,
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

#[derive(Clone)]
enum Command {
    Deposit { cents: u64, reply: Reply<u64> },
    Balance { reply: Reply<u64> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Deposited { cents: u64 },
}

impl EventSourced for Account {
    const ENTITY_TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
        match command {
            Command::Deposit { cents, reply } => Effect::persist(Event::Deposited { cents })
                .then_reply(reply, |account: &Self| account.cents),
            Command::Balance { reply } => Effect::reply(reply, self.cents),
        }
    }

    fn apply(&mut self, event: &Event) {
        let Event::Deposited { cents } = event;
        self.cents += cents;
    }

    fn tags(&self, _: &Event) -> Tags {
        Tags::from_iter([Tag::new("deposits").unwrap()])
    }
}

async fn deposit(accounts: &Entities<Account>, id: &str, cents: u64) -> u64 {
    accounts.entity(id).ask(|reply| Command::Deposit { cents, reply }).await.unwrap()
}

async fn balance(store: &Store, id: &str) -> u64 {
    let accounts = store.entities::<Account>().start();
    let balance = accounts.entity(id).ask(|reply| Command::Balance { reply }).await.unwrap();
    accounts.stop().await.unwrap();
    balance
}

#[tokio::test]
async fn the_next_region_recovers_what_was_stored() {
    let store = annals::open("memory:").await.unwrap();
    let accounts = store.entities::<Account>().start();
    assert_eq!(deposit(&accounts, "alice", 100).await, 100);
    assert_eq!(deposit(&accounts, "alice", 20).await, 120);
    accounts.stop().await.unwrap();

    assert_eq!(balance(&store, "alice").await, 120);
    assert_eq!(balance(&store, "bob").await, 0);
}

#[tokio::test]
async fn events_are_json_under_the_entity_type() {
    let store = annals::open("memory:").await.unwrap();
    let accounts = store.entities::<Account>().start();
    deposit(&accounts, "alice", 100).await;
    accounts.stop().await.unwrap();

    let alice = PersistenceId::of("account", "alice").unwrap();
    let events = store.journal.read_all(&alice, SeqRange::ALL).await.unwrap();

    let payload = &events[0].payload;
    assert_eq!(payload.serializer, SerializerId::JACKSON_JSON);
    assert_eq!(&*payload.manifest, "account.Event");
    assert_eq!(payload.bytes, r#"{"Deposited":{"cents":100}}"#);
    let event = event_codec::<Account>().decode(payload).unwrap();
    assert_eq!(event, Event::Deposited { cents: 100 });
}

#[tokio::test]
async fn events_are_read_across_entities_by_tag() {
    let store = annals::open("memory:").await.unwrap();
    let accounts = store.entities::<Account>().start();
    for id in ["alice", "bob", "alice"] {
        deposit(&accounts, id, 1).await;
    }
    accounts.stop().await.unwrap();

    let stream = store.query().current_events_by_tag(Tag::new("deposits").unwrap(), None);
    let envelopes: Vec<_> = stream.try_collect().await.unwrap();

    let ids: Vec<&str> = envelopes.iter().map(|one| one.persistence_id.entity_id()).collect();
    assert_eq!(ids, ["alice", "bob", "alice"]);
}

#[tokio::test]
async fn snapshots_shorten_recovery() {
    let store = annals::open("memory:").await.unwrap();
    let state = json::<Account>("account.State");
    let accounts =
        store.entities::<Account>().snapshot_codec(state).snapshot_every(2, keep(1)).start();
    for cents in [1, 2, 3] {
        deposit(&accounts, "alice", cents).await;
    }
    accounts.stop().await.unwrap();

    let alice = PersistenceId::of("account", "alice").unwrap();
    let saved = store.snapshots.list(&alice, &SnapshotCriteria::ALL, 10).await.unwrap();

    let saved: Vec<SeqNr> = saved.iter().map(|info| info.seq_nr).collect();
    assert_eq!(saved, [SeqNr::FIRST.plus(1)]);
    assert_eq!(balance(&store, "alice").await, 6);
}

#[tokio::test]
async fn an_entity_survives_another_writer() {
    let store = annals::open("memory:").await.unwrap();
    let (here, there) = (store.entities::<Account>().start(), store.entities::<Account>().start());
    assert_eq!(deposit(&here, "alice", 1).await, 1);
    assert_eq!(deposit(&there, "alice", 2).await, 3);
    assert_eq!(deposit(&here, "alice", 4).await, 7);
}
