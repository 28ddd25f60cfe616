//! One command after another: what each outcome of a write means for its caller and its entity.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{ErrorKind, Payload, PersistenceId, RetryPolicy, SeqNr, SerializerId};
use annals_entity::Settings;
use parking_lot::Mutex;

use crate::account::{Command, Log};
use crate::faulty::Fault;
use crate::world::{World, asking, balance, deposit, kind_of, settle};

#[tokio::test(start_paused = true)]
async fn a_reply_tells_the_state_after_its_events() {
    let world = World::new();
    let alice = world.start().entity("alice");

    assert_eq!(deposit(&alice, 100).await.unwrap(), 100);
    assert_eq!(deposit(&alice, 20).await.unwrap(), 120);
    let all = alice.ask(|reply| Command::DepositAll { cents: vec![1, 2, 3], reply }).await;
    assert_eq!(all.unwrap(), 126);
    assert_eq!(alice.ask(|reply| Command::Position { reply }).await.unwrap().get(), 5);

    assert_eq!(world.texts("alice").await, ["+100", "+20", "+1", "+2", "+3"]);
    assert_eq!(world.faults.append_count(), 3, "several events of one command are one append");
}

#[tokio::test(start_paused = true)]
async fn a_command_without_events_writes_nothing() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let none = alice.ask(|reply| Command::DepositAll { cents: vec![], reply }).await;
    assert_eq!(none.unwrap(), 0);
    assert_eq!(alice.ask(|reply| Command::Withdraw { cents: 5, reply }).await.unwrap(), None);
    assert_eq!(world.faults.append_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_or_run_before_the_append_is_stored() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let log = Log::default();
    world.faults.close_gate();

    let asked = asking(&alice, {
        let log = log.clone();
        move |reply| Command::DepositThenLog { cents: 7, log, reply }
    });
    settle().await;
    assert_eq!(world.faults.append_count(), 1);
    assert!(!asked.is_finished() && log.lock().is_empty());

    world.faults.open_gate();
    assert_eq!(asked.await.unwrap().unwrap(), 7);
    assert_eq!(*log.lock(), ["7"]);
}

