//! Entities and regions end in order, and leave nobody without an answer.

use annals_entity::Settings;

use crate::account::Command;
use crate::faulty::Fault;
use crate::world::{World, asking, balance, deposit, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn a_stopping_region_answers_everyone_and_ends_every_writer() {
    let world = World::new();
    let region = world.start();
    world.faults.close_gate();
    let mut asked = Vec::new();
    for name in ["alice", "bob", "carol"] {
        for _ in 0..10 {
            let entity = region.entity(name);
            asked.push(asking(&entity, |reply| Command::Deposit { cents: 1, reply }));
        }
    }
    settle().await;

    let stopping = tokio::spawn({
        let region = region.clone();
        async move { region.stop().await }
    });
    settle().await;
    assert_eq!(kind_of(deposit(&region.entity("alice"), 1).await), "closed");
    assert!(!stopping.is_finished());

    world.faults.open_gate();
    stopping.await.unwrap().unwrap();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    let sorted = |writers: &parking_lot::Mutex<Vec<annals_core::WriterId>>| {
        let mut texts: Vec<_> = writers.lock().iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    assert_eq!(sorted(&world.faults.begun), sorted(&world.faults.ended));
    assert_eq!(world.faults.ended.lock().len(), 3);
    assert_eq!(kind_of(balance(&region.entity("dora")).await), "closed");
    region.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_end_in_time_still_answers() {
    let world = World::new();
    let settings = Settings::default()
        .with_stop_deadline(std::time::Duration::from_secs(1))
        .with_ask_deadline(std::time::Duration::from_secs(100));
    let region = world.start_with(settings);
    world.faults.on_append([Fault::Hangs]);
    let writing = asking(&region.entity("alice"), |reply| Command::Deposit { cents: 1, reply });
    settle().await;
    let waiting = asking(&region.entity("alice"), |reply| Command::Deposit { cents: 1, reply });
    settle().await;
    region.stop().await.unwrap();
    assert_eq!(kind_of(writing.await.unwrap()), "outcome unknown");
    assert_eq!(kind_of(waiting.await.unwrap()), "closed");
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_stops_is_begun_anew_for_those_who_wait() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.close_gate();
    let stopping = asking(&alice, |reply| Command::DepositThenStop { cents: 1, reply });
    settle().await;
    let waiting = asking(&alice, |reply| Command::Deposit { cents: 10, reply });
    settle().await;
    world.faults.open_gate();
    assert_eq!(stopping.await.unwrap().unwrap(), 1);
    assert_eq!(waiting.await.unwrap().unwrap(), 11);
    assert_eq!(world.faults.begun.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_finishes_what_was_accepted() {
    let world = World::new();
    let region = world.start();
    let (reply, _answer) = annals_entity::reply_channel();
    region.entity("alice").tell(Command::Deposit { cents: 5, reply }).unwrap();
    drop(region);
    settle().await;
    assert_eq!(world.texts("alice").await, ["+5"]);
    assert_eq!(world.faults.ended.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_stops_during_a_failing_recovery_answers_with_its_error() {
    let world = World::new();
    let region = world.start();
    world.faults.begins.lock().push_back(Fault::Hangs);
    let asked = asking(&region.entity("alice"), |reply| Command::Balance { reply });
    settle().await;
    let settings_deadline = tokio::time::Instant::now();
    region.stop().await.unwrap();
    assert!(settings_deadline.elapsed() <= std::time::Duration::from_secs(31));
    assert_eq!(kind_of(asked.await.unwrap()), "unavailable");
}

#[test]
fn a_runtime_that_is_shut_down_leaves_nobody_waiting() {
    let workers =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let callers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new();
    let settings = Settings::default().with_shards(std::num::NonZeroUsize::new(1));
    let region = world.builder().settings(settings).runtime(workers.handle().clone()).start();
    let alice = region.entity("alice");
    world.faults.close_gate();
    let (writing, waiting) = callers.block_on(async {
        let writing = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
        while world.faults.append_count() == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = asking(&alice, |reply| Command::Deposit { cents: 10, reply });
        settle().await;
        (writing, waiting)
    });
    workers.shutdown_background();
    callers.block_on(async {
        assert_eq!(kind_of(writing.await.unwrap()), "outcome unknown");
        assert_eq!(kind_of(waiting.await.unwrap()), "closed");
        assert_eq!(kind_of(balance(&alice).await), "closed");
    });
}

#[tokio::test(start_paused = true)]
async fn a_writer_whose_end_is_not_answered_holds_nobody_up_for_long() {
    for fault in [Fault::Hangs, Fault::Fails(annals_core::ErrorKind::Unavailable), Fault::Panics] {
        let world = World::new();
        let alice = world.start().entity("alice");
        world.faults.ends.lock().push_back(fault);
        alice.ask(|reply| Command::DepositThenStop { cents: 1, reply }).await.unwrap();
        assert_eq!(deposit(&alice, 10).await.unwrap(), 11, "within the ask's deadline");
    }
}
