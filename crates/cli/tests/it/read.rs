//! `events list|tag|slices|all|delete`, `ids list`, `offsets list`.

use annals::PersistenceId;
use serde_json::{Value, json};

use crate::support::{Program, Shared};

fn filled() -> Program {
    let program = Program::new();
    let lines = r#"{"persistence_id":"acc|a","payload":{"n":1},"tags":["x"]}
{"persistence_id":"acc|b","payload":"two","tags":["x","y"],"metadata":{"user":"u"}}
{"persistence_id":"acc|a","payload":{"base64":"AP8="},"serializer":4,"event_manifest":"em"}
{"persistence_id":"other","payload":12345678901234567890123,"manifest":"m"}
"#;
    assert_eq!(program.run("events append", lines).rows().len(), 4);
    program
}

#[test]
fn an_event_has_its_stable_fields() {
    let program = filled();
    let rows = program.run("events list acc|b", "").rows();
    let names: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let stable = [
        "persistence_id",
        "sequence_nr",
        "timestamp",
        "writer",
        "serializer_id",
        "manifest",
        "event_manifest",
        "tags",
        "metadata",
        "payload",
    ];
    assert_eq!(names, stable);
    assert_eq!(rows[0]["payload"], "two");
    assert_eq!(rows[0]["serializer_id"], 20);
    assert_eq!(rows[0]["tags"], json!(["x", "y"]));
    assert_eq!(rows[0]["metadata"], json!({"user": "u"}));
    assert!(rows[0]["timestamp"].as_i64().unwrap() > 1_704_067_200_000);

    let rows = program.run("events list acc|a", "").rows();
    assert_eq!(rows[1]["payload"], json!({"base64": "AP8="}));
    assert_eq!((&rows[1]["event_manifest"], &rows[1]["metadata"]), (&json!("em"), &Value::Null));
    let other = program.run("events list other", "");
    assert!(other.stdout.contains("\"payload\":12345678901234567890123}"), "{other:?}");
}

