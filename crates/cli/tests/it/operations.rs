//! Running a store: offsets, health, completions and manual pages.

use std::io::{BufReader, Write};

use serde_json::{Value, json};

use crate::directory::{Directory, end, lines, next_line};
use crate::support::{Program, Shared};

#[test]
fn an_offset_is_moved_only_with_yes_and_only_to_one_of_this_store() {
    let store = Directory::new();
    store.rows("events append a", "{\"payload\":1}\n{\"payload\":2}");
    let offsets: Vec<Value> =
        store.rows("events all", "").iter().map(|event| event["offset"].clone()).collect();
    let set = format!("offsets set board {}", offsets[0].as_str().unwrap());
    let dry = &store.rows(&set, "")[0];
    assert_eq!((&dry["dry_run"], &dry["before"]), (&json!(true), &Value::Null));
    assert!(store.rows("offsets list", "").is_empty(), "a dry run moves nothing");

    let done = &store.rows(&format!("{set} --yes"), "")[0];
    assert_eq!((&done["dry_run"], &done["offset"]), (&json!(false), &offsets[0]));
    let moved = format!("offsets set board {} --yes", offsets[1].as_str().unwrap());
    assert_eq!(store.rows(&moved, "")[0]["before"], offsets[0]);
    let listed = &store.rows("offsets list", "")[0];
    assert_eq!((&listed["offset"], &listed["revision"]), (&offsets[1], &json!(2)));

    let other = Directory::new();
    other.rows("events append a", "{\"payload\":1}");
    let foreign = other.rows("events all", "")[0]["offset"].as_str().unwrap().to_owned();
    for yes in ["", " --yes"] {
        let said = store.fails(&format!("offsets set board {foreign}{yes}"), "", 3);
        assert!(said.contains("another store"), "{said}");
    }
    store.fails("offsets set board nonsense --yes", "", 3);
}

#[test]
fn health_is_an_exit_code() {
    let store = Directory::new();
    let missing = store.run("health", "");
    assert_eq!(missing.status.code(), Some(3));
    assert_eq!(lines(&missing.stdout)[0]["healthy"], false);
    store.rows("events append a", "{\"payload\":1}");
    let healthy = &store.rows("health --deadline 20", "")[0];
    assert_eq!((&healthy["healthy"], &healthy["store"]), (&json!(true), &json!("embedded")));

    let late = store.run("health --deadline 0.000000001", "");
    assert_eq!(late.status.code(), Some(5));
    let told = &lines(&late.stdout)[0];
    assert_eq!((&told["healthy"], &told["error"]), (&json!(false), &json!("unavailable")));
    store.fails("health --deadline 0", "", 2);
}

#[test]
fn completions_and_pages_know_every_command() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = program.run_words(&["completions", shell], "", Shared::default());
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("snapshots"), "{shell}");
    }
    let page = program.run_words(&["man"], "", Shared::default());
    assert!(page.stdout.contains(".TH annals 1"), "{page:?}");
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("pages");
    let written =
        program.run_words(&["man", "--dir", pages.to_str().unwrap()], "", Shared::default());
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    let append = std::fs::read_to_string(pages.join("annals-events-append.1")).unwrap();
    assert!(append.contains("in\\-flight"), "{append}");
}

#[test]
fn a_backup_is_made_beside_the_writer_and_opened_like_a_store() {
    let store = Directory::new();
    let mut writer = store.command("events append a").spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    let mut receipts = BufReader::new(writer.stdout.take().unwrap());
    for number in 1..=3 {
        writeln!(stdin, "{{\"payload\":{number}}}").unwrap();
        next_line(&mut receipts);
    }
    let backup = Directory::new();
    let command = format!("backup {} --verify", backup.path().display());
    let made = &store.rows(&command, "")[0];
    assert_eq!((&made["segments"], &made["verified"]), (&json!(1), &json!(true)));
    store.fails(&command, "", 3);
    writeln!(stdin, "{{\"payload\":4}}").unwrap();
    drop(stdin);
    assert!(end(writer).success());

    assert_eq!(backup.rows("events list a", "").len(), 3);
    assert_eq!(backup.rows("verify", "").last().unwrap()["problems"], 0);
    assert_eq!(backup.rows("events append a", "{\"payload\":5}")[0]["sequence_nr"], 4);
    assert_eq!(store.rows("events list a", "").len(), 4);
    Program::new().run("backup nowhere", "").failed(3, &["embedded"]);
}
