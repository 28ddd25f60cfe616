//! `annals copy` between stores in directories.

use std::io::{BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::{
    Append, AppendId, NewEvent, Payload, PersistenceId, SeqNr, SerializerId, Timestamp, WriterId,
};
use serde_json::{Value, json};

use crate::directory::{Directory, end, lines, next_line, stderr};

const EVENTS: &str = r#"{"persistence_id":"a","payload":{"n":1},"tags":["x"],"metadata":{"by":"m"}}
{"persistence_id":"b","payload":"two","tags":["x","y"]}
{"persistence_id":"a","payload":{"base64":"AP8="},"serializer":4,"manifest":"M"}
{"persistence_id":"part","payload":1}
{"persistence_id":"part","payload":2}
{"persistence_id":"part","payload":3}
{"persistence_id":"gone","payload":1}
{"persistence_id":"gone","payload":2}
"#;

fn url(store: &Directory) -> String {
    format!("embedded:{}?segment-bytes=1048576", store.path().display())
}

fn command(from: &Directory, to: &Directory) -> String {
    format!("copy --from {} --to {}", url(from), url(to))
}

#[track_caller]
fn copy(from: &Directory, to: &Directory) -> Value {
    from.rows(&command(from, to), "").remove(0)
}

fn source() -> Directory {
    let source = Directory::new();
    source.rows("events append", EVENTS);
    source.rows("snapshots save part --at 2", "{\"state\":2}");
    source.rows("events delete part --to 1 --yes", "");
    source.rows("events delete gone --to 2 --yes", "");
    source
}

/// The lines of an export, without what only this store knows.
fn contents(store: &Directory) -> Vec<Value> {
    let export = store.run("export", "");
    assert_eq!(export.status.code(), Some(0), "{}", stderr(&export));
    let mut lines = lines(&export.stdout);
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("offset");
    }
    lines.sort_by_key(Value::to_string);
    lines
}

#[test]
fn everything_is_copied_and_a_second_copy_finds_it_there() {
    let (source, target) = (source(), Directory::new());
    let counts = copy(&source, &target);
    assert_eq!(counts["whole"], true);
    assert_eq!((&counts["events_copied"], &counts["snapshots_copied"]), (&json!(5), &json!(1)));
    assert_eq!((&counts["events_verified"], &counts["entities_deleted"]), (&json!(5), &json!(1)));
    assert_eq!(contents(&target), contents(&source));
    assert_eq!(target.rows("verify", "").last().unwrap()["problems"], 0);
    let again = target.rows("events append gone", "{\"payload\":3}");
    assert_eq!(again[0]["sequence_nr"], 3, "the numbers of deleted events are not used again");

    let counts = copy(&source, &target);
    assert_eq!((&counts["events_copied"], &counts["events_present"]), (&json!(0), &json!(5)));
    assert_eq!((&counts["snapshots_present"], &counts["deletes_left"]), (&json!(1), &json!(0)));
}

#[test]
fn with_one_append_in_flight_the_order_of_commits_is_kept() {
    let (source, target) = (source(), Directory::new());
    source.rows(&format!("{} --in-flight 1", command(&source, &target)), "");
    let order = |store: &Directory| -> Vec<Value> {
        let events = store.rows("events all", "");
        events.iter().map(|event| json!([event["persistence_id"], event["sequence_nr"]])).collect()
    };
    assert_eq!(order(&target), order(&source));
}

