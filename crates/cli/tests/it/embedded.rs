//! The program on stores in directories, one process after the other.

use std::io::{BufReader, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::directory::{Directory, end, lines, next_line, stderr};

const EVENTS: &str = r#"{"persistence_id":"a","payload":{"n":1},"tags":["x"]}
{"persistence_id":"b","payload":"two","tags":["x","y"]}
{"persistence_id":"a","payload":{"base64":"AP8="},"serializer":4}
"#;

#[test]
fn what_one_process_appends_the_next_one_reads() {
    let store = Directory::new();
    assert_eq!(store.rows("events append", EVENTS).len(), 3);
    assert_eq!(store.rows("events append a", "{\"payload\":4}")[0]["sequence_nr"], 3);
    let payloads: Vec<Value> =
        store.rows("events list a", "").iter().map(|row| row["payload"].clone()).collect();
    assert_eq!(payloads, [json!({"n": 1}), json!({"base64": "AP8="}), json!(4)]);
    assert_eq!(store.rows("events tag x", "").len(), 2);
    assert_eq!(store.rows("events slices 0-1023", "").len(), 4);
    assert_eq!(store.rows("ids list", "").len(), 2);
    let all = store.rows("events all", "");
    let after = all[1]["offset"].as_str().unwrap();
    assert_eq!(store.rows(&format!("events all --after {after}"), ""), all[2..]);
    assert_eq!(store.rows("snapshots save a --at 2", "{\"s\":1}").len(), 1);
    assert_eq!(store.rows("snapshots show a", "")[0]["payload"], json!({"s": 1}));
    assert_eq!(store.rows("events delete a --to 2 --yes", "").len(), 1);
    assert_eq!(store.rows("events list a", "")[0]["sequence_nr"], 3);
    let verified = store.rows("verify", "");
    assert_eq!((&verified[0]["ids"], &verified[0]["problems"]), (&json!(2), &json!(0)));
}

#[test]
fn an_export_is_imported_into_another_store() {
    let (source, target) = (Directory::new(), Directory::new());
    source.rows("events append", EVENTS);
    source.rows("snapshots save b --at 1", "1");
    source.rows("events delete a --to 1 --yes", "");
    let export = source.run("export", "").stdout;
    assert_eq!(target.rows("import", &export)[0]["events_imported"], 2);
    assert_eq!(target.rows("import", &export)[0]["events_present"], 2);
    let without_offset = |lines: Vec<Value>| -> Vec<Value> {
        let mut lines = lines;
        for line in &mut lines {
            line.as_object_mut().unwrap().remove("offset");
        }
        lines
    };
    let again = target.run("export", "").stdout;
    assert_eq!(without_offset(lines(&again)), without_offset(lines(&export)));
    target.rows("events append b", "{\"payload\":\"other\"}");
    source.rows("events append b", "{\"payload\":\"own\"}");
    let said = target.fails("import", source.run("export", "").stdout, 4);
    assert!(said.contains("event 2 of b"), "{said}");
}

#[test]
fn an_import_that_is_killed_goes_on() {
    let (source, target) = (Directory::new(), Directory::new());
    let events: String = (0..400)
        .map(|n| format!("{{\"persistence_id\":\"id-{}\",\"payload\":{n}}}\n", n % 50))
        .collect();
    source.rows("events append --in-flight 200", events);
    let export = source.run("export", "").stdout;
    for part in 1..=3_usize {
        let mut child = target.command("import --in-flight 2").spawn().unwrap();
        let _ = child.stdin.as_mut().unwrap().write_all(&export[..export.len() * part / 4]);
        std::thread::sleep(Duration::from_millis(30));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let counts = &target.rows("import", &export)[0];
    let sum = ["events_imported", "events_present"].map(|name| counts[name].as_u64().unwrap());
    assert_eq!(sum.iter().sum::<u64>(), 400);
    assert_eq!(target.rows("events all", "").len(), 400);
    assert_eq!(target.rows("verify", "")[0]["problems"], 0);
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let store = Directory::new();
    let events = format!("{{\"payload\":\"{}\"}}\n", "x".repeat(1000)).repeat(200);
    store.rows("events append a --atomic", &events);
    store.rows("events append a --atomic", &events);
    let mut child = store.command("events all").spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(next_line(&mut stdout)["sequence_nr"], 1);
    drop(stdout);
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!((end(child).code(), said.as_str()), (Some(0), ""));
}

#[test]
fn what_is_not_there_cannot_be_read() {
    let store = Directory::new();
    for command in ["events list a", "ids list", "export", "verify", "snapshots list a"] {
        store.fails(command, "", 3);
    }
    assert!(!store.path().exists(), "reading creates nothing");
}

#[test]
fn damage_where_the_log_ends_is_exit_code_7() {
    let store = Directory::new();
    store.rows("events append a", "{\"payload\":\"number 1\"}\n{\"payload\":\"number 2\"}");
    flip_a_bit(&store.path(), b"number 1");
    let verified = store.run("verify", "");
    assert_eq!(verified.status.code(), Some(7), "{}", stderr(&verified));
    let told = lines(&verified.stdout);
    assert_eq!(told[0]["problem"], "checksum");
    assert!(told[0]["message"].as_str().unwrap().contains("byte"), "{told:?}");
    assert_eq!(told.last().unwrap()["problems"], told.len() - 1);
    store.fails("events append a", "{\"payload\":1}", 7);
}

#[test]
fn damage_further_back_is_told_and_the_rest_stays_readable() {
    let store = Directory::new();
    let line = |n: u32| format!("{{\"payload\":\"number {n} {}\"}}\n", "x".repeat(40_000));
    store.rows("events append a", (0..80).map(line).collect::<String>());
    store.rows("events append b", "{\"payload\":1}");
    assert_eq!(store.rows("verify", "")[0]["problems"], 0);
    flip_a_bit(&store.path(), b"number 3 ");

    let verified = store.run("verify", "");
    assert_eq!(verified.status.code(), Some(7), "{}", stderr(&verified));
    let told = lines(&verified.stdout);
    assert_eq!(told[0]["problem"], "checksum");
    assert!(told[0]["message"].as_str().unwrap().contains(".seg"), "{told:?}");
    assert_eq!((&told[1]["problem"], &told[1]["persistence_id"]), (&json!("J8"), &json!("a")));
    assert_eq!(told.last().unwrap()["problems"], told.len() - 1);

    assert_eq!(store.rows("events list b", "").len(), 1);
    assert_eq!(store.rows("events list a --from 70", "").len(), 11);
    let cut = store.run("events list a", "");
    assert_eq!(cut.status.code(), Some(7));
    assert!(lines(&cut.stdout).len() <= 3, "nothing behind the damage is listed");
}

/// Flips a bit of what `marker` marks.
fn flip_a_bit(dir: &Path, marker: &[u8]) {
    let damaged = files(dir).into_iter().any(|path| {
        let mut bytes = std::fs::read(&path).unwrap();
        let Some(at) = bytes.windows(marker.len()).position(|window| window == marker) else {
            return false;
        };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        true
    });
    assert!(damaged, "the event is in no file");
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}
