//! `events append`.

use annals::memory::{MemoryOptions, MemoryStore};
use serde_json::json;

use crate::support::{Program, Shared};

const AB: &str = r#"{"persistence_id":"a","payload":1}
{"persistence_id":"b","payload":2}
{"persistence_id":"a","payload":3}
"#;

#[test]
fn each_line_gets_its_receipt_in_order() {
    let program = Program::new();
    let ended = program.run("events append", AB);
    assert_eq!(ended.field("persistence_id"), [json!("a"), json!("b"), json!("a")]);
    assert_eq!(ended.field("sequence_nr"), [json!(1), json!(1), json!(2)]);
    assert_eq!(ended.field("line"), [json!(1), json!(2), json!(3)]);
    let writers = ended.field("writer");
    assert_eq!(writers[0], writers[2], "one incarnation, one writer");
    assert_ne!(writers[0], writers[1]);
}

#[test]
fn lines_go_to_the_end_of_what_is_there() {
    let program = Program::new();
    program.append("a", &["1", "2"]);
    let ended = program.run("events append a", "{\"payload\":3}\r\n\r\n{\"payload\":4}");
    assert_eq!(ended.field("sequence_nr"), [json!(3), json!(4)]);
}

#[test]
fn no_line_is_nothing_to_do_and_an_empty_atomic_append_is_invalid() {
    let program = Program::new();
    assert_eq!(program.run("events append a", "\n \n").rows().len(), 0);
    program.run("events append a --atomic", "\n").failed(3, &["no line"]);
}

#[test]
fn the_first_bad_line_stops_and_earlier_receipts_stand() {
    let program = Program::new();
    let bad_lines: [(&[u8], &str); 5] = [
        (b"{\"payload\":", "EOF"),
        (b"{\"payload\":1,\"oops\":2}", "unknown field `oops`"),
        (b"{\"payload\":\"\xff\"}", "not UTF-8"),
        (b"{\"payload\":1,\"serializer\":99}", "serializer 99"),
        (b"{\"payload\":1,\"persistence_id\":\"z\"}", "\"z\""),
    ];
    for (round, (bad, reason)) in bad_lines.into_iter().enumerate() {
        for in_flight in [1, 8] {
            let id = format!("id-{round}-{in_flight}");
            let input = [b"{\"payload\":1}\n\n", bad, b"\n{\"payload\":3}\n"].concat();
            let ended = program.run(&format!("events append {id} --in-flight {in_flight}"), input);
            ended.failed(3, &["line 3", reason, "1 line was appended"]);
            assert_eq!(ended.lines().len(), 1);
            let stored = program.run(&format!("events list {id}"), "");
            assert_eq!(stored.field("payload"), [json!(1)]);
        }
    }
}

#[test]
fn atomic_lines_are_stored_together_or_not_at_all() {
    let program = Program::new();
    let ended = program.run("events append a --atomic", "{\"payload\":1}\n{\"payload\":2}\n");
    assert_eq!(ended.field("sequence_nr"), [json!(1), json!(2)]);

    let bad = program.run("events append a --atomic", "{\"payload\":3}\n{\"payload\":}\n");
    bad.failed(3, &["line 2"]);
    assert_eq!(bad.stdout, "");
    program.run("events append --atomic", AB).failed(3, &["line 2", "\"b\""]);
    assert_eq!(program.run("events list a", "").rows().len(), 2);
    assert_eq!(program.run("events list b", "").rows().len(), 0);
}

#[test]
fn after_is_a_condition_that_holds_from_the_first_line_on() {
    let program = Program::new();
    program.append("a", &["1"]);
    let two = "{\"payload\":2}\n{\"payload\":3}\n";
    for wrong in [0, 2] {
        let ended = program.run(&format!("events append a --after {wrong}"), two);
        ended.failed(4, &["line 1", "a ends at 1", "nothing was appended"]);
        assert_eq!(ended.stdout, "");
        program.run(&format!("events append a --atomic --after {wrong}"), two).failed(4, &[]);
    }
    let ended = program.run("events append a --after 1", two);
    assert_eq!(ended.field("sequence_nr"), [json!(2), json!(3)]);
    let ended = program.run("events append a --after 3 --atomic", two);
    assert_eq!(ended.field("sequence_nr"), [json!(4), json!(5)]);
    program.run("events append --after 0", AB.replace("\"a\"", "\"x\"")).failed(3, &["line 2"]);
}

#[test]
fn many_lines_in_flight_keep_the_order_of_each_id() {
    let program = Program::new();
    let lines: String = (0..600)
        .map(|n| format!("{{\"persistence_id\":\"id-{}\",\"payload\":{n}}}\n", n % 7))
        .collect();
    let ended = program.run("events append --in-flight 50", lines);
    assert_eq!(ended.rows().len(), 600);
    for id in 0..7 {
        let listed = program.run(&format!("events list id-{id}"), "");
        let expected: Vec<_> = (0..600).filter(|n| n % 7 == id).map(|n| json!(n)).collect();
        assert_eq!(listed.field("payload"), expected);
    }
}

#[test]
fn a_closed_stdout_stops_it_and_says_what_is_stored() {
    let program = Program::new();
    let stdout = Shared { breaks_after: Some(1), ..Shared::default() };
    let words = ["--json", "events", "append", "a"];
    let ended =
        program.run_words(&words, "{\"payload\":1}\n{\"payload\":2}\n{\"payload\":3}", stdout);
    ended.failed(5, &["line 2 is stored as 2 of a", "receipt"]);
    assert_eq!(program.run("events list a", "").rows().len(), 2);
}

#[test]
fn what_is_too_large_is_named_and_uses_up_no_number() {
    let options = MemoryOptions::default().with_append_bytes_max(1_000);
    let program = Program::on(MemoryStore::with_options(options).store());
    let line = |bytes| format!("{{\"payload\":\"{}\"}}\n", "x".repeat(bytes));
    let ended = program.run("events append a --in-flight 9", line(10) + &line(2_000) + &line(10));
    ended.failed(3, &["line 2", "bytes"]);
    program.run("events append a --atomic", line(600) + &line(600)).failed(3, &["line 2"]);
    program.run(&format!("events append {}", "i".repeat(70_000)), line(1)).failed(3, &["line 1"]);
    let stored = program.run("events list a", "").rows().len();
    assert_eq!(program.run("events append a", line(10)).rows()[0]["sequence_nr"], stored + 1);
}

#[test]
fn an_empty_id_is_invalid() {
    let program = Program::new();
    for words in [
        ["events", "append", ""].as_slice(),
        &["events", "list", ""],
        &["events", "delete", "", "--to", "1"],
        &["snapshots", "show", ""],
        &["snapshots", "save", "", "--at", "1"],
    ] {
        program.run_words(words, "1", Shared::default()).failed(3, &["persistence id is empty"]);
    }
}
