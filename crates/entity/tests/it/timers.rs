//! Timers by key, and an entity's handle to itself.

use std::time::Duration;

use annals_core::{ErrorKind, Result};
use annals_entity::{EntityRef, Settings, Timer};

use crate::account::{Account, Command};
use crate::faulty::Fault;
use crate::world::{World, balance, deposit, kind_of, settle};

const SECOND: Duration = Duration::from_secs(1);

async fn start(alice: &EntityRef<Account>, key: &'static str, timer: Timer, cents: i64) {
    let start = |reply| Command::DepositBy { key, timer, cents, reply };
    alice.ask(start).await.unwrap();
}

async fn cancel(alice: &EntityRef<Account>, key: &'static str) -> Result<()> {
    alice.ask(|reply| Command::CancelTimer { key, reply }).await
}

async fn after(seconds: u32) {
    tokio::time::sleep(SECOND * seconds + SECOND / 2).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_timer_comes_once_and_a_periodic_one_again_and_again() {
    let world = World::new();
    let alice = world.start().entity("alice");
    start(&alice, "single", Timer::Once(SECOND), 100).await;
    start(&alice, "periodic", Timer::Every(SECOND * 2), 1).await;
    assert_eq!(balance(&alice).await.unwrap(), 0);
    after(1).await;
    assert_eq!(balance(&alice).await.unwrap(), 100);
    after(6).await;
    assert_eq!(balance(&alice).await.unwrap(), 104);
    cancel(&alice, "periodic").await.unwrap();
    after(10).await;
    assert_eq!(balance(&alice).await.unwrap(), 104);
}

#[tokio::test(start_paused = true)]
async fn a_timer_replaces_the_one_under_its_key() {
    let world = World::new();
    let alice = world.start().entity("alice");
    start(&alice, "key", Timer::Once(SECOND * 2), 100).await;
    after(1).await;
    start(&alice, "key", Timer::Once(SECOND * 2), 1).await;
    after(5).await;
    assert_eq!(balance(&alice).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_of_a_cancelled_timer_does_not_come_even_if_it_waits() {
    let world = World::new();
    let alice = world.start().entity("alice");
    start(&alice, "key", Timer::Once(SECOND), 100).await;
    world.faults.close_gate();
    let held = crate::world::asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    settle().await;
    let cancelled =
        crate::world::asking(&alice, |reply| Command::CancelTimer { key: "key", reply });
    settle().await;
    after(1).await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    cancelled.await.unwrap().unwrap();
    after(5).await;
    assert_eq!(balance(&alice).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_its_command_waits_a_periodic_timer_adds_none() {
    let world = World::new();
    let settings = Settings::default().with_write_deadline(SECOND * 1_000);
    let alice = world.start_with(settings).entity("alice");
    start(&alice, "key", Timer::Every(SECOND), 1).await;
    world.faults.close_gate();
    after(100).await;
    world.faults.open_gate();
    settle().await;
    let balance = balance(&alice).await.unwrap();
    assert!((1..=3).contains(&balance), "{balance}");
}

#[tokio::test(start_paused = true)]
async fn timers_live_over_a_failed_append_and_end_with_the_entity() {
    let world = World::new();
    let alice = world.start().entity("alice");
    start(&alice, "key", Timer::Every(SECOND), 1).await;
    world.faults.on_append([Fault::Fails(ErrorKind::Invalid)]);
    assert_eq!(kind_of(deposit(&alice, 7).await), "invalid");
    settle().await;
    after(3).await;
    assert_eq!(balance(&alice).await.unwrap(), 3);
    alice.ask(|reply| Command::Stop { reply }).await.unwrap();
    after(5).await;
    assert_eq!(balance(&alice).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_entity_whose_timer_runs_does_not_leave_when_it_is_idle() {
    let world = World::new();
    let settings = Settings::default().with_passivate_after(Some(SECOND * 8));
    let region = world.start_with(settings);
    let alice = region.entity("alice");
    start(&alice, "key", Timer::Once(SECOND * 100), 5).await;
    after(90).await;
    assert!(world.faults.ended.lock().is_empty());
    after(10).await;
    assert_eq!(world.texts("alice").await, ["+5"]);
    after(20).await;
    assert_eq!(world.faults.ended.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_stops_waits_for_no_timer() {
    let world = World::new();
    let region = world.start();
    start(&region.entity("alice"), "key", Timer::Every(SECOND), 1).await;
    let began = tokio::time::Instant::now();
    region.stop().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    after(5).await;
    assert!(world.texts("alice").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entity_can_be_told_something_by_its_own_handle() {
    let world = World::new();
    let region = world.start();
    let alice = region.entity("alice");
    let myself = alice.ask(|reply| Command::WhoAreYou { reply }).await.unwrap();
    assert_eq!(myself.id().entity_id(), "alice");
    myself.tell(Command::DepositQuietly { cents: 4 }).unwrap();
    assert_eq!(balance(&alice).await.unwrap(), 4);

    // It keeps no region running.
    region.stop().await.unwrap();
    let closed = myself.tell(Command::DepositQuietly { cents: 4 });
    assert_eq!(kind_of(closed), "closed");
    drop((alice, region));
    assert_eq!(kind_of(myself.tell(Command::DepositQuietly { cents: 4 })), "closed");
}
