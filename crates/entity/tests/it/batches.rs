//! Commands that wait while a write is in flight go out as one append, and fail each on its own.

use annals_core::{ErrorKind, SeqNr};
use annals_entity::{EntityRef, Settings};
use annals_memory::MemoryOptions;
use tokio::task::JoinHandle;

use crate::account::{Account, Command, Log};
use crate::faulty::Fault;
use crate::world::{World, asking, balance, deposit, kind_of, settle};

/// Begins a write that waits at the gate, so that everything asked for afterwards waits behind it.
async fn hold(world: &World, account: &EntityRef<Account>) -> JoinHandle<annals_core::Result<i64>> {
    world.faults.close_gate();
    let held = asking(account, |reply| Command::Deposit { cents: 0, reply });
    settle().await;
    assert_eq!(world.faults.append_count(), 1);
    held
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_go_out_as_one_append() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;

    let mut deposits = Vec::new();
    for _ in 0..64 {
        deposits.push(asking(&alice, |reply| Command::Deposit { cents: 1, reply }));
    }
    let read = asking(&alice, |reply| Command::Balance { reply });
    settle().await;
    world.faults.open_gate();

    held.await.unwrap().unwrap();
    for (index, asked) in deposits.into_iter().enumerate() {
        let own = i64::try_from(index).unwrap() + 1;
        assert_eq!(asked.await.unwrap().unwrap(), own, "each sees the state after its own event");
    }
    assert_eq!(read.await.unwrap().unwrap(), 64, "and a read those before it");
    assert_eq!(world.faults.append_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_sees_the_state_ends_its_append() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let log = Log::default();
    let held = hold(&world, &alice).await;
    let mut asked = Vec::new();
    for cents in [1, 10, 100] {
        let log = log.clone();
        asked.push(asking(&alice, move |reply| Command::DepositThenLog { cents, log, reply }));
        asked.push(asking(&alice, move |reply| Command::Deposit { cents, reply }));
    }
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(*log.lock(), ["1", "12", "122"], "exactly the state after their own events");
    assert_eq!(world.faults.append_count(), 1 + 4);
}

#[tokio::test(start_paused = true)]
async fn one_invalid_command_fails_alone() {
    let world = World::with_options(MemoryOptions::default().with_append_bytes_max(1_000));
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;

    let before = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    let large = asking(&alice, |reply| Command::Note { text: "x".repeat(2_000), reply });
    let after = asking(&alice, |reply| Command::Deposit { cents: 10, reply });
    settle().await;
    world.faults.open_gate();

    held.await.unwrap().unwrap();
    assert_eq!(before.await.unwrap().unwrap(), 1);
    assert_eq!(kind_of(large.await.unwrap()), "invalid");
    assert_eq!(after.await.unwrap().unwrap(), 11);
    assert_eq!(world.texts("alice").await, ["+0", "+1", "+10"]);
}

#[tokio::test(start_paused = true)]
async fn a_shared_append_that_is_refused_is_tried_command_by_command() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;
    // The held one is stored; the shared one is refused; alone, the second of three is.
    world.faults.on_append([
        Fault::None,
        Fault::Fails(ErrorKind::Invalid),
        Fault::None,
        Fault::Fails(ErrorKind::Invalid),
    ]);
    let asked =
        [1, 10, 100].map(|cents| asking(&alice, move |reply| Command::Deposit { cents, reply }));
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    let [first, second, third] = asked;
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(kind_of(second.await.unwrap()), "invalid");
    assert_eq!(third.await.unwrap().unwrap(), 101);
    assert_eq!(world.texts("alice").await, ["+0", "+1", "+100"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_does_not_fit_goes_into_the_next_append() {
    let world = World::new();
    let settings = Settings::default().with_batch_bytes_max(250);
    let alice = world.start_with(settings).entity("alice");
    let held = hold(&world, &alice).await;
    let notes: Vec<_> = (0..4)
        .map(|_| asking(&alice, |reply| Command::Note { text: "x".repeat(99), reply }))
        .collect();
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    for note in notes {
        note.await.unwrap().unwrap();
    }
    let sizes: Vec<_> = world.faults.seen_appends.lock().iter().map(|a| a.events().len()).collect();
    assert_eq!(sizes, [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_all_of_an_append_are_handled_again_in_order() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;
    let conflict = ErrorKind::Conflict { highest: SeqNr::FIRST };
    world.faults.on_append([Fault::None, Fault::Fails(conflict)]);
    let asked =
        [1, 2, 3].map(|cents| asking(&alice, move |reply| Command::Deposit { cents, reply }));
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    let mut balances = Vec::new();
    for asked in asked {
        balances.push(asked.await.unwrap().unwrap());
    }
    assert_eq!(balances, [1, 3, 6]);
    assert_eq!(world.texts("alice").await, ["+0", "+1", "+2", "+3"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_behind_others_spares_them() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;
    let before = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    let panicking = asking(&alice, |_reply| Command::PanicInApply { _reply });
    let after = asking(&alice, |reply| Command::Deposit { cents: 10, reply });
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    assert_eq!(before.await.unwrap().unwrap(), 1);
    assert_eq!(kind_of(panicking.await.unwrap()), "internal");
    assert_eq!(after.await.unwrap().unwrap(), 11);
    assert_eq!(world.texts("alice").await, ["+0", "+1", "+10"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_in_an_append_that_failed_is_answered_from_the_recovered_state() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let held = hold(&world, &alice).await;
    world.faults.on_append([Fault::None, Fault::Hangs]);
    let write = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    let read = asking(&alice, |reply| Command::Balance { reply });
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    assert_eq!(kind_of(write.await.unwrap()), "outcome unknown");
    assert_eq!(read.await.unwrap().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn entities_do_not_wait_for_each_other() {
    let world = World::new();
    let region = world.start();
    let alice = region.entity("alice");
    let held = hold(&world, &alice).await;
    let bob = region.entity("bob");
    assert_eq!(balance(&bob).await.unwrap(), 0);
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    assert_eq!(deposit(&bob, 5).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn fenced_is_told_to_everyone_who_waits() {
    let world = World::new();
    let alice = world.start_with(Settings::default().with_batch_commands_max(1)).entity("alice");
    let held = hold(&world, &alice).await;
    world.faults.on_append([Fault::None, Fault::Fails(ErrorKind::Fenced)]);
    let waiting =
        [1, 10].map(|cents| asking(&alice, move |reply| Command::Deposit { cents, reply }));
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    for waiting in waiting {
        assert_eq!(kind_of(waiting.await.unwrap()), "fenced");
    }
    assert_eq!(deposit(&alice, 5).await.unwrap(), 5);
}
