//! `verify`: says nothing about a whole store, and finds what is wrong with a broken one.

use crate::faults::{Fault, Faulty};
use crate::support::Program;

fn filled(program: &Program) {
    let lines = r#"{"persistence_id":"a","payload":1,"tags":["x"]}
{"persistence_id":"b","payload":2,"tags":["x","y"]}
{"persistence_id":"a","payload":3}
{"persistence_id":"c","payload":{"base64":"AA=="},"serializer":-9}
{"persistence_id":"c","payload":4}
"#;
    assert_eq!(program.run("events append", lines).rows().len(), 5);
    program.run("snapshots save a --at 2", "1").rows();
    program.run("events delete a --to 1 --yes", "").rows();
    program.run("events delete b --to 1 --yes", "").rows();
}

#[test]
fn a_whole_store_has_no_problems() {
    let program = Program::new();
    filled(&program);
    let rows = program.run("verify", "").rows();
    assert_eq!(rows.len(), 1);
    let expected = serde_json::json!({
        "ids": 3, "events": 3, "deleted_events": 2, "tags": 0, "snapshots": 1,
        "unknown_payloads": 1, "unreadable_payloads": 0, "deleted_without_snapshot": 1,
        "problems": 0,
    });
    assert_eq!(rows[0], expected);
    assert_eq!(Program::new().run("verify", "").rows()[0]["ids"], 0);
}

#[test]
fn each_fault_is_found() {
    let faults = [
        (Fault::HistoryHole, "J8"),
        (Fault::HistoryCut, "J8"),
        (Fault::HistoryCorrupt, "J8"),
        (Fault::IdTwice, "Q6"),
        (Fault::IdMissing, "Q6"),
        (Fault::AllSkips, "Q2"),
        (Fault::TagSkips, "Q2"),
        (Fault::TagForeign, "Q2"),
        (Fault::SliceSkips, "Q5"),
        (Fault::SnapshotCorrupt, "S2"),
        (Fault::SnapshotPastEnd, "S5"),
    ];
    for (fault, clause) in faults {
        let (store, switch) = Faulty::store();
        let program = Program::on(store);
        program.append("a", &["1", "2", "3"]);
        let tagged = "{\"payload\":4,\"tags\":[\"x\"]}\n{\"payload\":5,\"tags\":[\"x\"]}";
        program.run("events append b", tagged).rows();
        program.run("snapshots save a --at 3", "1").rows();
        assert_eq!(program.run("verify", "").rows()[0]["problems"], 0, "{fault:?}");

        switch.set(Some(fault));
        let ended = program.run("verify", "");
        ended.failed(7, &["problems were found"]);
        let lines = ended.lines();
        assert_eq!(lines[0]["problem"], clause, "{fault:?}: {ended:?}");
        assert!(lines.last().unwrap()["problems"].as_u64().unwrap() > 0, "{ended:?}");
    }
}
