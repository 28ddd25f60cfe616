//! The test kit runs a behaviour without a store.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Codec, ErrorKind, Payload, Registry, Result, SeqNr, SerializerId};
use annals_entity::testkit::{Fault, Faults, ManualTime, Operation, given};
use annals_entity::{EntitiesBuilder, Reply, Signal, Timer};

use crate::account::{Account, Command, Event, Text, signals};
use crate::world::{asking, balance, deposit, id, kind_of, settle};

#[test]
fn events_answers_and_states_follow_each_other() {
    let account = given::<Account>([Event::Deposited(100)])
        .when(|reply| Command::Withdraw { cents: 30, reply })
        .then([Event::Withdrawn(30)], Some(70))
        .when(|reply| Command::Withdraw { cents: 71, reply })
        .then([], None)
        .when(|reply| Command::Position { reply })
        .then([], SeqNr::new(2).unwrap());
    assert_eq!(account.state().cents, 70);
}

#[test]
fn what_is_not_an_answer_is_told_apart() {
    assert!(given::<Account>([]).when(|_reply| Command::Unknown { _reply }).is_unhandled());
    let stashed = given::<Account>([]).when(|reply| Command::WhenRich { reply });
    assert!(stashed.is_stash());
    assert!(given::<Account>([]).when(|reply| Command::Stop { reply }).is_stop());
    let dropped = given::<Account>([]).when(|_reply| Command::DropReply { cents: 1, _reply });
    assert!(dropped.answer().unwrap().is_err());
}

#[test]
#[should_panic(expected = "the events that the command led to")]
fn other_events_fail_the_test() {
    given::<Account>([])
        .when(|reply| Command::Deposit { cents: 1, reply })
        .then([Event::Deposited(2)], 1);
}

#[test]
#[should_panic(expected = "the event has a form")]
fn an_event_without_a_form_fails_the_test() {
    let codec = Arc::new(Registry::new(Arc::new(Text)));
    given::<Account>([]).with_codec(codec).when(|_reply| Command::NotEncodable { _reply });
}

#[test]
fn timers_and_delayed_commands_come_when_the_time_passes() {
    let second = Duration::from_secs(1);
    let start = |key, timer, cents| move |reply| Command::DepositBy { key, timer, cents, reply };
    let account = given::<Account>([])
        .when(start("periodic", Timer::Every(2 * second), 1))
        .then([], ())
        .when(start("single", Timer::Once(5 * second), 100))
        .then([], ());
    assert_eq!(account.timers(), [("periodic", 2 * second), ("single", 5 * second)]);
    let account = account
        .after(second)
        .then_events([])
        .after(4 * second)
        .then_events([Event::Deposited(1), Event::Deposited(1), Event::Deposited(100)])
        .when(|reply| Command::CancelTimer { key: "periodic", reply })
        .then([], ())
        .after(100 * second)
        .then_events([]);
    assert_eq!(account.state().cents, 102);
    let delay = Some(second);
    let account = account.when(|reply| Command::DepositLater { cents: 7, delay, reply }).given();
    account.after(second).then_events([Event::Deposited(7)]);
}

#[test]
fn stashed_commands_come_again_in_order_after_the_unstash() {
    let (account, first) =
        given::<Account>([]).when(|reply| Command::WhenRich { reply }).given_and_answer();
    let (account, second) = account.when(|reply| Command::WhenRich { reply }).given_and_answer();
    assert_eq!(account.stashed(), 2);
    // Not enough yet: they are put off once more.
    let account = account
        .when(|reply| Command::DepositThenUnstash { cents: 400, reply })
        .then([Event::Deposited(400)], 400);
    assert!(account.stashed() == 2 && first.try_take().is_none());
    let account = account
        .when(|reply| Command::DepositThenUnstash { cents: 600, reply })
        .then([Event::Deposited(600)], 1_000);
    assert_eq!(account.stashed(), 0);
    for answer in [first, second] {
        assert_eq!(answer.try_take().unwrap().unwrap(), 1_000);
    }
}

#[test]
fn an_append_that_fails_changes_nothing_and_is_told() {
    let account = given::<Account>([Event::Deposited(100)]);
    let failed = account
        .when_not_stored(ErrorKind::Unavailable, |reply| Command::Deposit { cents: 1, reply });
    assert_eq!(kind_of(failed.answer().unwrap()), "unavailable");
    let account = failed.then_nothing();
    assert_eq!((account.state().cents, account.seq_nr()), (100, SeqNr::FIRST));
    let read = account.when_not_stored(ErrorKind::Unavailable, |reply| Command::Balance { reply });
    read.then([], 100);
}

