//! `snapshots list|show|save|delete`.

use serde_json::json;

use crate::support::Program;

fn filled() -> Program {
    let program = Program::new();
    program.append("a", &["1", "2", "3"]);
    for (at, state) in [(1, "{\"sum\":1}"), (2, "\"three\"")] {
        let ended = program.run(&format!("snapshots save a --at {at} --manifest S"), state);
        assert_eq!(ended.field("sequence_nr"), [json!(at)]);
    }
    program
}

#[test]
fn snapshots_are_listed_newest_first_and_shown_with_their_payload() {
    let program = filled();
    let list = program.run("snapshots list a", "");
    assert_eq!(list.field("sequence_nr"), [json!(2), json!(1)]);
    let rows = list.rows();
    let names: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let stable =
        ["persistence_id", "sequence_nr", "timestamp", "serializer_id", "manifest", "metadata"];
    assert_eq!(names, stable);
    assert_eq!(list.field("serializer_id"), [json!(20), json!(31)]);

    let newest = program.run("snapshots show a", "");
    assert_eq!(newest.field("payload"), [json!("three")]);
    let older = program.run("snapshots show a --at 1", "");
    assert_eq!(older.field("payload"), [json!({"sum": 1})]);
    program.run("snapshots show a --at 3", "").failed(3, &["no snapshot at 3"]);
    program.run("snapshots show nobody", "").failed(3, &["nobody has no snapshot"]);
    assert_eq!(program.run("snapshots list nobody", "").rows().len(), 0);
}

#[test]
fn wrong_input_saves_nothing() {
    let program = filled();
    program.run("snapshots save a --at 4", "1").failed(3, &["a ends at 3", "nothing was saved"]);
    program.run("snapshots save a --at 3", "").failed(3, &["not one JSON value"]);
    program.run("snapshots save a --at 3", "1 2").failed(3, &["not one JSON value"]);
    program.run("snapshots save a --at 3", b"\"\xff\"".to_vec()).failed(3, &["not UTF-8"]);
    program.run("snapshots save a --at 3 --serializer 99", "1").failed(3, &["serializer 99"]);
    program.run("snapshots save a --at 3 --serializer 18", "\"x\"").failed(3, &["serializer 18"]);
    program.run("snapshots save a", "1").failed(2, &["--at"]);
    assert_eq!(program.run("snapshots list a", "").rows().len(), 2);
}

#[test]
fn a_delete_is_a_dry_run_without_yes() {
    let program = filled();
    let dry = program.run("snapshots delete a", "");
    assert_eq!(dry.field("sequence_nr"), [json!(2), json!(1)]);
    assert!(dry.stderr.contains("--yes"));
    assert_eq!(program.run("snapshots list a", "").rows().len(), 2);

    program.run("snapshots delete a --to 1 --yes", "").rows();
    assert_eq!(program.run("snapshots list a", "").field("sequence_nr"), [json!(2)]);
    program.run("snapshots delete a --at 1 --yes", "").rows();
    program.run("snapshots delete a --yes", "").rows();
    assert_eq!(program.run("snapshots list a", "").rows().len(), 0);
}
