//! Entities that make a copy of their state before an append, and go on with it when the append was
//! certainly not stored.

use std::sync::Arc;

use annals_core::{Codec, Error, ErrorKind, Payload, Result, RetryPolicy, SerializerId};
use annals_entity::{Context, Effect, EntityRef, EventSourced, Reply, Settings};

use crate::faulty::Fault;
use crate::world::{World, kind_of, settle};

#[derive(Debug, Clone, Default)]
struct Till {
    coins: u64,
}

#[derive(Debug, Clone)]
enum Command {
    Put(Reply<u64>),
    /// Puts one coin that cannot be counted.
    PutBad(Reply<u64>),
    Count(Reply<u64>),
}

#[derive(Debug, PartialEq)]
enum Coin {
    Good,
    Bad,
}

impl EventSourced for Till {
    const ENTITY_TYPE: &'static str = "till";
    type Command = Command;
    type Event = Coin;

    fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
        match command {
            Command::Put(reply) => {
                Effect::persist(Coin::Good).then_reply(reply, |till: &Self| till.coins)
            }
            Command::PutBad(reply) => {
                Effect::persist(Coin::Bad).then_reply(reply, |till: &Self| till.coins)
            }
            Command::Count(reply) => Effect::reply(reply, self.coins),
        }
    }

    fn apply(&mut self, coin: &Coin) {
        self.coins += 1;
        assert_ne!(*coin, Coin::Bad, "as arranged");
    }

    fn copy(&self) -> Option<Self> {
        Some(self.clone())
    }
}

#[derive(Debug)]
struct Coins;

impl Codec<Coin> for Coins {
    fn encode(&self, _: &Coin) -> Result<Payload> {
        Ok(Payload::new(SerializerId::BYTES, "", vec![]))
    }

    fn decode(&self, _: &Payload) -> Result<Coin> {
        Ok(Coin::Good)
    }
}

fn till(world: &World) -> EntityRef<Till> {
    let settings = Settings::default().with_write_retry(RetryPolicy::NEVER);
    world.builder_of::<Till>(Arc::new(Coins)).settings(settings).start().entity("t")
}

#[tokio::test(start_paused = true)]
async fn an_entity_answers_on_while_its_store_cannot_be_written_nor_read() {
    let world = World::new();
    let till = till(&world);
    assert_eq!(till.ask(Command::Put).await.unwrap(), 1);
    // A recovery would fail from here on.
    world.faults.begins.lock().extend([Fault::Fails(ErrorKind::Unavailable); 9]);
    for kind in [ErrorKind::Unavailable, ErrorKind::Invalid, ErrorKind::Unsupported] {
        world.faults.on_append([Fault::Fails(kind)]);
        assert_eq!(till.ask(Command::Put).await.map_err(|error| error.kind()), Err(kind));
        assert_eq!(till.ask(Command::Count).await.unwrap(), 1, "as before the append: {kind:?}");
    }
    assert_eq!(till.ask(Command::Put).await.unwrap(), 2);
    assert_eq!(world.faults.begun.lock().len(), 1, "it was recovered once, for its first command");
}

#[tokio::test(start_paused = true)]
async fn commands_that_waited_are_handled_on_the_state_before_the_append() {
    let world = World::new();
    let till = till(&world);
    till.ask(Command::Put).await.unwrap();
    world.faults.close_gate();
    let asking = |command: fn(Reply<u64>) -> Command| {
        let till = till.clone();
        tokio::spawn(async move { till.ask(command).await })
    };
    let held = asking(Command::Put);
    settle().await;
    // In one append: it fails, and what only waited for it is answered as if it came now.
    let (put, count) = (asking(Command::Put), asking(Command::Count));
    settle().await;
    world.faults.on_append([Fault::None, Fault::Fails(ErrorKind::Unavailable)]);
    world.faults.open_gate();
    assert_eq!(held.await.unwrap().unwrap(), 2);
    assert_eq!(kind_of(put.await.unwrap()), "unavailable");
    assert_eq!(count.await.unwrap().unwrap(), 2);
    assert_eq!(world.faults.begun.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_stored_or_was_met_by_others_is_recovered_nevertheless() {
    let world = World::new();
    let till = till(&world);
    till.ask(Command::Put).await.unwrap();
    // Lost: it is stored, and only reading tells.
    world.faults.on_append([Fault::HangsAfter]);
    assert_eq!(kind_of(till.ask(Command::Put).await), "outcome unknown");
    assert_eq!(till.ask(Command::Count).await.unwrap(), 2);
    assert_eq!(world.faults.begun.lock().len(), 2);
    world.faults.on_append([Fault::Fails(ErrorKind::Internal)]);
    assert_eq!(kind_of(till.ask(Command::Put).await), "internal");
    assert_eq!(till.ask(Command::Count).await.unwrap(), 2);
    assert_eq!(world.faults.begun.lock().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_applied_leaves_no_trace_either() {
    let world = World::new();
    let till = till(&world);
    till.ask(Command::Put).await.unwrap();
    let error: Error = till.ask(Command::PutBad).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(till.ask(Command::Count).await.unwrap(), 1);
    assert_eq!(world.faults.append_count(), 1, "nothing of it was written");
}
