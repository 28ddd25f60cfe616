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

    let lines = "{\"payload\": \"one\", \"tags\": [\"red\", \"loud\"]}\n{\"payload\": \"two\"}\n";
    let receipts = rows(&annals(&url, &["events", "append", "a|1"], lines));
    assert_eq!(receipts.len(), 2, "{receipts:?}");
    let events = rows(&annals(&url, &["events", "list", "a|1"], ""));
    let payloads: Vec<_> = events.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(payloads, ["one", "two"]);
    let red = rows(&annals(&url, &["events", "tag", "red"], ""));
    assert_eq!(red.len(), 1, "{red:?}");
    assert_eq!(red[0]["sequence_nr"], 1);
    let verified = rows(&annals(&url, &["verify"], ""));
    assert_eq!(verified.last().unwrap()["problems"], 0, "{verified:?}");
    let ids = rows(&annals(&url, &["ids", "list"], ""));
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(rows(&annals(&url, &["tags", "repair", "--all"], "")).len(), 1);
    assert_eq!(rows(&annals(&url, &["health"], ""))[0]["healthy"], true);

    // Everything is there already.
    assert_eq!(rows(&annals(&url, &["ids", "rebuild", "--yes"], "")), Vec::<Value>::new());
    for arguments in [&["tags", "rebuild", "a|1"][..], &["tags", "rebuild", "--all", "--yes"]] {
        let rebuilt = rows(&annals(&url, arguments, ""));
        assert_eq!(rebuilt.len(), 1, "{rebuilt:?}");
        assert_eq!(rebuilt[0]["persistence_id"], "a|1");
        assert_eq!(rebuilt[0]["rows"], 2);
        assert_eq!((&rebuilt[0]["written"], &rebuilt[0]["removed"]), (&0.into(), &0.into()));
        assert_eq!(rebuilt[0]["dry_run"], !arguments.contains(&"--yes"));
    }

    // The tables remember what they were made for.
    let other = annals(&format!("{url}&fencing=off"), &["events", "append", "a|1"], lines);
    assert_eq!(other.status.code(), Some(3), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("made with fencing = claims"));
}

#[test]
fn a_configuration_makes_and_opens_the_store_that_it_names() {
    let address = annals_servers::cassandra();
    let name = format!("annals_cli_conf_{}", std::process::id());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("application.conf");
    let configured = |more: &str| {
        let text = format!(
            "pekko.persistence.journal.plugin = my-cassandra.journal\n\
             pekko.persistence.snapshot-store.plugin = my-cassandra.snapshot\n\
             my-cassandra = ${{pekko.persistence.cassandra}} {{\n\
               journal.keyspace = {name}, snapshot.keyspace = {name}_s, {more} }}\n\
             datastax-java-driver {{\n\
               basic {{ contact-points = [\"{address}\"], request.timeout = 20s }}\n\
               advanced.auth-provider {{ class = PlainTextAuthProvider, username = u, password = hidden }}\n\
             }}\n"
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |path: &str, arguments: &[&str], stdin: &str| {
        use std::io::Write;
        let mut child = Command::new(env!("CARGO_BIN_EXE_annals"))
            .args(["--json", "--config", path])
            .args(arguments)
            .env_remove("ANNALS_STORE")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };

    let misspelt = run(&configured("jurnal.table = x"), &["config", "check"], "");
    assert_eq!(misspelt.status.code(), Some(3), "{misspelt:?}");
    assert!(String::from_utf8_lossy(&misspelt.stderr).contains("my-cassandra.jurnal.table"));

    let path = configured("fencing = lwt");
    let checked = run(&path, &["config", "check"], "");
    assert!(!String::from_utf8_lossy(&checked.stdout).contains("hidden"));
    let states = rows(&checked);
    let state = |key: &str| {
        let row = states.iter().find(|row| row["key"] == key).unwrap();
        row["state"].clone()
    };
    assert_eq!(state("my-cassandra.fencing"), "honoured");
    assert_eq!(state("datastax-java-driver.basic.request.page-size"), "not honoured");

    rows(&run(&path, &["schema", "create", "--yes"], ""));
    rows(&run(&path, &["events", "append", "a|1"], "{\"payload\": \"one\"}\n"));
    assert_eq!(rows(&run(&path, &["events", "list", "a|1"], "")).len(), 1);
    assert_eq!(rows(&run(&path, &["health"], ""))[0]["healthy"], true);
}

#[test]
fn wrong_input_is_told_with_what_to_do() {
    let address = annals_servers::cassandra();
    let name = format!("annals_cli_wrong_{}", std::process::id());
    let url = |more: &str| {
        format!("cassandra://{address}?journal.keyspace={name}&snapshot.keyspace={name}_s{more}")
    };
    let refused = |url: &str, code: i32, said: &[&str]| {
        for command in [&["events", "list", "a|1"][..], &["tags", "rebuild", "--all", "--yes"]] {
            let output = annals(url, command, "");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
            assert!(output.stdout.is_empty(), "{output:?}");
            assert!(!stderr.contains("panicked"), "{stderr}");
            for said in said {
                assert!(stderr.contains(said), "{said:?} is not in {stderr}");
            }
        }
    };

    refused(&url(""), 3, &["lacks", &format!("keyspace {name}"), "schema create"]);
    // Without tags and a list of ids, so that tables are missing where they are asked for.
    let few = "&events-by-tag.enabled=off&journal.support-all-persistence-ids=off";
    rows(&annals(&url(few), &["schema", "create", "--yes"], ""));
    rows(&annals(&url(few), &["events", "append", "a|1"], "{\"payload\": \"one\"}\n"));
    refused(&url(""), 3, &["lacks", "tag_views", "all_persistence_ids", "schema create"]);
    refused(&url("&journal.table=other"), 3, &["lacks", &format!("{name}.other"), "schema create"]);
    rows(&annals(&url(""), &["schema", "create", "--yes"], ""));
    let made_with = ["was made with target-partition-size = 500000, not 7", &name];
    refused(&url("&journal.target-partition-size=7"), 3, &made_with);
    refused(
        &url("&events-by-tag.bucket-size=Day"),
        3,
        &["was made with bucket-size = Hour, not Day"],
    );
    refused(&url("&jurnal.table=x"), 3, &["jurnal.table"]);
    let nobody = format!("cassandra://127.0.0.1:1?journal.keyspace={name}");
    refused(&nobody, 5, &["127.0.0.1:1"]);

    // What never was listed or tagged is found in the events.
    let listed = rows(&annals(&url(""), &["ids", "rebuild"], ""));
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["persistence_id"], &listed[0]["dry_run"]),
        (&"a|1".into(), &true.into())
    );
    assert_eq!(rows(&annals(&url(""), &["ids", "rebuild", "--yes"], "")).len(), 1);
    assert_eq!(rows(&annals(&url(""), &["ids", "list"], "")).len(), 1);

    // Of each run above that wrote, a process is left; none of them owns `a|1` but one.
    let cleaned = rows(&annals(&url(""), &["cleanup", "--claims", "0"], ""));
    assert!(cleaned.iter().all(|row| row["process"].is_string()), "{cleaned:?}");
    assert!(!cleaned.is_empty());
    assert!(rows(&annals(&url(""), &["cleanup", "--claims", "1", "--yes"], "")).is_empty());
    let removed = rows(&annals(&url(""), &["cleanup", "--claims", "0", "--yes"], ""));
    assert!(removed.len() >= cleaned.len(), "{removed:?}");
    let elsewhere = annals("memory:", &["cleanup", "--claims", "1"], "");
    assert_eq!(elsewhere.status.code(), Some(3), "{elsewhere:?}");
}