#[test]
fn a_live_source_is_copied_up_to_what_it_held_and_gone_on_with() {
    let (source, target) = (source(), Directory::new());
    let mut writer = source.command("events append live").spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    let mut receipts = BufReader::new(writer.stdout.take().unwrap());
    for number in 1..=3 {
        writeln!(stdin, "{{\"payload\":{number}}}").unwrap();
        next_line(&mut receipts);
    }
    assert_eq!(copy(&source, &target)["events_copied"], 8);
    writeln!(stdin, "{{\"payload\":4}}").unwrap();
    next_line(&mut receipts);
    let counts = copy(&source, &target);
    assert_eq!((&counts["events_copied"], &counts["events_present"]), (&json!(1), &json!(8)));
    drop(stdin);
    assert!(end(writer).success());
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn a_difference_is_a_conflict_that_names_id_and_number() {
    let (source, target) = (source(), Directory::new());
    target.rows("events append b", "{\"payload\":\"own\"}");
    let before = contents(&target);
    let said = source.fails(&command(&source, &target), "", 4);
    assert!(said.contains("event 1 of b") && said.contains("nothing was overwritten"), "{said}");
    assert!(before.iter().all(|line| contents(&target).contains(line)));

    let target = Directory::new();
    copy(&source, &target);
    target.rows("snapshots save part --at 2", "{\"state\":3}");
    let said = source.fails(&command(&source, &target), "", 4);
    assert!(said.contains("snapshot 2 of part"), "{said}");
}

#[test]
fn a_copy_that_is_killed_goes_on() {
    let (source, target) = (Directory::new(), Directory::new());
    let events: String = (0..2000)
        .map(|n| format!("{{\"persistence_id\":\"id-{}\",\"payload\":{n}}}\n", n % 50))
        .collect();
    source.rows("events append --in-flight 500", events);
    source.rows("events delete id-7 --to 40 --yes", "");
    for round in 1..=4_u64 {
        let mut child = source
            .command(&format!("{} --in-flight 2", command(&source, &target)))
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(15 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let counts = copy(&source, &target);
    let sum = ["events_copied", "events_present"].map(|name| counts[name].as_u64().unwrap());
    assert_eq!(sum.iter().sum::<u64>(), 1960);
    assert_eq!(contents(&target), contents(&source));
    assert_eq!(target.rows("verify", "").last().unwrap()["problems"], 0);
}

#[test]
fn what_the_source_deleted_since_is_deleted_only_with_yes() {
    let source = Directory::new();
    source.rows("events append a", "{\"payload\":1}\n{\"payload\":2}\n{\"payload\":3}");
    source.rows("events append whole", "{\"payload\":1}");
    let target = Directory::new();
    copy(&source, &target);
    source.rows("events delete a --to 2 --yes", "");
    source.rows("events delete whole --to 1 --yes", "");
    let counts = copy(&source, &target);
    assert_eq!((&counts["deletes_left"], &counts["deletes_followed"]), (&json!(3), &json!(0)));
    assert_eq!(target.rows("events list a", "").len(), 3);
    let followed = source.rows(&format!("{} --yes", command(&source, &target)), "").remove(0);
    assert_eq!((&followed["deletes_left"], &followed["deletes_followed"]), (&json!(0), &json!(3)));
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn events_that_were_deleted_before_they_were_copied_leave_no_hole() {
    let source = Directory::new();
    source.rows("events append a", "{\"payload\":1}");
    source.rows("events append b", "{\"payload\":1}");
    let target = Directory::new();
    copy(&source, &target);
    let more: String = (2..=5).map(|n| format!("{{\"payload\":{n}}}\n")).collect();
    source.rows("events append a", &more);
    source.rows("events append b", &more);
    source.rows("events delete a --to 4 --yes", "");
    source.rows("events delete b --to 5 --yes", "");
    let said = source.fails(&command(&source, &target), "", 4);
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(target.rows("events list a", "").len(), 1, "nothing was deleted");
    source.rows(&format!("{} --yes", command(&source, &target)), "");
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn a_stand_in_that_was_left_is_cleared() {
    let source = Directory::new();
    source.rows("events append a", "{\"payload\":1}\n{\"payload\":2}\n{\"payload\":3}");
    source.rows("events delete a --to 2 --yes", "");
    let target = Directory::new();
    let left = r#"{"payload":{"base64":""},"serializer":4,"manifest":"annals.import.placeholder"}"#;
    target.rows("events append a", format!("{left}\n{left}\n"));
    assert_eq!(copy(&source, &target)["deletes_left"], 0);
    assert_eq!(contents(&target), contents(&source));
}

#[test]
fn what_cannot_be_copied_makes_nothing() {
    let (source, target) = (Directory::new(), Directory::new());
    source.fails(&command(&source, &target), "", 3);
    assert!(!target.path().exists(), "a missing source leaves no target");
    source.fails(&command(&source, &source), "", 2);
    source.fails("copy --from memory:", "", 2);
}

/// Appends to 30 ids, and deletes most of what it appended, until it is told to stop.
async fn churn(store: annals::Store, stop: Arc<AtomicBool>) {
    for number in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = PersistenceId::new(format!("id-{}", number % 30)).unwrap();
        let highest = store.journal.bounds(&id).await.unwrap().highest;
        let payload = Payload::new(SerializerId::STRING, "", number.to_string());
        let event = NewEvent::new(payload, Timestamp::from_millis(1));
        let append_id = AppendId::new(u128::from(number));
        let events = vec![event.clone(), event];
        let append =
            Append::new(append_id, id.clone(), highest, WriterId::new("w"), events).unwrap();
        let last = store.journal.append(append).await.unwrap().last;
        if number % 7 < 3 {
            // Everything, or all but the newest one or two.
            let kept = number % 7;
            let to = SeqNr::new(last.get() - kept).unwrap();
            store.journal.delete_to(&id, to).await.unwrap();
        }
    }
}

#[test]
fn a_source_that_deletes_while_it_is_copied_is_copied_in_the_end() {
    let (source, target) = (Directory::new(), Directory::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let store = runtime.block_on(annals::open(&url(&source))).unwrap();
    let churning = runtime.spawn(churn(store.clone(), stop.clone()));
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(100));
        let counts = source.rows(&format!("{} --yes", command(&source, &target)), "").remove(0);
        assert_eq!((&counts["whole"], &counts["deletes_left"]), (&json!(true), &json!(0)));
    }
    stop.store(true, Ordering::SeqCst);
    runtime.block_on(churning).unwrap();
    runtime.block_on(store.close()).unwrap();
    source.rows(&format!("{} --yes", command(&source, &target)), "");
    assert_eq!(contents(&target), contents(&source));
    assert_eq!(target.rows("verify", "").last().unwrap()["problems"], 0);
}
