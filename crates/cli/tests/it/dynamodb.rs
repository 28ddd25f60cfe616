//! The program on DynamoDB Local: tables, settings, and every command that applies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::directory::{Directory, lines, stderr};

/// A store of its own on the shared server.
pub(crate) struct Tables {
    pub(crate) url: String,
    /// The program runs somewhere.
    pub(crate) directory: Directory,
}

impl Tables {
    /// Without tables yet.
    pub(crate) fn named() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{}-{count}", std::process::id(), now.as_nanos() % 1_000_000);
        let host = annals_servers::dynamodb().trim_start_matches("http://");
        let url = format!(
            "dynamodb://{host}?journal-table={name}&snapshot-table={name}-s&offset-table={name}-o"
        );
        Self { url, directory: Directory::new() }
    }

    pub(crate) fn new() -> Self {
        let tables = Self::named();
        tables.rows("schema create --yes", "");
        tables
    }

    pub(crate) fn run(&self, command: &str, stdin: impl AsRef<[u8]>) -> std::process::Output {
        self.directory.run_at(&self.url, command, stdin)
    }

    #[track_caller]
    pub(crate) fn rows(&self, command: &str, stdin: &str) -> Vec<Value> {
        let output = self.run(command, stdin);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        lines(&output.stdout)
    }
}

const EVENTS: &str = r#"{"persistence_id":"a","payload":{"n":1},"manifest":"M","tags":["x"],"metadata":{"by":"m"}}
{"persistence_id":"b","payload":"two"}
{"persistence_id":"a","payload":{"base64":"AP8="},"serializer":4}
{"persistence_id":"part","payload":"1"}
{"persistence_id":"part","payload":"2"}
{"persistence_id":"part","payload":"3"}
{"persistence_id":"gone","payload":"1"}
"#;

fn fill(tables: &Tables) {
    tables.rows("events append", EVENTS);
    tables.rows("snapshots save part --at 2 --manifest S", "{\"state\":2}");
    tables.rows("events delete part --to 1 --yes", "");
    tables.rows("events delete gone --to 1 --yes", "");
}

/// The lines of an export, without what only this store knows.
#[track_caller]
fn contents(exported: Vec<Value>) -> Vec<Value> {
    let mut lines = exported;
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("offset");
    }
    lines.sort_by_key(Value::to_string);
    lines
}

