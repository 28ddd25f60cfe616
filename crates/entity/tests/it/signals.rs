//! What a behaviour is told of its entity's life.

use std::time::Duration;

use annals_core::ErrorKind;
use annals_entity::{Settings, keep};

use crate::account::{Command, panic_at, signals};
use crate::faulty::Fault;
use crate::world::{World, balance, deposit, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn recovery_and_the_end_are_told() {
    let world = World::new();
    let region = world.start();
    deposit(&region.entity("alice"), 5).await.unwrap();
    assert_eq!(signals(), ["recovered with 0 @0"]);
    region.stop().await.unwrap();
    assert_eq!(signals(), ["stopped @1"]);

    let settings = Settings::default().with_passivate_after(Some(Duration::from_secs(8)));
    let alice = world.start_with(settings).entity("alice");
    balance(&alice).await.unwrap();
    assert_eq!(signals(), ["recovered with 5 @1"]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(signals(), ["stopped @1"]);
    alice.ask(|reply| Command::DepositThenStop { cents: 1, reply }).await.unwrap();
    settle().await;
    assert_eq!(signals(), ["recovered with 5 @1", "stopped @2"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_is_told_with_its_outcome_and_the_last_stored_event() {
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    signals();
    world.faults.on_append([Fault::Fails(ErrorKind::Invalid)]);
    assert_eq!(kind_of(deposit(&alice, 1).await), "invalid");
    world.faults.on_append([Fault::Hangs]);
    assert_eq!(kind_of(deposit(&alice, 1).await), "outcome unknown");
    balance(&alice).await.unwrap();
    assert_eq!(
        signals(),
        [
            "not persisted: invalid @1",
            "stopped @1",
            "recovered with 1 @1",
            "not persisted: outcome unknown @1",
            "stopped @1",
            "recovered with 1 @1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_recovery_is_told() {
    let world = World::new();
    world.faults.begins.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    let alice = world.start().entity("alice");
    assert_eq!(kind_of(balance(&alice).await), "unavailable");
    assert_eq!(signals(), ["not recovered: unavailable @0"]);
    assert_eq!(balance(&alice).await.unwrap(), 0);
    assert_eq!(signals(), ["recovered with 0 @0"]);
}

#[tokio::test(start_paused = true)]
async fn snapshots_and_what_they_delete_are_told() {
    let world = World::new();
    let keep = keep(1).and_delete_events();
    let region = world.builder_with_snapshots().snapshot_every(10, keep).start();
    let alice = region.entity("alice");
    deposit(&alice, 1).await.unwrap();
    signals();
    let deposits = async || {
        for _ in 0..10 {
            deposit(&alice, 1).await.unwrap();
            settle().await;
        }
    };
    deposits().await;
    assert_eq!(signals(), ["saved 10 @10"]);
    world.faults.saves.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    deposits().await;
    assert_eq!(signals(), ["not saved 20: unavailable @20"]);
    world.faults.deletes.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    deposits().await;
    assert_eq!(signals(), ["saved 30 @30", "events to 10: unavailable @30"]);
    deposits().await;
    assert_eq!(
        signals(),
        ["saved 40 @40", "events to 30 deleted @40", "snapshots to 29 deleted @40"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_the_end_of_a_recovery_fails_it_and_another_changes_nothing() {
    let world = World::new();
    let region = world.start();
    let alice = region.entity("alice");
    panic_at(Some("recovered"));
    assert_eq!(kind_of(balance(&alice).await), "internal");
    settle().await;
    assert_eq!(world.faults.begun.lock().len(), world.faults.ended.lock().len());
    panic_at(Some("stopped"));
    assert_eq!(deposit(&alice, 3).await.unwrap(), 3);
    alice.ask(|reply| Command::Stop { reply }).await.unwrap();
    assert_eq!(balance(&alice).await.unwrap(), 3);
    panic_at(None);
    region.stop().await.unwrap();
}
