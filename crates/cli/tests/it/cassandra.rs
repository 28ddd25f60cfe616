//! The built program on a real Cassandra node.

use std::process::{Command, Output};

use serde_json::Value;

fn annals(url: &str, arguments: &[&str], stdin: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_annals"))
        .args(["--json", "--store", url])
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn rows(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {stderr}", output.status);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_store_is_made_written_and_read_by_url() {
    let address = annals_servers::cassandra();
    let name = format!("annals_cli_{}", std::process::id());
    let url = format!(
        "cassandra://{address}?journal.keyspace={name}&snapshot.keyspace={name}_s\
         &tag-writers=own&events-by-tag.first-time-bucket=20260101T00:00"
    );

    // Nothing is there yet, and nothing is made unasked.
    let refused = annals(&url, &["events", "list", "a|1"], "");
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("schema create"));
    assert!(!annals(&url, &["schema", "check"], "").status.success());
    assert!(!rows(&annals(&url, &["schema", "create"], "")).is_empty());
    assert!(!annals(&url, &["schema", "check"], "").status.success());
    assert!(!rows(&annals(&url, &["schema", "create", "--yes"], "")).is_empty());
    assert!(rows(&annals(&url, &["schema", "check"], "")).is_empty());
    assert!(rows(&annals(&url, &["schema", "create", "--yes"], "")).is_empty());

    let lines = "{\"payload\": \"one\", \"tags\": [\"red\"]}\n{\"payload\": \"two\"}\n";
    let receipts = rows(&annals(&url, &["events", "append", "a|1"], lines));
    assert_eq!(receipts.len(), 2, "{receipts:?}");
    let events = rows(&annals(&url, &["events", "list", "a|1"], ""));
    let payloads: Vec<_> = events.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(payloads, ["one", "two"]);
    let red = rows(&annals(&url, &["events", "tag", "red"], ""));
    assert_eq!(red.len(), 1, "{red:?}");
    assert_eq!(red[0]["sequence_nr"], 1);
    let ids = rows(&annals(&url, &["ids", "list"], ""));
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(rows(&annals(&url, &["tags", "repair", "--all"], "")).len(), 1);
    assert_eq!(rows(&annals(&url, &["health"], ""))[0]["healthy"], true);

    // The tables remember what they were made for.
    let other = annals(&format!("{url}&fencing=off"), &["events", "append", "a|1"], lines);
    assert_eq!(other.status.code(), Some(3), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("made with fencing = claims"));
}