fn field(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn tables_are_made_checked_and_shown() {
    let tables = Tables::named();
    let dry = tables.rows("schema create", "");
    assert_eq!(dry.len(), 3);
    assert!(dry[0]["statement"].as_str().unwrap().starts_with("aws dynamodb create-table"));
    // Nothing was made.
    let check = tables.run("schema check", "");
    assert_eq!(check.status.code(), Some(3), "{}", stderr(&check));
    assert_eq!(field(&lines(&check.stdout), "wrong"), [json!(true), json!(false), json!(false)]);

    assert_eq!(field(&tables.rows("schema create --yes --id-index none", ""), "done"), [true; 3]);
    let left = tables.rows("schema check", "");
    assert_eq!(left.len(), 1, "the index of ids is missing: {left:?}");
    let index = tables.rows("schema create --yes", "");
    assert!(index[0]["statement"].as_str().unwrap().contains("update-table"), "{index:?}");
    assert_eq!(tables.rows("schema check", "").len(), 0);
    assert_eq!(tables.rows("schema create", "").len(), 0);
    let shown = tables.rows("schema show", "");
    assert_eq!(field(&shown, "status"), [json!("ACTIVE"), json!("ACTIVE"), json!("ACTIVE")]);
    assert_eq!(shown[0]["key"], "par (text), num (number)");
}

#[test]
fn every_command_that_applies_works() {
    let tables = Tables::new();
    fill(&tables);
    let list = tables.rows("events list part", "");
    assert_eq!(field(&list, "sequence_nr"), [2, 3]);
    let reverse = tables.rows("events list a --reverse", "");
    assert_eq!(field(&reverse, "sequence_nr"), [2, 1]);
    assert_eq!(reverse[1]["tags"], json!(["x"]));
    assert_eq!(reverse[1]["metadata"], json!({"by": "m"}));
    let ids = tables.rows("ids list", "");
    assert_eq!(field(&ids, "persistence_id"), ["a", "b", "gone", "part"]);
    assert_eq!(tables.rows("ids list --prefix p", "").len(), 1);
    assert_eq!(field(&tables.rows("snapshots list part", ""), "sequence_nr"), [2]);
    assert_eq!(tables.rows("snapshots show part", "")[0]["payload"], json!({"state": 2}));
    assert_eq!(tables.rows("health", "")[0]["healthy"], true);
    assert_eq!(tables.rows("offsets list", "").len(), 0);
    let verified = tables.rows("verify", "");
    assert_eq!((&verified[0]["events"], &verified[0]["problems"]), (&json!(5), &json!(0)));
    tables.rows("cleanup part --before-snapshot --yes", "");
    assert_eq!(field(&tables.rows("events list part", ""), "sequence_nr"), [3]);
    for command in ["events tag x", "events all", "events slices 0-1023"] {
        let output = tables.run(command, "");
        assert_eq!(output.status.code(), Some(3), "{command}");
        assert!(stderr(&output).contains("Pekko's tables have no place for it"));
    }
    let taken = tables.run("events append a --after 1", "{\"payload\":\"late\"}");
    assert_eq!(taken.status.code(), Some(4), "{}", stderr(&taken));
}

#[test]
fn stores_are_exported_imported_and_copied_both_ways() {
    let tables = Tables::new();
    fill(&tables);
    let export = tables.run("export", "");
    let exported = contents(lines(&export.stdout));
    assert_eq!(exported.len(), 8, "{exported:?}");

    let imported = Tables::new();
    imported.rows("import", std::str::from_utf8(&export.stdout).unwrap());
    assert_eq!(contents(imported.rows("export", "")), exported);

    let embedded = Directory::new();
    let url = format!("embedded:{}", embedded.path().display());
    let copied = tables.rows(&format!("copy --from {} --to {url}", tables.url), "");
    assert_eq!((&copied[0]["events_copied"], &copied[0]["whole"]), (&json!(5), &json!(true)));
    assert_eq!(contents(embedded.rows("export", "")), exported);
    let back = Tables::new();
    let copied = back.rows(&format!("copy --from {url} --to {}", back.url), "");
    assert_eq!(copied[0]["whole"], true);
    assert_eq!(contents(back.rows("export", "")), exported);
}

#[test]
fn what_deletes_left_behind_is_counted_and_swept() {
    let tables = Tables::new();
    fill(&tables);
    tables.rows("events delete part --to 2 --yes", "");
    let swept = |command: &str| {
        let rows = tables.rows(command, "");
        (rows[0]["tombstones"].clone(), rows[0]["dry_run"].clone())
    };
    // Nothing is a day old, and everything is older than now.
    assert_eq!(swept("cleanup part --tombstones 1 --yes"), (json!(0), json!(false)));
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!(swept("cleanup part --tombstones 0"), (json!(1), json!(true)));
    assert_eq!(swept("cleanup part --tombstones 0 --yes"), (json!(1), json!(false)));
    assert_eq!(swept("cleanup part --tombstones 0 --yes"), (json!(0), json!(false)));
    let left = tables.rows("events list part", "");
    assert_eq!(field(&left, "sequence_nr"), [json!(3)]);
    let memory = tables.directory.run_at("memory:", "cleanup part --tombstones 1 --yes", "");
    assert_eq!(memory.status.code(), Some(3), "{}", stderr(&memory));
    assert!(stderr(&memory).contains("stores on DynamoDB"), "{}", stderr(&memory));
}

#[test]
fn settings_are_checked_and_secrets_are_not_shown() {
    let tables = Tables::named();
    let url = format!("{}&aws-client-config.use-gzip=true", tables.url);
    let config = |file: &str| {
        let path = tables.directory.path().with_extension("conf");
        std::fs::write(&path, file).unwrap();
        let command = format!("config check --config {}", path.display());
        tables.directory.run_without_store(&command)
    };
    let rows = lines(&tables.directory.run_at(&url, "config check", "").stdout);
    assert_eq!(rows.last().unwrap()["state"], "not honoured");

    let endpoint = annals_servers::dynamodb();
    let plugin = r#"
        pekko.persistence.journal.plugin = "my-journal"
        my-journal = ${dynamodb-journal} { aws-access-key-id = me, aws-secret-access-key = hidden"#;
    let output = config(&format!("{plugin}, endpoint = \"{endpoint}\" }}"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap() + &stderr_of(&output.stderr);
    assert!(
        text.contains("my-journal.aws-secret-access-key") && !text.contains("hidden"),
        "{text}"
    );
    let output = config(&format!("{plugin}, jurnal-table = x }}"));
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("my-journal.jurnal-table"), "{}", stderr(&output));
}

fn stderr_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_configuration_opens_the_store_that_it_names() {
    let tables = Tables::new();
    fill(&tables);
    let name = |key: &str| {
        let rest = tables.url.split_once(&format!("{key}=")).unwrap().1;
        rest.split('&').next().unwrap().to_owned()
    };
    let path = tables.directory.path().with_extension("conf");
    let text = format!(
        "pekko.persistence.journal.plugin = my-journal\n\
         pekko.persistence.snapshot-store.plugin = my-snapshots\n\
         dynamodb-journal {{ endpoint = \"{}\", aws-access-key-id = a, aws-secret-access-key = b }}\n\
         my-journal = ${{dynamodb-journal}} {{ journal-table = {} }}\n\
         my-snapshots = ${{dynamodb-snapshot-store}} {{ snapshot-table = {} }}\n",
        annals_servers::dynamodb(),
        name("journal-table"),
        name("snapshot-table"),
    );
    std::fs::write(&path, text).unwrap();
    let run = |command: &str| {
        let command = format!("{command} --config {}", path.display());
        let output = tables.directory.run_without_store(&command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        lines(&output.stdout)
    };
    assert_eq!(run("events list a").len(), 2);
    assert_eq!(run("snapshots list part").len(), 1);
}

#[test]
fn missing_tables_and_servers_are_named() {
    let tables = Tables::named();
    let missing = tables.run("events list a", "");
    assert_eq!(missing.status.code(), Some(5), "{}", stderr(&missing));
    assert!(stderr(&missing).contains("annals schema create"), "{}", stderr(&missing));
    let gone = "dynamodb://127.0.0.1:1?aws-client-config.max-error-retry=1";
    let gone = tables.directory.run_at(gone, "health", "");
    assert_eq!(gone.status.code(), Some(5));
    assert!(stderr(&gone).contains("cannot be reached"), "{}", stderr(&gone));
}
