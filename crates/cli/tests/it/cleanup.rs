//! `annals cleanup`.

use serde_json::{Value, json};

use crate::faults::{Fault, Faulty};
use crate::support::Program;

fn filled() -> Program {
    fill(Program::new())
}

/// Five events of `a` with snapshots at 2 and 4, one event of `b`.
fn fill(program: Program) -> Program {
    program.append("a", &["1", "2", "3", "4", "5"]);
    program.run("snapshots save a --at 2", "{\"n\":2}").rows();
    program.run("snapshots save a --at 4", "{\"n\":4}").rows();
    program.append("b", &["1"]);
    program
}

fn left(program: &Program, id: &str) -> (Vec<Value>, Vec<Value>) {
    let events = program.run(&format!("events list {id}"), "").field("sequence_nr");
    (events, program.run(&format!("snapshots list {id}"), "").field("sequence_nr"))
}

#[test]
fn a_dry_run_tells_and_deletes_nothing() {
    let program = filled();
    let before = left(&program, "a");
    for mode in ["--before-snapshot", "--keep 2", "--all"] {
        let ended = program.run(&format!("cleanup a b {mode}"), "");
        assert!(ended.stderr.contains("dry run"), "{ended:?}");
        let rows = ended.rows();
        assert_eq!((rows.len(), &rows[0]["dry_run"]), (2, &json!(true)));
        assert_eq!(left(&program, "a"), before);
    }
}

#[test]
fn what_the_newest_snapshot_includes_is_deleted() {
    let program = filled();
    let rows = program.run("cleanup a b --before-snapshot --yes", "").rows();
    assert_eq!((&rows[0]["events"], &rows[0]["snapshots"]), (&json!(4), &json!(1)));
    assert_eq!((&rows[1]["events"], &rows[1]["snapshots"]), (&json!(0), &json!(0)));
    assert_eq!(left(&program, "a"), (vec![json!(5)], vec![json!(4)]));
    assert_eq!(left(&program, "b"), (vec![json!(1)], vec![]), "without a snapshot all events stay");
    let again = program.run("cleanup a --before-snapshot --yes", "").rows();
    assert_eq!((&again[0]["events"], &again[0]["snapshots"]), (&json!(0), &json!(0)));
    assert_eq!(program.run("verify", "").rows().last().unwrap()["problems"], 0);
}

#[test]
fn as_many_snapshots_stay_as_asked_for() {
    let program = filled();
    program.run("cleanup a --keep 3 --yes", "").rows();
    assert_eq!(left(&program, "a").0.len(), 5, "fewer than three: nothing is too old");
    program.run("cleanup a --keep 2 --yes", "").rows();
    assert_eq!(left(&program, "a"), (vec![json!(3), json!(4), json!(5)], vec![json!(4), json!(2)]));
}

#[test]
fn all_of_an_id_goes_and_its_numbers_are_not_used_again() {
    let program = filled();
    program.run("cleanup a --all --yes", "").rows();
    assert_eq!(left(&program, "a"), (vec![], vec![]));
    assert_eq!(left(&program, "b").0.len(), 1);
    let next = program.run("events append a", "{\"payload\":6}").rows();
    assert_eq!(next[0]["sequence_nr"], 6);
}

#[test]
fn an_unknown_id_stops_it_before_anything_is_deleted() {
    let program = filled();
    program.run("cleanup a nobody --all --yes", "").failed(3, &["nobody"]);
    assert_eq!(left(&program, "a").0.len(), 5);
    for wrong in ["cleanup a", "cleanup --all", "cleanup a --all --keep 1", "cleanup a --keep 0"] {
        program.run(wrong, "").failed(2, &[]);
    }
}

#[test]
fn events_are_kept_whose_snapshot_cannot_be_read_or_cannot_be() {
    let (store, switch) = Faulty::store();
    let program = fill(Program::on(store));
    for fault in [Fault::SnapshotCorrupt, Fault::SnapshotPastEnd] {
        switch.set(Some(fault));
        let ended = program.run("cleanup b a --before-snapshot --yes", "");
        assert_ne!(ended.code, 0, "{fault:?}");
        switch.set(None);
        assert_eq!(left(&program, "a"), (left(&filled(), "a").0, vec![json!(4), json!(2)]));
    }
    switch.set(Some(Fault::SnapshotCorrupt));
    program
        .run("cleanup a --keep 1 --yes", "")
        .failed(7, &["snapshot 4 of a", "nothing was deleted"]);
}
