//! Why a command came goes with it into the metadata of its events.

use std::time::Duration;

use annals_core::{Payload, SerializerId};
use annals_entity::Causation;

use crate::account::{Command, Event};
use crate::world::{World, deposit, settle};

fn request() -> Causation {
    Causation::new().with_correlation_id("request-7").with_causation_id("message-3")
}

async fn causes(world: &World) -> Vec<Option<Causation>> {
    let events = world.journal("alice").await;
    let cause = |metadata: &Payload| Causation::from_metadata(metadata);
    events.iter().map(|event| event.metadata.as_ref().and_then(cause)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_event_carries_the_ids_of_its_command() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let because = alice.because(request());
    because.ask(|reply| Command::DepositAll { cents: vec![1, 2], reply }).await.unwrap();
    deposit(&alice, 3).await.unwrap();
    assert_eq!(causes(&world).await, [Some(request()), Some(request()), None]);
    let stored = world.journal("alice").await[0].metadata.clone().unwrap();
    assert_eq!(stored.serializer, SerializerId::JACKSON_JSON);
    assert_eq!(stored.bytes, r#"{"correlation_id":"request-7","causation_id":"message-3"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_from_work_and_delays_came_for_the_same_reason() {
    let world = World::new();
    let alice = world.start().entity("alice").because(request());
    for delay in [None, Some(Duration::from_secs(1))] {
        alice.ask(|reply| Command::DepositLater { cents: 1, delay, reply }).await.unwrap();
    }
    settle().await;
    assert_eq!(causes(&world).await, [Some(request()), Some(request()), Some(request())]);
}

#[tokio::test(start_paused = true)]
async fn metadata_of_the_effect_comes_first() {
    let world = World::new();
    let alice = world.start().entity("alice").because(request());
    let cause = Payload::new(SerializerId::STRING, "", "their own");
    let command = |reply| Command::DepositBecause { cents: vec![1], cause: cause.clone(), reply };
    alice.ask(command).await.unwrap();
    alice.ask(|reply| Command::DepositEachBecause { cents: vec![1, 2], reply }).await.unwrap();
    let metadata: Vec<_> =
        world.journal("alice").await.into_iter().map(|event| event.metadata).collect();
    let odd = Payload::new(SerializerId::STRING, "", "odd");
    assert_eq!(metadata, [Some(cause.clone()), Some(odd), request().to_metadata()]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_why_its_command_came() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let why = |reply| Command::Why { reply };
    assert_eq!(alice.ask(why).await.unwrap(), None);
    let because = alice.because(request());
    assert_eq!(because.ask(|reply| Command::Why { reply }).await.unwrap(), Some(request()));
    let given = annals_entity::testkit::given::<crate::account::Account>([Event::Deposited(1)])
        .because(request());
    given.when(|reply| Command::Why { reply }).then([], Some(request()));
}
