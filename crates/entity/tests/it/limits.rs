//! Everything has a bound, and what is beyond it is told.

use std::time::Duration;

use annals_core::ErrorKind;
use annals_entity::Settings;

use crate::account::Command;
use crate::world::{World, asking, balance, deposit, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_and_writes_nothing() {
    let world = World::new();
    let alice = world.start_with(Settings::default().with_mailbox_max(2)).entity("alice");
    balance(&alice).await.unwrap();
    world.faults.close_gate();
    let asked =
        [1, 10, 100].map(|cents| asking(&alice, move |reply| Command::Deposit { cents, reply }));
    settle().await;

    let error = deposit(&alice, 1_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("mailbox full"), "{error}");

    world.faults.open_gate();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(balance(&alice).await.unwrap(), 111);
}

#[tokio::test(start_paused = true)]
async fn callers_that_gave_up_make_room_in_a_full_mailbox() {
    let world = World::new();
    let alice = world.start_with(Settings::default().with_mailbox_max(1)).entity("alice");
    balance(&alice).await.unwrap();
    world.faults.close_gate();
    let first = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    settle().await;
    let given_up = asking(&alice, |reply| Command::Deposit { cents: 10, reply });
    settle().await;
    given_up.abort();
    settle().await;
    let second = asking(&alice, |reply| Command::Deposit { cents: 100, reply });
    settle().await;
    world.faults.open_gate();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(second.await.unwrap().unwrap(), 101, "the withdrawn command was not carried out");
}

#[tokio::test(start_paused = true)]
async fn a_full_shard_refuses_also_other_entities() {
    let world = World::new();
    let settings =
        Settings::default().with_shards(std::num::NonZeroUsize::new(1)).with_shard_mailbox_max(2);
    let region = world.start_with(settings);
    world.faults.close_gate();
    let asked = ["alice", "bob"]
        .map(|name| asking(&region.entity(name), |reply| Command::Deposit { cents: 1, reply }));
    settle().await;

    let error = balance(&region.entity("carol")).await.unwrap_err();
    assert!(error.message().contains("mailbox full"), "{error}");
    assert_eq!(
        kind_of(region.entity("carol").tell(Command::Stop { reply: unused() })),
        "unavailable"
    );

    world.faults.open_gate();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(balance(&region.entity("carol")).await.unwrap(), 0, "the places were given back");
}

fn unused() -> annals_entity::Reply<()> {
    annals_entity::reply_channel().0
}

#[tokio::test(start_paused = true)]
async fn a_command_that_waits_past_its_deadline_is_withdrawn() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.close_gate();
    let first = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    settle().await;

    let deadline = Duration::from_millis(50);
    let late = alice.ask_within(deadline, |reply| Command::Deposit { cents: 10, reply }).await;
    let error = late.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("withdrawn"), "{error}");

    world.faults.open_gate();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(balance(&alice).await.unwrap(), 1);
    assert_eq!(world.texts("alice").await, ["+1"]);
}

#[tokio::test(start_paused = true)]
async fn recoveries_take_turns() {
    let world = World::new();
    let settings = Settings::default().with_recoveries_max(1);
    let region = world.start_with(settings);
    world.faults.begins.lock().push_back(crate::faulty::Fault::Hangs);
    let stuck = asking(&region.entity("alice"), |reply| Command::Balance { reply });
    settle().await;
    let waiting = region.entity("bob");
    let asked = waiting.ask_within(Duration::from_secs(60), |reply| Command::Balance { reply });
    let waited = tokio::time::Instant::now();
    assert_eq!(asked.await.unwrap(), 0);
    assert!(
        waited.elapsed() >= Duration::from_secs(29),
        "until the stuck one reached its deadline"
    );
    assert_eq!(kind_of(stuck.await.unwrap()), "unavailable");
}
