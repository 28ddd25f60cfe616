//! Commands that are put off, that come back from work, and entities that leave memory when idle.

use std::num::NonZeroUsize;
use std::time::Duration;

use annals_core::{ErrorKind, SeqNr};
use annals_entity::Settings;

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::{World, asking, balance, deposit, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn a_stashed_command_is_handled_after_the_unstash_and_before_later_ones() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let first = asking(&alice, |reply| Command::WhenRich { reply });
    let second = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    assert_eq!(deposit(&alice, 400).await.unwrap(), 400, "others go on meanwhile");

    let third = asking(&alice, |reply| Command::DepositThenUnstash { cents: 600, reply });
    let later = asking(&alice, |reply| Command::Deposit { cents: 5, reply });
    assert_eq!(first.await.unwrap().unwrap(), 1_000);
    assert_eq!(second.await.unwrap().unwrap(), 1_000);
    assert_eq!(third.await.unwrap().unwrap(), 1_000);
    assert_eq!(later.await.unwrap().unwrap(), 1_005);
}

#[tokio::test(start_paused = true)]
async fn stashing_is_decided_on_stored_events_only() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.close_gate();
    let held = asking(&alice, |reply| Command::Deposit { cents: 0, reply });
    settle().await;
    // On the state with this deposit it would be answered; but the deposit is never stored.
    world.faults.on_append([Fault::None, Fault::Hangs]);
    let lost = asking(&alice, |reply| Command::Deposit { cents: 1_000, reply });
    let put_off = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    assert_eq!(kind_of(lost.await.unwrap()), "outcome unknown");
    assert!(!put_off.is_finished());
    let unstash = alice.ask(|reply| Command::DepositThenUnstash { cents: 2_000, reply });
    assert_eq!(unstash.await.unwrap(), 2_000);
    assert_eq!(put_off.await.unwrap().unwrap(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_command_put_off_does_not_overtake_one_that_is_handled_again() {
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice, 1_000).await.unwrap();
    world.faults.close_gate();
    let held = asking(&alice, |reply| Command::Deposit { cents: 0, reply });
    settle().await;
    let conflict = ErrorKind::Conflict { highest: SeqNr::FIRST };
    world.faults.on_append([Fault::None, Fault::Fails(conflict)]);
    let withdrawn = asking(&alice, |reply| Command::Withdraw { cents: 500, reply });
    let put_off = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    world.faults.open_gate();
    held.await.unwrap().unwrap();
    assert_eq!(withdrawn.await.unwrap().unwrap(), Some(500));
    settle().await;
    assert!(!put_off.is_finished(), "the withdrawal came first, and left too little");
    let unstash = alice.ask(|reply| Command::DepositThenUnstash { cents: 700, reply });
    assert_eq!(unstash.await.unwrap(), 1_200);
    assert_eq!(put_off.await.unwrap().unwrap(), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_stash_has_a_bound_a_deadline_and_an_end() {
    let world = World::new();
    let settings = Settings::default().with_stash_max(1);
    let region = world.start_with(settings);
    let alice = region.entity("alice");
    let stashed = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    let error = alice.ask(|reply| Command::WhenRich { reply }).await.unwrap_err();
    assert!(error.message().contains("stash full"), "{error}");

    let error = stashed.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "nothing was done of it: {error}");

    let stashed = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    region.stop().await.unwrap();
    assert_eq!(kind_of(stashed.await.unwrap()), "closed");
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_restarts_keeps_what_it_put_off() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let stashed = asking(&alice, |reply| Command::WhenRich { reply });
    settle().await;
    assert_eq!(kind_of(alice.ask(|_reply| Command::PanicInHandler { _reply }).await), "internal");
    let unstash = alice.ask(|reply| Command::DepositThenUnstash { cents: 1_000, reply });
    assert_eq!(unstash.await.unwrap(), 1_000);
    assert_eq!(stashed.await.unwrap().unwrap(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn work_begins_once_the_events_are_stored_and_comes_back_as_a_command() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.close_gate();
    let asked = asking(&alice, |reply| Command::DepositLater { cents: 7, delay: None, reply });
    settle().await;
    assert_eq!(world.faults.append_count(), 1);
    world.faults.open_gate();
    assert_eq!(asked.await.unwrap().unwrap(), 7);
    assert_eq!(world.texts("alice").await, ["nbegun", "+7"]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_command_comes_after_its_delay() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let delay = Duration::from_secs(3);
    let began = tokio::time::Instant::now();
    let asked = alice.ask(|reply| Command::DepositLater { cents: 7, delay: Some(delay), reply });
    assert_eq!(asked.await.unwrap(), 7);
    assert_eq!(began.elapsed(), delay);
}

#[tokio::test(start_paused = true)]
async fn an_idle_entity_leaves_memory_and_comes_back_as_it_was() {
    let world = World::new();
    let settings = Settings::default().with_passivate_after(Some(Duration::from_secs(8)));
    let alice = world.start_with(settings).entity("alice");
    for _ in 0..10 {
        deposit(&alice, 1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(world.faults.begun.lock().len(), 1, "an active one stays");
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(world.faults.ended.lock().len(), 1);
    assert_eq!(balance(&alice).await.unwrap(), 10);
    assert_eq!(world.faults.begun.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_waits_for_something_does_not_leave() {
    let world = World::new();
    let settings = Settings::default()
        .with_passivate_after(Some(Duration::from_secs(8)))
        .with_ask_deadline(Duration::from_secs(1_000));
    let alice = world.start_with(settings).entity("alice");
    let stashed = asking(&alice, |reply| Command::WhenRich { reply });
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(world.faults.ended.lock().is_empty() && !stashed.is_finished());
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_idle_entities_leave_early() {
    let world = World::new();
    let settings = Settings::default()
        .with_shards(NonZeroUsize::new(1))
        .with_active_max(NonZeroUsize::new(10));
    let region = world.start_with(settings);
    for number in 0..100 {
        deposit(&region.entity(&number.to_string()), 1).await.unwrap();
    }
    settle().await;
    assert!((85..=95).contains(&world.faults.ended.lock().len()), "those that were idle longest");
    for number in 0..100 {
        assert_eq!(balance(&region.entity(&number.to_string())).await.unwrap(), 1);
    }
}