#[tokio::test(start_paused = true)]
async fn tags_are_those_of_the_state_after_the_event() {
    let world = World::new();
    let alice = world.start().entity("alice");
    alice.ask(|reply| Command::DepositAll { cents: vec![999, 1], reply }).await.unwrap();
    let tags: Vec<_> = world.journal("alice").await.iter().map(|event| event.tags.len()).collect();
    assert_eq!(tags, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn metadata_is_kept_beside_each_event_of_its_command() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let cause = Payload::new(SerializerId::STRING, "", "request 7");
    let because = cause.clone();
    let asked = alice.ask(|reply| {
        let cents = vec![1, 2];
        Command::DepositBecause { cents, cause: because, reply }
    });
    asked.await.unwrap();
    deposit(&alice, 3).await.unwrap();
    let metadata: Vec<_> =
        world.journal("alice").await.into_iter().map(|event| event.metadata).collect();
    assert_eq!(metadata, [Some(cause.clone()), Some(cause), None]);
}

#[tokio::test(start_paused = true)]
async fn any_persistence_id_names_an_entity() {
    let world = World::new();
    let region = world.start();
    let old = PersistenceId::new("sample-1").unwrap();
    assert_eq!(deposit(&region.by_persistence_id(old.clone()), 1).await.unwrap(), 1);
    assert_eq!(world.store.journal.bounds(&old).await.unwrap().highest, SeqNr::FIRST);
    let same = region.by_persistence_id(crate::world::id("alice"));
    assert_eq!(deposit(&region.entity("alice"), 5).await.unwrap(), 5);
    assert_eq!(balance(&same).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_is_resolved_by_repeating_the_same_append() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.on_append([
        Fault::Loses(ErrorKind::OutcomeUnknown),
        Fault::Fails(ErrorKind::Unavailable),
        Fault::Fails(ErrorKind::OutcomeUnknown),
    ]);

    assert_eq!(deposit(&alice, 100).await.unwrap(), 100);

    let attempts = world.faults.seen_appends.lock().clone();
    assert_eq!(attempts.len(), 4);
    assert!(attempts.windows(2).all(|pair| pair[0] == pair[1]), "the very same append");
    assert_eq!(world.texts("alice").await, ["+100"]);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_unknown_until_the_deadline_is_told_and_the_entity_recovers_anew() {
    for (fault, stored) in [(Fault::HangsAfter, true), (Fault::Hangs, false)] {
        let world = World::new();
        let alice = world.start().entity("alice");
        deposit(&alice, 1).await.unwrap();
        world.faults.on_append([fault]);

        assert_eq!(kind_of(deposit(&alice, 100).await), "outcome unknown");

        let expected = if stored { 101 } else { 1 };
        assert_eq!(balance(&alice).await.unwrap(), expected);
        assert_eq!(deposit(&alice, 10).await.unwrap(), expected + 10);
        assert_eq!(world.faults.begun.lock().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_retried_and_then_told_and_nothing_is_spoilt() {
    let world = World::new();
    let retry = RetryPolicy::default().with_retries_max(2);
    let alice = world.start_with(Settings::default().with_write_retry(retry)).entity("alice");
    deposit(&alice, 1).await.unwrap();

    world.faults.on_append([Fault::Fails(ErrorKind::Unavailable); 2]);
    assert_eq!(deposit(&alice, 10).await.unwrap(), 11);

    world.faults.on_append([Fault::Fails(ErrorKind::Unavailable); 3]);
    assert_eq!(kind_of(deposit(&alice, 100).await), "unavailable");
    assert_eq!(balance(&alice).await.unwrap(), 11);
    assert_eq!(deposit(&alice, 1_000).await.unwrap(), 1_011);
    assert_eq!(world.texts("alice").await, ["+1", "+10", "+1000"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_the_command_is_handled_again_on_the_newer_state() {
    let world = World::new();
    let ours = world.start().entity("alice");
    let theirs = world.start().entity("alice");
    deposit(&ours, 100).await.unwrap();
    assert_eq!(balance(&theirs).await.unwrap(), 100);
    deposit(&ours, 1).await.unwrap();

    // Its state is one event behind: 101 would be refused by it.
    let withdrawn = theirs.ask(|reply| Command::Withdraw { cents: 100, reply }).await;
    assert_eq!(withdrawn.unwrap(), Some(1));
    let withdrawn = ours.ask(|reply| Command::Withdraw { cents: 100, reply }).await;
    assert_eq!(withdrawn.unwrap(), None, "decided again, on the state without the money");
    assert_eq!(world.texts("alice").await, ["+100", "+1", "-100"]);
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_reach_the_caller() {
    let world = World::new();
    let alice = world.start_with(Settings::default().with_conflict_retries(2)).entity("alice");
    let conflict = ErrorKind::Conflict { highest: SeqNr::FIRST };
    world.faults.on_append([Fault::Fails(conflict); 3]);
    assert_eq!(kind_of(deposit(&alice, 100).await), "conflict");
    assert_eq!(world.faults.append_count(), 3);
    assert_eq!(deposit(&alice, 1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_regions_that_race_lose_and_double_nothing() {
    let world = World::new();
    let settings = Settings::default().with_conflict_retries(1_000);
    let regions = [world.start_with(settings), world.start_with(settings)];
    let mut asked = Vec::new();
    for round in 0..200_usize {
        let account = regions[round % 2].entity("alice");
        asked.push(asking(&account, |reply| Command::Deposit { cents: 1, reply }));
    }
    let mut balances = Vec::new();
    for asked in asked {
        balances.push(asked.await.unwrap().unwrap());
    }
    balances.sort_unstable();
    assert_eq!(balances, (1..=200).collect::<Vec<_>>(), "each deposit saw a balance of its own");
    assert_eq!(world.journal("alice").await.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn fenced_stops_the_entity_and_the_next_command_begins_anew() {
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice, 1).await.unwrap();
    world.faults.on_append([Fault::Fails(ErrorKind::Fenced)]);
    assert_eq!(kind_of(deposit(&alice, 10).await), "fenced");
    assert_eq!(deposit(&alice, 100).await.unwrap(), 101);
    assert_eq!(world.faults.begun.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_other_error_reaches_the_caller_as_it_is() {
    for kind in [ErrorKind::Invalid, ErrorKind::Unsupported, ErrorKind::Corrupt, ErrorKind::Closed]
    {
        let world = World::new();
        let alice = world.start().entity("alice");
        world.faults.on_append([Fault::Fails(kind)]);
        let error = deposit(&alice, 1).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains("account|alice"), "{error}");
        assert_eq!(deposit(&alice, 10).await.unwrap(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_after_an_unknown_attempt_stays_unknown() {
    for kind in [ErrorKind::Fenced, ErrorKind::Invalid, ErrorKind::Closed, ErrorKind::Internal] {
        let world = World::new();
        let alice = world.start().entity("alice");
        world.faults.on_append([Fault::Loses(ErrorKind::OutcomeUnknown), Fault::Fails(kind)]);
        assert_eq!(kind_of(deposit(&alice, 1).await), "outcome unknown");
        assert_eq!(balance(&alice).await.unwrap(), 1, "it was stored");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_writes_nothing_and_the_entity_goes_on() {
    let world = World::new();
    let alice = world.start().entity("alice");
    deposit(&alice, 1).await.unwrap();

    let panicked = alice.ask(|_reply| Command::PanicInHandler { _reply }).await.unwrap_err();
    assert_eq!(panicked.kind(), ErrorKind::Internal);
    assert!(panicked.message().contains("no such account"), "{panicked}");
    assert_eq!(deposit(&alice, 10).await.unwrap(), 11);

    let panicked = alice.ask(|_reply| Command::PanicInApply { _reply }).await;
    assert_eq!(kind_of(panicked), "internal");
    assert_eq!(deposit(&alice, 100).await.unwrap(), 111);
    assert_eq!(world.texts("alice").await, ["+1", "+10", "+100"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_append_says_that_the_events_are_stored() {
    let world = World::new();
    let alice = world.start().entity("alice");
    let error =
        alice.ask(|_reply| Command::PanicAfterDeposit { cents: 5, _reply }).await.unwrap_err();
    assert!(error.message().contains("whose events are stored"), "{error}");
    assert_eq!(balance(&alice).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_form_is_refused_alone() {
    let world = World::new();
    let alice = world.start().entity("alice");
    assert_eq!(kind_of(alice.ask(|_reply| Command::NotEncodable { _reply }).await), "invalid");
    assert_eq!(deposit(&alice, 1).await.unwrap(), 1);
    assert_eq!(world.faults.begun.lock().len(), 1, "its state was not touched");
}

#[tokio::test(start_paused = true)]
async fn unhandled_and_unanswered_commands_fail_their_callers() {
    let world = World::new();
    let alice = world.start().entity("alice");
    assert_eq!(kind_of(alice.ask(|_reply| Command::Unknown { _reply }).await), "invalid");
    let error = alice.ask(|_reply| Command::DropReply { cents: 3, _reply }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("unanswered"), "{error}");
    assert_eq!(balance(&alice).await.unwrap(), 3, "it was carried out all the same");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_not_valid_is_told_by_the_first_command() {
    let world = World::new();
    let nobody = world.start().entity("");
    assert_eq!(kind_of(deposit(&nobody, 1).await), "invalid");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_write_is_in_flight_is_an_unknown_outcome() {
    let world = World::new();
    let alice = world.start().entity("alice");
    world.faults.close_gate();
    let deadline = Duration::from_millis(50);
    let asked = alice.ask_within(deadline, |reply| Command::Deposit { cents: 1, reply }).await;
    assert_eq!(kind_of(asked), "outcome unknown");
    world.faults.open_gate();
    assert_eq!(balance(&alice).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_delays_its_entity_and_loses_nothing() {
    let world = World::new();
    let region = world.start();
    let (alice, bob) = (region.entity("alice"), region.entity("bob"));
    deposit(&bob, 1).await.unwrap();
    world.faults.close_gate();
    let slow = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    let waiting = asking(&alice, |reply| Command::Balance { reply });
    settle().await;
    assert_eq!(balance(&bob).await.unwrap(), 1, "others go on");
    // Shorter than the deadline of a write, if only just.
    tokio::time::sleep(Duration::from_millis(3_900)).await;
    world.faults.open_gate();
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    assert_eq!(world.faults.append_count(), 2, "no attempt was repeated");
}

#[tokio::test(start_paused = true)]
async fn each_append_has_its_own_deadline_though_one_timer_watches_all() {
    let world = World::new();
    let region = world.start();
    world.faults.on_append([Fault::Hangs, Fault::Hangs]);
    let started = tokio::time::Instant::now();
    let ask = |name: &str| {
        let account = region.entity(name);
        tokio::spawn(async move { (kind_of(deposit(&account, 1).await), started.elapsed()) })
    };
    let first = ask("alice");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = ask("bob");
    assert_eq!(first.await.unwrap(), ("outcome unknown", Duration::from_secs(4)));
    assert_eq!(second.await.unwrap(), ("outcome unknown", Duration::from_secs(5)));
    assert_eq!(deposit(&region.entity("alice"), 1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_spoils_one_command_and_no_worker() {
    let world = World::new();
    let region = world.start();
    let alice = region.entity("alice");
    world.faults.begins.lock().push_back(Fault::Panics);
    assert_eq!(kind_of(balance(&alice).await), "internal");
    world.faults.on_append([Fault::Panics]);
    assert_eq!(kind_of(deposit(&alice, 1).await), "internal");
    assert_eq!(deposit(&alice, 10).await.unwrap(), 10);
    region.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stored_events_are_published_once_in_order_and_before_the_answer() {
    let world = World::new();
    let published = Arc::new(Mutex::new(Vec::new()));
    let seen = published.clone();
    let region = world
        .builder()
        .publish(move |id, event| {
            let text = String::from_utf8(event.payload.bytes.to_vec()).unwrap();
            seen.lock().push(format!("{id} {} {text}", event.seq_nr));
            assert!(event.seq_nr.get() != 2, "what it does with an event changes nothing");
        })
        .start();
    let alice = region.entity("alice");
    deposit(&alice, 5).await.unwrap();
    assert_eq!(*published.lock(), ["account|alice 1 +5"]);
    world
        .faults
        .on_append([Fault::Fails(ErrorKind::Invalid), Fault::Loses(ErrorKind::OutcomeUnknown)]);
    deposit(&alice, 6).await.unwrap_err();
    let both = alice.ask(|reply| Command::DepositAll { cents: vec![7, 8], reply }).await;
    assert_eq!(both.unwrap(), 20);
    let expected = ["account|alice 1 +5", "account|alice 2 +7", "account|alice 3 +8"];
    assert_eq!(*published.lock(), expected, "what is stored, and that once");
}