#[test]
fn a_listing_is_cut_and_reversed() {
    let program = Program::new();
    let payloads: Vec<String> = (1..=600).map(|n: u32| n.to_string()).collect();
    program.append("a", &payloads.iter().map(String::as_str).collect::<Vec<_>>());
    let numbers = |command: &str| -> Vec<u64> {
        let ended = program.run(&format!("events list a {command}"), "");
        ended.field("sequence_nr").iter().map(|number| number.as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(""), (1..=600).collect::<Vec<_>>());
    assert_eq!(numbers("--from 598"), [598, 599, 600]);
    assert_eq!(numbers("--from 3 --to 5"), [3, 4, 5]);
    assert_eq!(numbers("--max 2"), [1, 2]);
    assert_eq!(numbers("--max 0"), [0; 0]);
    assert_eq!(numbers("--from 5 --to 3"), [0; 0]);
    assert_eq!(numbers("--reverse"), (1..=600).rev().collect::<Vec<_>>());
    assert_eq!(numbers("--reverse --max 3"), [600, 599, 598]);
    assert_eq!(numbers("--reverse --from 2 --to 4"), [4, 3, 2]);
    assert_eq!(numbers("--reverse --to 1"), [1]);
    assert_eq!(numbers("--reverse --from 700"), [0; 0]);
    assert_eq!(program.run("events list nobody --reverse", "").rows().len(), 0);
}

#[test]
fn streams_across_entities_resume_at_an_offset() {
    let program = filled();
    let all = program.run("events all", "");
    assert_eq!(all.rows().len(), 4);
    let offset = all.rows()[1]["offset"].as_str().unwrap().to_owned();
    let rest = program.run(&format!("events all --after {offset}"), "");
    assert_eq!(rest.rows(), all.rows()[2..]);
    assert_eq!(program.run("events all --max 3", "").rows(), all.rows()[..3]);

    let tagged = program.run("events tag x", "");
    assert_eq!(tagged.field("persistence_id"), [json!("acc|a"), json!("acc|b")]);
    let offset = tagged.rows()[0]["offset"].as_str().unwrap().to_owned();
    let rest = program.run(&format!("events tag x --after {offset}"), "");
    assert_eq!(rest.field("persistence_id"), [json!("acc|b")]);
    assert_eq!(program.run("events tag nothing", "").rows().len(), 0);

    let slice = PersistenceId::new("other").unwrap().slice().get();
    let one = program.run(&format!("events slices {slice}-{slice}"), "");
    assert!(one.field("persistence_id").contains(&json!("other")));
    assert_eq!(program.run("events slices 0-1023", "").rows(), all.rows());
}

#[test]
fn wrong_values_are_invalid() {
    let program = filled();
    for command in ["all", "tag x", "slices 0-1023"] {
        for offset in ["zz", "00", "0"] {
            program.run(&format!("events {command} --after {offset}"), "").failed(3, &["offset"]);
        }
    }
    for range in ["x", "5-", "9-3", "0-1024", "-"] {
        program.run_words(&["events", "slices", "--", range], "", Shared::default()).failed(3, &[]);
    }
    program.run_words(&["events", "tag", ""], "", Shared::default()).failed(3, &["tag"]);
    program.run("events list a --from x", "").failed(2, &[]);
    program.run("events list a --from 9223372036854775808", "").failed(2, &[]);
    program.run("events append a --in-flight 0", "").failed(2, &[]);
    program.run("events delete a", "").failed(2, &["--to"]);
    program.run("events", "").failed(2, &[]);
    program.run("nonsense", "").failed(2, &[]);
}

#[test]
fn a_delete_is_a_dry_run_without_yes() {
    let program = Program::new();
    program.append("a", &["1", "2", "3"]);
    let dry = program.run("events delete a --to 2", "");
    assert_eq!((&dry.rows()[0]["events"], &dry.rows()[0]["dry_run"]), (&json!(2), &json!(true)));
    assert!(dry.stderr.contains("--yes"), "{dry:?}");
    assert_eq!(program.run("events list a", "").rows().len(), 3);

    let done = program.run("events delete a --to 2 --yes", "");
    assert_eq!(done.rows()[0]["dry_run"], false);
    assert_eq!(program.run("events list a", "").field("sequence_nr"), [json!(3)]);
    // Beyond the end it is capped, and the numbers are not used again.
    let done = program.run("events delete a --to 99 --yes", "");
    assert_eq!((&done.rows()[0]["to"], &done.rows()[0]["events"]), (&json!(3), &json!(1)));
    program.append("a", &["4"]);
    assert_eq!(program.run("events list a", "").field("sequence_nr"), [json!(4)]);
    assert_eq!(program.run("ids list", "").field("persistence_id"), [json!("a")]);
}

#[test]
fn ids_are_listed_by_prefix() {
    let program = filled();
    let ids = program.run("ids list", "");
    assert_eq!(
        ids.rows(),
        [
            json!({"persistence_id": "acc|a"}),
            json!({"persistence_id": "acc|b"}),
            json!({"persistence_id": "other"}),
        ]
    );
    let ids = program.run("ids list --prefix acc|", "");
    assert_eq!(ids.field("persistence_id"), [json!("acc|a"), json!("acc|b")]);
}

#[test]
fn people_get_a_table() {
    let program = filled();
    let ended = program.run_words(&["events", "list", "acc|a"], "", Shared::default());
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("NUMBER  TIME"), "{ended:?}");
    assert!(lines[1].ends_with(r#"{"n":1}"#), "{ended:?}");
}

#[test]
fn a_closed_stdout_ends_a_listing_in_order() {
    let program = filled();
    let stdout = Shared { breaks_after: Some(0), ..Shared::default() };
    let ended = program.run_words(&["--json", "events", "all"], "", stdout);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn what_is_not_there_yet_is_unsupported() {
    let program = Program::new();
    program.run("ids rebuild", "").failed(3, &["there is nothing to rebuild"]);
    program.run("tags rebuild --all", "").failed(3, &["there is nothing to rebuild"]);
    program.run("tags repair --all", "").failed(3, &["there is nothing to repair"]);
    for command in ["schema show", "schema check", "schema create --yes"] {
        program.run(command, "").failed(3, &["has no tables"]);
    }
    for command in ["config check --store memory:", "config check --config no-such.conf"] {
        assert_eq!(program.run(command, "").code, 3, "{command}");
    }
    assert_eq!(program.run("offsets list", "").rows().len(), 0);
}
