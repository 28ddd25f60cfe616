//! Snapshots shorten recovery, are saved only of stored states, and never fail a command.

use annals_core::{ErrorKind, Payload, SeqNr, SerializerId, Snapshot, SnapshotCriteria, Timestamp};
use annals_entity::{Entities, Recover, Settings, keep};

use crate::account::{Account, Command};
use crate::faulty::Fault;
use crate::world::{World, balance, deposit, id, kind_of, settle};

fn start(world: &World) -> Entities<Account> {
    world.builder_with_snapshots().snapshot_every(10, keep(2)).start()
}

async fn numbers(world: &World) -> Vec<u64> {
    let criteria = SnapshotCriteria::ALL;
    let infos = world.store.snapshots.list(&id("alice"), &criteria, 100).await.unwrap();
    infos.into_iter().map(|info| info.seq_nr.get()).collect()
}

async fn deposits(region: &Entities<Account>, count: usize) {
    for _ in 0..count {
        deposit(&region.entity("alice"), 1).await.unwrap();
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_are_kept_and_recovery_begins_with_them() {
    let world = World::new();
    let region = start(&world);
    deposits(&region, 45).await;
    region.stop().await.unwrap();
    assert_eq!(numbers(&world).await, [40, 30]);

    // Only a recovery that begins with the snapshot survives the loss of what it includes.
    world.store.journal.delete_to(&id("alice"), SeqNr::new(40).unwrap()).await.unwrap();
    assert_eq!(balance(&start(&world).entity("alice")).await.unwrap(), 45);
}

#[tokio::test(start_paused = true)]
async fn events_before_the_oldest_snapshot_kept_can_be_deleted_with_it() {
    let world = World::new();
    let keep = keep(1).and_delete_events();
    let region = world.builder_with_snapshots().snapshot_every(10, keep).start();
    deposits(&region, 35).await;
    region.stop().await.unwrap();
    assert_eq!(numbers(&world).await, [30, 20]);
    let bounds = world.store.journal.bounds(&id("alice")).await.unwrap();
    assert_eq!(bounds.deleted_to.get(), 20);
    assert_eq!(balance(&start(&world).entity("alice")).await.unwrap(), 35);
}

#[tokio::test(start_paused = true)]
async fn batches_that_jump_over_multiples_leave_as_many_snapshots_as_are_wanted() {
    let world = World::new();
    let region = start(&world);
    let alice = region.entity("alice");
    for _ in 0..4 {
        let deposits = alice.ask(|reply| Command::DepositAll { cents: vec![1; 25], reply });
        deposits.await.unwrap();
        settle().await;
    }
    assert_eq!(numbers(&world).await, [100, 75]);
}

#[tokio::test(start_paused = true)]
async fn no_event_is_deleted_before_the_snapshot_is_saved() {
    let world = World::new();
    let keep = keep(1).and_delete_events();
    let region = world.builder_with_snapshots().snapshot_every(10, keep).start();
    deposits(&region, 10).await;
    world.faults.saves.lock().extend([Fault::Fails(ErrorKind::Unavailable), Fault::Hangs]);
    deposits(&region, 25).await;
    let bounds = world.store.journal.bounds(&id("alice")).await.unwrap();
    assert_eq!(bounds.deleted_to, SeqNr::ZERO);
    assert_eq!(numbers(&world).await, [10]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_save_fails_no_command_and_deletes_nothing() {
    let world = World::new();
    let region = start(&world);
    deposits(&region, 20).await;
    world.faults.saves.lock().extend([Fault::Fails(ErrorKind::Unavailable); 2]);
    deposits(&region, 20).await;
    assert_eq!(numbers(&world).await, [20, 10]);
    assert!(world.faults.snapshot_deletes.lock().is_empty());
    deposits(&region, 10).await;
    assert_eq!(numbers(&world).await, [50, 20], "30 and 40 were never saved");
}

#[tokio::test(start_paused = true)]
async fn no_snapshot_is_taken_of_a_state_whose_events_are_not_stored() {
    let world = World::new();
    let region = start(&world);
    deposits(&region, 9).await;
    world.faults.on_append([Fault::Hangs]);
    assert_eq!(kind_of(deposit(&region.entity("alice"), 1).await), "outcome unknown");
    settle().await;
    assert_eq!(numbers(&world).await, [0_u64; 0]);
    assert_eq!(deposit(&region.entity("alice"), 1).await.unwrap(), 10);
    settle().await;
    assert_eq!(numbers(&world).await, [10]);
}

#[tokio::test(start_paused = true)]
async fn a_save_that_hangs_delays_no_command() {
    let world = World::new();
    let region = start(&world);
    world.faults.saves.lock().push_back(Fault::Hangs);
    deposits(&region, 25).await;
    assert_eq!(balance(&region.entity("alice")).await.unwrap(), 25);
    assert_eq!(numbers(&world).await, [0_u64; 0], "one save at a time");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_snapshot_falls_back_to_the_next_older() {
    let world = World::new();
    let region = start(&world);
    deposits(&region, 25).await;
    region.stop().await.unwrap();
    assert_eq!(numbers(&world).await, [20, 10]);
    world.store.snapshots.save(snapshot(20, "damaged")).await.unwrap();
    assert_eq!(balance(&start(&world).entity("alice")).await.unwrap(), 25);

    // That recovery left one of its own.
    settle().await;
    for seq_nr in numbers(&world).await {
        world.store.snapshots.save(snapshot(seq_nr, "damaged")).await.unwrap();
    }
    assert_eq!(kind_of(balance(&start(&world).entity("alice")).await), "corrupt");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_above_the_highest_event_is_corrupt() {
    let world = World::new();
    deposits(&world.start(), 3).await;
    world.store.snapshots.save(snapshot(4, "4 4")).await.unwrap();
    assert_eq!(kind_of(balance(&start(&world).entity("alice")).await), "corrupt");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_another_writer_saved_meanwhile_is_no_damage() {
    let world = World::new();
    let ours = start(&world);
    deposits(&ours, 9).await;
    let theirs = start(&world);
    // Their bounds say 9; before they look for a snapshot, ours reaches 10 and saves one.
    world.faults.hold_loads();
    let asked = crate::world::asking(&theirs.entity("alice"), |reply| Command::Balance { reply });
    settle().await;
    deposits(&ours, 1).await;
    assert_eq!(numbers(&world).await, [10]);
    world.faults.release_loads();
    assert_eq!(asked.await.unwrap().unwrap(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_long_replay_leaves_a_snapshot() {
    let world = World::new();
    deposits(&world.start(), 25).await;
    assert_eq!(balance(&start(&world).entity("alice")).await.unwrap(), 25);
    settle().await;
    assert_eq!(numbers(&world).await, [25]);
}

#[tokio::test(start_paused = true)]
async fn what_a_recovery_reads_can_be_chosen() {
    let world = World::new();
    deposits(&world.start(), 3).await;
    // States that no fold of the events gives show where a recovery began.
    world.store.snapshots.save(snapshot(1, "100 1")).await.unwrap();
    world.store.snapshots.save(snapshot(2, "200 2")).await.unwrap();
    let first = SnapshotCriteria::up_to(SeqNr::FIRST);
    for (recover, expected) in [
        (Recover::Newest, 201),
        (Recover::From(first), 102),
        (Recover::EventsOnly, 3),
        (Recover::Nothing, 0),
    ] {
        let settings = Settings::default().with_recover(recover);
        let region = world.builder_with_snapshots().settings(settings).start();
        let alice = region.entity("alice");
        assert_eq!(balance(&alice).await.unwrap(), expected);
        let position = alice.ask(|reply| Command::Position { reply }).await;
        assert_eq!(position.unwrap().get(), 3);
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "snapshot_every needs a snapshot_codec")]
async fn snapshots_without_a_codec_are_refused_at_the_start() {
    let _ = World::new().builder().snapshot_every(10, keep(1)).start();
}

fn snapshot(seq_nr: u64, text: &'static str) -> Snapshot {
    Snapshot {
        persistence_id: id("alice"),
        seq_nr: SeqNr::new(seq_nr).unwrap(),
        timestamp: Timestamp::UNKNOWN,
        payload: Payload::new(SerializerId::new(9_001), "", text),
        metadata: None,
    }
}
