//! The test kit runs a behaviour without a store.

use std::sync::Arc;

use annals_core::{Registry, SeqNr};
use annals_entity::testkit::given;

use crate::account::{Account, Command, Event, Text};

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
