//! `export` and `import`: everything survives, an interrupted import goes on, nothing is overwritten.

use annals::{
    Append, AppendId, JournalExt, NewEvent, Payload, PersistenceId, SeqNr, SeqRange, SerializerId,
    Timestamp, WriterId,
};
use serde_json::json;

use crate::support::Program;

/// Events of every kind, a deleted prefix, an id without events, snapshots.
fn source() -> Program {
    let program = Program::new();
    let lines = r#"{"persistence_id":"a","payload":{"n":1},"tags":["x"],"metadata":{"u":1}}
{"persistence_id":"b","payload":"two","tags":["x","y"]}
{"persistence_id":"a","payload":{"base64":"AP8="},"serializer":4,"event_manifest":"em"}
{"persistence_id":"a","payload":{"b": [1.50 ,123456789012345678901]},"manifest":"com.example.E#2"}
{"persistence_id":"b","payload":{"k":[1,"x"]},"serializer":33,"metadata":"plain"}
{"persistence_id":"b","payload":{"base64":"/w=="},"serializer":-9,"manifest":"own"}
{"persistence_id":"gone","payload":1}
{"persistence_id":"gone","payload":2}
{"persistence_id":"part","payload":1}
{"persistence_id":"part","payload":2}
{"persistence_id":"part","payload":3,"metadata":{"serializer_id":20,"payload":"text"}}
"#;
    assert_eq!(program.run("events append", lines).rows().len(), 11);
    program.run("snapshots save part --at 2 --manifest S", "{\"state\":2}").rows();
    program.run("events delete gone --to 2 --yes", "").rows();
    program.run("events delete part --to 2 --yes", "").rows();
    // Bytes that their serializer cannot read survive as well.
    append(&program, "raw", SeqNr::ZERO, Payload::new(SerializerId::JACKSON_JSON, "m", "{ broken"));
    program
}

