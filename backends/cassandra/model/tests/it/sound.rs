//! The protocol as described breaks no property, in each scope. `ANNALS_LONG=1` explores larger ones.

use annals_cassandra_model::{Model, Scope, explore};

/// One number, two writers, two claims, no reader.
const SMALL: Scope = Scope {
    writers: 2,
    claims: 2,
    numbers: 1,
    events: 1,
    reader: false,
    deletes: false,
    lost_answers: true,
    from_the_end: false,
    rejoin: false,
    turns: 0,
    killed: false,
    progress: true,
    mistake: None,
};

/// States that a scope may have: more are a mistake in the test, and the machine's memory.
const STATES_MAX: usize = 40_000_000;

fn holds(scope: Scope) {
    let report = explore(&Model::new(scope), STATES_MAX);
    let (states, depth) = (report.states, report.depth);
    eprintln!("{states} states, the farthest {depth} steps away: {scope:?}");
    assert!(report.found.is_none(), "{scope:?}: {:?}", report.found);
    assert!(!report.cut, "{scope:?} is too large: {states} states");
}

/// A larger scope, explored only on request.
fn holds_long(scope: Scope) {
    if std::env::var_os("ANNALS_LONG").is_some() {
        holds(scope);
    } else {
        // A part of it, so that the test says something each time.
        let report = explore(&Model::new(scope), 50_000);
        assert!(report.found.is_none(), "{scope:?}: {:?}", report.found);
        assert!(report.states >= 50_000, "{scope:?} needs no long run: {} states", report.states);
    }
}

#[test]
fn two_writers_claim_in_turn() {
    holds(Scope { numbers: 2, ..SMALL });
}

#[test]
fn a_reader_beside_two_writers() {
    holds(Scope { reader: true, lost_answers: false, ..SMALL });
}

#[test]
fn appends_of_two_events() {
    holds(Scope { numbers: 2, events: 2, lost_answers: false, ..SMALL });
}

#[test]
fn three_claims() {
    holds(Scope { claims: 3, lost_answers: false, ..SMALL });
}

#[test]
fn a_reader_beside_a_writer_that_claims_again() {
    holds(Scope { writers: 1, claims: 3, reader: true, ..SMALL });
}

#[test]
fn deletes_beside_a_claimant() {
    holds(Scope { deletes: true, ..SMALL });
}

#[test]
fn deletes_beside_a_reader() {
    let one = Scope { writers: 1, numbers: 2, ..SMALL };
    holds(Scope { deletes: true, reader: true, lost_answers: false, ..one });
}

#[test]
fn the_last_number_found_from_the_end() {
    holds(Scope { from_the_end: true, numbers: 2, events: 2, lost_answers: false, ..SMALL });
}

#[test]
fn an_entity_that_comes_back_to_its_owner() {
    holds(Scope { rejoin: true, ..SMALL });
}

#[test]
fn a_jvm_between_the_claims_of_a_process() {
    let one = Scope { writers: 1, numbers: 2, turns: 1, lost_answers: false, ..SMALL };
    holds(Scope { rejoin: true, ..one });
    holds(Scope { from_the_end: true, ..one });
}

#[test]
fn a_jvm_between_two_processes() {
    holds(Scope { turns: 1, lost_answers: false, ..SMALL });
}

#[test]
fn a_reader_beside_a_jvm() {
    holds(Scope { writers: 1, turns: 1, reader: true, lost_answers: false, ..SMALL });
}

#[test]
fn a_killed_jvm_between_the_claims_of_a_process() {
    let one = Scope { writers: 1, numbers: 2, turns: 1, killed: true, ..SMALL };
    holds(Scope { rejoin: true, lost_answers: false, ..one });
    holds(Scope { from_the_end: true, lost_answers: false, ..one });
}

#[test]
fn long_three_numbers() {
    holds_long(Scope { numbers: 3, events: 2, ..SMALL });
}

#[test]
fn long_a_reader_and_lost_answers() {
    holds_long(Scope { reader: true, numbers: 2, ..SMALL });
}

#[test]
fn long_three_writers() {
    holds_long(Scope { writers: 3, claims: 3, lost_answers: false, ..SMALL });
}

#[test]
fn long_four_claims() {
    holds_long(Scope { claims: 4, lost_answers: false, ..SMALL });
}

#[test]
fn long_everything_found_from_the_end() {
    let all = Scope { numbers: 2, deletes: true, from_the_end: true, rejoin: true, ..SMALL };
    holds_long(Scope { events: 2, lost_answers: false, ..all });
}

#[test]
fn long_jvms_between_two_processes() {
    holds_long(Scope { numbers: 2, turns: 2, killed: true, lost_answers: false, ..SMALL });
}

#[test]
fn long_a_reader_beside_a_killed_jvm() {
    let one = Scope { writers: 1, numbers: 2, reader: true, lost_answers: false, ..SMALL };
    holds_long(Scope { turns: 1, killed: true, ..one });
}

#[test]
fn long_killed_jvms_and_deletes() {
    let one = Scope { writers: 1, numbers: 2, deletes: true, rejoin: true, ..SMALL };
    holds_long(Scope { turns: 2, killed: true, lost_answers: false, ..one });
}

#[test]
fn long_deletes_beside_everybody() {
    let all = Scope { numbers: 2, deletes: true, reader: true, ..SMALL };
    holds_long(Scope { lost_answers: false, ..all });
}
