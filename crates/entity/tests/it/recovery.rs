//! From the journal back to a state, or to an error that says why not.

use std::time::Duration;

use annals_core::{
    Append, AppendId, DeletedPrefix, ErrorKind, NewEvent, Payload, SeqNr, SerializerId, Timestamp,
    WriterId,
};
use annals_entity::Settings;

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::{World, asking, balance, deposit, id, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn a_new_region_goes_on_where_the_last_one_was() {
    let world = World::new();
    let region = world.start();
    for cents in 1..=100 {
        deposit(&region.entity("alice"), cents).await.unwrap();
    }
    region.stop().await.unwrap();
    let alice = world.start().entity("alice");
    assert_eq!(balance(&alice).await.unwrap(), 5_050);
    assert_eq!(alice.ask(|reply| Command::Position { reply }).await.unwrap().get(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_failed_recovery_fails_who_waits_and_the_next_command_tries_again() {
    let world = World::new();
    world.faults.begins.lock().push_back(Fault::Fails(ErrorKind::Unavailable));
    let alice = world.start().entity("alice");
    let waiting: Vec<_> =
        (0..3).map(|_| asking(&alice, |reply| Command::Balance { reply })).collect();
    for asked in waiting {
        assert_eq!(kind_of(asked.await.unwrap()), "unavailable");
    }
    assert_eq!(balance(&alice).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_whose_store_hangs_ends_and_the_next_one_is_tried() {
    let world = World::new();
    deposit(&world.start().entity("alice"), 7).await.unwrap();
    let settings = Settings::default().with_recovery_deadline(Duration::from_secs(2));
    let alice = world.start_with(settings).entity("alice");
    world.faults.begins.lock().push_back(Fault::Hangs);
    let (started, asked) = (tokio::time::Instant::now(), balance(&alice).await);
    assert_eq!(kind_of(asked), "unavailable");
    assert_eq!(
        started.elapsed(),
        Duration::from_secs(2),
        "the cause, before the ask's own deadline"
    );
    // A snapshot that cannot be loaded in time is the same.
    world.faults.hold_loads();
    let builder = world.builder_with_snapshots().settings(settings);
    let alice = builder.start().entity("alice");
    assert_eq!(kind_of(balance(&alice).await), "unavailable");
    world.faults.release_loads();
    assert_eq!(balance(&alice).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn recoveries_that_fail_again_and_again_back_off() {
    let world = World::new();
    world.faults.begins.lock().extend(vec![Fault::Fails(ErrorKind::Unavailable); 10_000]);
    let alice = world.start().entity("alice");
    let started = tokio::time::Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        assert_eq!(kind_of(balance(&alice).await), "unavailable");
    }
    let tries = world.faults.begun.lock().len();
    assert!((5..200).contains(&tries), "{tries} recoveries in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_ends_early_is_corrupt() {
    let world = World::new();
    let region = world.start();
    deposit(&region.entity("alice"), 1).await.unwrap();
    deposit(&region.entity("alice"), 2).await.unwrap();
    *world.faults.replay_cut.lock() = 1;
    let error = balance(&world.start().entity("alice")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("ended at event 1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_is_named() {
    for (payload, kind, expected) in [
        (Payload::new(SerializerId::new(9_001), "", "?"), "corrupt", "no event"),
        (Payload::new(SerializerId::new(7), "x", "+1"), "unsupported", "id 7 and manifest \"x\""),
        (Payload::new(SerializerId::new(9_001), "", "p"), "internal", "cannot be applied"),
    ] {
        let world = World::new();
        let event = NewEvent::new(payload, Timestamp::UNKNOWN);
        let writer = WriterId::new("foreign");
        let append = AppendId::new(1);
        let append = Append::new(append, id("alice"), SeqNr::ZERO, writer, vec![event]).unwrap();
        world.store.journal.append(append).await.unwrap();

        let error = balance(&world.start().entity("alice")).await.unwrap_err();
        assert_eq!(error.kind().name(), kind);
        let message = error.message();
        assert!(
            message.contains(expected) && message.contains("event 1 of account|alice"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_prefix_without_a_snapshot_is_corrupt_unless_allowed() {
    let world = World::new();
    let region = world.start();
    for cents in [1, 10, 100] {
        deposit(&region.entity("alice"), cents).await.unwrap();
    }
    region.stop().await.unwrap();
    world.store.journal.delete_to(&id("alice"), SeqNr::new(2).unwrap()).await.unwrap();

    assert_eq!(kind_of(balance(&world.start().entity("alice")).await), "corrupt");
    let allowing = Settings::default().with_deleted_prefix(DeletedPrefix::Allow);
    let alice = world.start_with(allowing).entity("alice");
    assert_eq!(balance(&alice).await.unwrap(), 100);
    assert_eq!(deposit(&alice, 1).await.unwrap(), 101);
}

#[tokio::test(start_paused = true)]
async fn every_incarnation_has_its_own_writer() {
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    alice.ask(|reply| Command::Stop { reply }).await.unwrap();
    deposit(&alice, 1).await.unwrap();
    settle().await;
    let events = world.journal("alice").await;
    assert_ne!(events[0].writer, events[1].writer);
    assert_eq!(*world.faults.ended.lock(), [events[0].writer.clone()]);
}