fn append(program: &Program, id: &str, after: SeqNr, payload: Payload) {
    let id = PersistenceId::new(id).unwrap();
    let event = NewEvent::new(payload, Timestamp::from_millis(1));
    let append_id = AppendId::new(u128::from(after.get()) + 1);
    let writer = WriterId::new("test");
    let append = Append::new(append_id, id, after, writer, vec![event]).unwrap();
    block_on(program.store().journal.append(append)).unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Everything that a store holds but its offsets.
fn contents(program: &Program) -> Vec<String> {
    let mut all = Vec::new();
    for id in program.run("ids list", "").field("persistence_id") {
        let id = PersistenceId::new(id.as_str().unwrap()).unwrap();
        let journal = &program.store().journal;
        let bounds = block_on(journal.bounds(&id)).unwrap();
        let events = block_on(journal.read_all(&id, SeqRange::ALL)).unwrap();
        let snapshots = program.run(&format!("snapshots list {id}"), "").stdout;
        all.push(format!("{id} {bounds:?} {events:?} {snapshots}"));
    }
    all.sort();
    all
}

fn events_in_order(program: &Program) -> Vec<String> {
    let rows = program.run("events all", "").rows();
    rows.iter().map(|row| format!("{} {}", row["persistence_id"], row["sequence_nr"])).collect()
}

#[test]
fn everything_survives() {
    let source = source();
    let export = source.run("export", "");
    assert_eq!(export.code, 0, "{export:?}");
    let target = Program::new();
    let import = target.run("import", export.stdout.clone());
    let counts = &import.rows()[0];
    assert_eq!((&counts["events_imported"], &counts["snapshots_imported"]), (&json!(8), &json!(1)));
    assert_eq!(contents(&target), contents(&source));
    assert_eq!(events_in_order(&target), events_in_order(&source));

    let again = target.run("import", export.stdout);
    let counts = &again.rows()[0];
    assert_eq!((&counts["events_imported"], &counts["events_present"]), (&json!(0), &json!(8)));
    assert_eq!((&counts["snapshots_present"], &counts["entities_deleted"]), (&json!(1), &json!(0)));
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn an_import_that_was_cut_anywhere_goes_on() {
    let source = source();
    let export = source.run("export", "").stdout;
    let lines: Vec<&str> = export.lines().collect();
    for cut in 0..=lines.len() {
        let target = Program::new();
        target.run("import --in-flight 3", lines[..cut].join("\n")).rows();
        target.run("import", export.clone()).rows();
        assert_eq!(contents(&target), contents(&source), "cut after {cut} lines");
    }
}

#[test]
fn an_export_goes_on_at_an_offset() {
    let source = source();
    let export = source.run("export", "");
    let event = export.lines().into_iter().find(|line| line["type"] == "event").unwrap();
    let rest = source.run(&format!("export --after {}", event["offset"].as_str().unwrap()), "");
    let events = |lines: Vec<serde_json::Value>| {
        lines.into_iter().filter(|line| line["type"] == "event").collect::<Vec<_>>()
    };
    assert_eq!(events(rest.rows()), events(export.rows())[1..]);
    source.run("export --after 00", "").failed(3, &["offset"]);
}

#[test]
fn a_difference_is_a_conflict_that_names_id_and_number() {
    let source = source();
    let export = source.run("export", "").stdout;
    let target = Program::new();
    target.run("import", export.clone()).rows();
    let before = contents(&target);

    let changed = export.replace("\"two\"", "\"three\"");
    let ended = target.run("import", changed);
    ended.failed(4, &["event 1 of b", "payload", "nothing was overwritten", "line "]);
    let changed = export.replace("\"tags\":[\"x\",\"y\"]", "\"tags\":[\"x\"]");
    target.run("import", changed).failed(4, &["event 1 of b", "tags"]);
    let changed = export.replace("{\"state\":2}", "{\"state\":3}");
    target.run("import", changed).failed(4, &["snapshot 2 of part"]);
    assert_eq!(contents(&target), before);
}

#[test]
fn an_id_that_is_further_along_is_left_as_it_is() {
    let source = Program::new();
    source.append("a", &["1", "2"]);
    let export = source.run("export", "").stdout;
    let target = Program::new();
    target.run("import", export.clone()).rows();
    target.append("a", &["3"]);
    target.run("events delete a --to 1 --yes", "").rows();
    let counts = target.run("import", export).rows().remove(0);
    assert_eq!((&counts["events_present"], &counts["events_deleted"]), (&json!(1), &json!(1)));
    assert_eq!(target.run("events list a", "").field("payload"), [json!(2), json!(3)]);
}

#[test]
fn wrong_lines_are_named_and_what_stands_before_is_imported() {
    let event = |id: &str, number: u32| {
        format!(
            r#"{{"type":"event","persistence_id":"{id}","sequence_nr":{number},"timestamp":1,"writer":"w","serializer_id":20,"payload":"x"}}"#
        )
    };
    let bad = [
        "{".to_owned(),
        event("a", 1).replace("\"writer\":\"w\",", ""),
        event("a", 0),
        event("a", 1).replace("event", "evnt"),
        event("a", 1).replace("\"x\"", "7"),
        event("a", 1).replace("\"payload\"", "\"payload_base64\":\"?\",\"payload\""),
        r#"{"type":"entity","persistence_id":"e","deleted_to":2,"highest":1}"#.to_owned(),
        r#"{"type":"snapshot","persistence_id":"s","sequence_nr":9,"timestamp":1,"serializer_id":20,"payload":"x"}"#.to_owned(),
    ];
    for bad in bad {
        let program = Program::new();
        let ended = program.run("import", format!("{}\n{bad}\n{}", event("z", 1), event("z", 2)));
        ended.failed(3, &["line 2", "what was imported stands"]);
        assert_eq!(ended.lines()[0]["events_imported"], 1, "{bad}");
        assert_eq!(program.run("events list z", "").rows().len(), 1);
    }
    let program = Program::new();
    let ended = program.run("import", format!("{}\n{}", event("a", 1), event("a", 3)));
    ended.failed(4, &["line 2", "event 3 of a does not follow"]);
}

#[test]
fn a_line_that_stands_twice_is_compared_with_itself() {
    let source = Program::new();
    source.append("a", &["1"]);
    let line = source.run("export", "").stdout;
    let target = Program::new();
    let counts = target.run("import", format!("{line}{line}")).rows().remove(0);
    assert_eq!((&counts["events_imported"], &counts["events_present"]), (&json!(1), &json!(1)));
}

#[test]
fn a_long_history_is_imported_whole() {
    let source = Program::new();
    let lines: String = (0..3000)
        .map(|n| format!("{{\"persistence_id\":\"id-{}\",\"payload\":{n}}}\n", n / 700))
        .collect();
    source.run("events append --in-flight 100", lines).rows();
    let export = source.run("export", "").stdout;
    let target = Program::new();
    target.run("import", export.clone()).rows();
    assert_eq!(contents(&target), contents(&source));
    let counts = target.run("import", export).rows().remove(0);
    assert_eq!(counts["events_present"], 3000);
}

#[test]
fn what_is_nested_as_deep_as_can_be_read_survives() {
    let source = Program::new();
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let line = format!("{{\"payload\":{deep},\"metadata\":{deep}}}");
    source.run("events append a", line).rows();
    let target = Program::new();
    target.run("import", source.run("export", "").stdout).rows();
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn the_lines_of_events_all_can_be_imported() {
    let source = Program::new();
    source.append("a", &["1", "\"two\""]);
    let target = Program::new();
    target.run("import", source.run("events all", "").stdout).rows();
    assert_eq!(contents(&target), contents(&source));
}