#[test]
fn a_behaviour_is_told_signals() {
    let error = annals_core::Error::unavailable("as arranged");
    let account = given::<Account>([]).signal(Signal::RecoveryFailed { error: &error });
    account.then_nothing();
    assert_eq!(signals(), ["not recovered: unavailable @0"]);
}

#[test]
fn a_stopped_entity_has_no_timer() {
    let timer = Timer::Once(Duration::from_secs(1));
    given::<Account>([])
        .when(|reply| Command::DepositBy { key: "key", timer, cents: 1, reply })
        .given()
        .when(|reply| Command::Stop { reply })
        .then([], ())
        .after(Duration::from_secs(9))
        .then_events([]);
}

#[tokio::test]
async fn work_is_the_tests_to_await() {
    let started =
        given::<Account>([]).when(|reply| Command::DepositLater { cents: 7, delay: None, reply });
    let mut account = started.given();
    let work = account.take_work().pop().unwrap();
    let command = work.await;
    account.when(|_: Reply<()>| command).then_events([Event::Deposited(7)]);
}

#[test]
fn what_an_entity_tells_itself_comes_next() {
    let asked = given::<Account>([]).when(|reply| Command::WhoAreYou { reply });
    let myself = asked.answer().unwrap().unwrap();
    myself.tell(Command::DepositQuietly { cents: 3 }).unwrap();
    asked.given().after(Duration::ZERO).then_events([Event::Deposited(3)]);
}

#[test]
fn an_entity_is_recovered_from_what_its_codec_kept() {
    let codec = Arc::new(Registry::new(Arc::new(Text)));
    given::<Account>([Event::Deposited(1)])
        .with_codec(codec)
        .when(|reply| Command::Deposit { cents: 2, reply })
        .then([Event::Deposited(2)], 3)
        .recovers();
}

/// Loses the balance.
#[derive(Debug)]
struct Forgetful;

impl Codec<Account> for Forgetful {
    fn encode(&self, _account: &Account) -> Result<Payload> {
        Ok(Payload::new(SerializerId::STRING, "", ""))
    }

    fn decode(&self, _payload: &Payload) -> Result<Account> {
        Ok(Account::default())
    }
}

#[test]
fn what_the_codec_of_states_loses_is_missing() {
    let account = given::<Account>([Event::Deposited(1)])
        .with_state_codec(Arc::new(Forgetful))
        .when(|reply| Command::Deposit { cents: 2, reply })
        .then([Event::Deposited(2)], 3);
    assert_eq!(account.state().cents, 0);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| account.recovers())).is_err());
}

#[tokio::test]
async fn a_region_runs_over_faults_in_time_that_passes_by_hand() {
    crate::spans::install();
    let time = ManualTime::new();
    let (store, faults) = Faults::over(&annals_memory::MemoryStore::new().store());
    let codec = Arc::new(Registry::<Event>::new(Arc::new(Text)));
    let region = EntitiesBuilder::<Account>::new(store, codec, time.components()).start();
    let (alice, bob) = (region.entity("alice"), region.entity("bob"));
    deposit(&alice, 1).await.unwrap();

    faults.on_entity(&id("alice"), Operation::Append, [Fault::Loses(ErrorKind::Invalid)]);
    deposit(&bob, 1).await.unwrap();
    assert_eq!(kind_of(deposit(&alice, 1).await), "invalid");
    assert_eq!(balance(&alice).await.unwrap(), 2, "the store said one thing and did another");

    faults.on(Operation::Append, [Fault::Hangs]);
    let hanging = asking(&alice, |reply| Command::Deposit { cents: 1, reply });
    settle().await;
    time.advance(Duration::from_millis(3_999));
    settle().await;
    assert!(!hanging.is_finished());
    time.advance(Duration::from_millis(1));
    assert_eq!(kind_of(hanging.await.unwrap()), "outcome unknown");

    faults.on(Operation::Replay, [Fault::Fails(ErrorKind::Corrupt)]);
    assert_eq!(kind_of(balance(&alice).await), "corrupt");
    faults.on(Operation::Begin, [Fault::Fails(ErrorKind::Unavailable); 9]);
    faults.clear();
    let backed_off = asking(&alice, |reply| Command::Balance { reply });
    settle().await;
    time.advance(Duration::from_secs(3));
    assert_eq!(backed_off.await.unwrap().unwrap(), 2);
    assert_eq!(faults.calls(Operation::Append), 4);
}
