//! Events and states in stored forms of their own: written one to one, read as none, one or many.

use std::sync::Arc;

use annals_core::{
    Append, AppendId, Codec, Error, NewEvent, Payload, Result, SeqNr, SerializerId, Timestamp,
    WriterId,
};
use annals_entity::{EventAdapter, SnapshotAdapter, adapted_snapshots, keep};

use crate::account::{Account, Event};
use crate::world::{World, balance, deposit, id, kind_of, settle};

/// Text, as an older program stored it.
#[derive(Debug)]
struct Lines;

const LINES: SerializerId = SerializerId::new(9_002);

impl Codec<String> for Lines {
    fn encode(&self, line: &String) -> Result<Payload> {
        Ok(Payload::new(LINES, "line", line.clone()))
    }

    fn decode(&self, payload: &Payload) -> Result<String> {
        match &*payload.manifest {
            "line" => Ok(String::from_utf8(payload.bytes.to_vec()).unwrap()),
            manifest => Err(Error::unsupported(format!("no such manifest: {manifest}"))),
        }
    }
}

/// `+n` is a deposit, `a,b,c` several, and nothing is nothing any more.
#[derive(Debug)]
struct Adapter;

impl EventAdapter<Event> for Adapter {
    type Stored = String;

    fn store(&self, event: &Event) -> Result<String> {
        match event {
            Event::Deposited(cents) => Ok(cents.to_string()),
            other => Err(Error::invalid(format!("no stored form for {other:?}"))),
        }
    }

    fn manifest(&self, event: &Event) -> Arc<str> {
        match event {
            Event::Deposited(cents) if *cents >= 100 => "large".into(),
            _ => Arc::default(),
        }
    }

    fn restore(&self, stored: String, manifest: &str) -> Result<Vec<Event>> {
        let factor = if manifest == "doubled" { 2 } else { 1 };
        let deposit = |cents: &str| {
            let cents: i64 = cents.parse().map_err(|_| Error::corrupt("no number"))?;
            Ok(Event::Deposited(factor * cents))
        };
        stored.split(',').filter(|part| !part.is_empty()).map(deposit).collect()
    }
}

fn builder(world: &World) -> annals_entity::EntitiesBuilder<Account> {
    world.builder().event_adapter(Adapter, Arc::new(Lines))
}

async fn store(world: &World, events: &[(&'static str, &'static str, &'static str)]) {
    let event = |(manifest, text, event_manifest): &(&str, &'static str, &str)| {
        NewEvent::new(Payload::new(LINES, *manifest, *text), Timestamp::UNKNOWN)
            .with_event_manifest(*event_manifest)
    };
    let events = events.iter().map(event).collect();
    let writer = WriterId::new("older");
    let append = Append::new(AppendId::new(77), id("alice"), SeqNr::ZERO, writer, events).unwrap();
    world.store.journal.append(append).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_are_written_in_the_stored_form_with_its_manifest() {
    let world = World::new();
    let region = builder(&world).start();
    deposit(&region.entity("alice"), 7).await.unwrap();
    deposit(&region.entity("alice"), 100).await.unwrap();
    assert_eq!(world.texts("alice").await, ["7", "100"]);
    let manifests = world.journal("alice").await;
    let manifests: Vec<_> = manifests.iter().map(|event| &*event.event_manifest).collect();
    assert_eq!(manifests, ["", "large"]);
    assert_eq!(balance(&builder(&world).start().entity("alice")).await.unwrap(), 107);
}

#[tokio::test(start_paused = true)]
async fn a_stored_event_stands_for_none_one_or_many() {
    let world = World::new();
    store(&world, &[("line", "5", ""), ("line", "", ""), ("line", "1,2,3", "doubled")]).await;
    let region = builder(&world).start();
    assert_eq!(balance(&region.entity("alice")).await.unwrap(), 17);
    // Whatever they stand for, the next number is the one after them.
    assert_eq!(deposit(&region.entity("alice"), 1).await.unwrap(), 18);
    assert_eq!(world.journal("alice").await.last().unwrap().seq_nr.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_stored_form_is_refused_alone() {
    let world = World::new();
    let alice = builder(&world).start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    let note = |reply| crate::account::Command::Note { text: "x".to_owned(), reply };
    assert_eq!(kind_of(alice.ask(note).await), "invalid");
    assert_eq!(deposit(&alice, 1).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_cannot_be_read_and_unknown_manifests_fail_the_recovery() {
    for (manifest, text, expected) in [("line", "abc", "corrupt"), ("page", "1", "unsupported")] {
        let world = World::new();
        store(&world, &[("line", "5", ""), (manifest, text, "")]).await;
        let alice = builder(&world).start().entity("alice");
        let error = balance(&alice).await.unwrap_err();
        assert_eq!(error.kind().name(), expected);
        assert!(error.message().contains("event 2 of account|alice"), "{error}");
    }
}

/// States as balances alone.
#[derive(Debug)]
struct Balances;

impl SnapshotAdapter<Account> for Balances {
    type Stored = String;

    fn store(&self, account: &Account) -> Result<String> {
        match account.cents {
            13 => Err(Error::invalid("no luck")),
            cents => Ok(cents.to_string()),
        }
    }

    fn restore(&self, stored: String) -> Result<Account> {
        let cents = stored.parse().map_err(|_| Error::corrupt("a snapshot of another shape"))?;
        Ok(Account { cents, events: 0 })
    }
}

#[tokio::test(start_paused = true)]
async fn states_are_saved_and_read_in_the_stored_form() {
    let world = World::new();
    let start = || {
        let codec = adapted_snapshots::<Account, _>(Balances, Arc::new(Lines));
        world.builder().snapshot_codec(codec).snapshot_every(2, keep(3)).start()
    };
    let region = start();
    for _ in 0..4 {
        deposit(&region.entity("alice"), 1).await.unwrap();
        settle().await;
    }
    region.stop().await.unwrap();
    // Only a recovery that begins with the snapshot survives the loss of what it includes.
    world.store.journal.delete_to(&id("alice"), SeqNr::new(4).unwrap()).await.unwrap();
    assert_eq!(balance(&start().entity("alice")).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_shape_is_no_state() {
    let world = World::new();
    let other = world.builder_with_snapshots().snapshot_every(2, keep(3)).start();
    for _ in 0..3 {
        deposit(&other.entity("alice"), 1).await.unwrap();
        settle().await;
    }
    // `1 1` of another codec is no balance: with no older one left, the history alone would do, but
    // that must be chosen, since an unreadable snapshot may hide deleted events.
    let codec = adapted_snapshots::<Account, _>(Balances, Arc::new(Lines));
    let region = world.builder().snapshot_codec(codec).start();
    assert_eq!(kind_of(balance(&region.entity("alice")).await), "unsupported");
}
