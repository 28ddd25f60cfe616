//! What the program says when DynamoDB does not do what it is asked: what was not lost, and what to do.
//!
//! A front stands before the real server and gives answers that this one never gives.

use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals_servers::{Behind, Front, Instead};
use serde_json::json;

use crate::directory::{lines, stderr};
use crate::dynamodb::Tables;

/// Three events of one entity, a request each.
const THREE: &str = "{\"payload\":\"1\"}\n{\"payload\":\"2\"}\n{\"payload\":\"3\"}\n";

/// One event, of so many bytes.
fn event_of(bytes: usize) -> String {
    format!("{{\"payload\":\"{}\"}}\n", "x".repeat(bytes))
}

/// What DynamoDB says when it refuses a request.
fn refusal(name: &str, message: &str) -> (u16, String) {
    let name = format!("com.amazonaws.dynamodb.v20120810#{name}");
    (400, json!({ "__type": name, "message": message }).to_string())
}

/// Gives every `operation`, the first `passed` of them aside, `answer` instead.
fn instead(operation: &'static str, passed: usize, answer: (u16, String)) -> Instead {
    let count = AtomicUsize::new(0);
    Instead::new(move |head| {
        let is_one = head.contains(&format!(".{operation}\r\n"));
        (is_one && count.fetch_add(1, Ordering::Relaxed) >= passed).then(|| answer.clone())
    })
}

/// Runs `command` on `tables` through a front, with one retry.
fn run(tables: &Tables, instead: Instead, command: &str, stdin: impl AsRef<[u8]>) -> Output {
    let server = annals_servers::dynamodb().trim_start_matches("http://");
    let front = Front::start(Behind::Between(server.to_owned(), instead)).unwrap();
    let url = tables.url.replace(server, front.address());
    assert!(url.contains(front.address()), "{url}");
    let url = format!("{url}&aws-client-config.max-error-retry=1");
    tables.directory.run_at(&url, command, stdin)
}

/// Checks how the program ended, after how many receipts, and that it says all of `words`.
#[track_caller]
fn expect(output: &Output, code: i32, receipts: usize, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert_eq!(lines(&output.stdout).len(), receipts, "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
}

#[track_caller]
fn stored(tables: &Tables, id: &str) -> usize {
    tables.rows(&format!("events list {id}"), "").len()
}

#[test]
fn credentials_that_expire_on_the_way_leave_what_is_acknowledged() {
    let tables = Tables::new();
    let answer = refusal("ExpiredTokenException", "The security token included is expired");
    let output = run(&tables, instead("PutItem", 2, answer.clone()), "events append a", THREE);
    let words = ["events 3-3 of a", "nothing was written", "have expired", "renew them"];
    expect(&output, 5, 2, &words);
    assert_eq!(stored(&tables, "a"), 2);
    // Renewed, the rest goes in where it stopped.
    tables.rows("events append a --after 2", "{\"payload\":\"3\"}\n");
    assert_eq!(stored(&tables, "a"), 3);

    let output = run(&tables, instead("Query", 0, answer), "events list a", "");
    expect(&output, 5, 0, &["what is stored is untouched", "have expired", "renew them"]);
}

#[test]
fn throttling_that_does_not_end_is_told_so_and_nothing_is_written() {
    let tables = Tables::new();
    let answer = refusal("ProvisionedThroughputExceededException", "slow down");
    let output = run(&tables, instead("PutItem", 1, answer), "events append a", THREE);
    let words = ["events 2-2 of a", "nothing was written", "throttles", "raise the capacity"];
    expect(&output, 5, 1, &words);
    assert_eq!(stored(&tables, "a"), 1);
}

#[test]
fn throttling_that_ends_is_waited_for() {
    let tables = Tables::new();
    let (status, body) = refusal("ThrottlingException", "slow down");
    let count = AtomicUsize::new(0);
    let second = Instead::new(move |head| {
        let is_put = head.contains(".PutItem\r\n");
        (is_put && count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2))
            .then(|| (status, body.clone()))
    });
    let output = run(&tables, second, "events append a", THREE);
    expect(&output, 0, 3, &[]);
    assert_eq!(stored(&tables, "a"), 3);
}

#[test]
fn a_table_that_is_not_there_is_named_with_what_makes_it() {
    let tables = Tables::named();
    let append = tables.run("events append a", THREE);
    let save = tables.run("snapshots save a --at 1 --manifest S", "{}");
    for output in [append, save] {
        expect(&output, 5, 0, &["(table cli-", "does not exist", "`annals schema create`"]);
    }
}

#[test]
fn an_event_that_is_too_large_is_refused_before_anything_is_sent() {
    let tables = Tables::new();
    let input = format!("{}{}", event_of(10), event_of(500_000));
    let output = tables.run("events append a", &input);
    expect(&output, 3, 1, &["line 2", "nothing was written", "500"]);
    assert_eq!(stored(&tables, "a"), 1);

    // By the limit of the settings.
    let url = format!("{}&aws-api-limits.max-item-size=100kB", tables.url);
    let output = tables.directory.run_at(&url, "events append a", event_of(120_000));
    expect(&output, 3, 0, &["line 1", "nothing was written", "120000"]);
    assert_eq!(stored(&tables, "a"), 1);
}

/// A local index makes the limit smaller than an item's own.
#[test]
fn an_event_that_the_server_finds_too_large_is_told_so() {
    let tables = Tables::new();
    let answer = refusal("ValidationException", "Item size has exceeded the maximum allowed size");
    let output = run(&tables, instead("PutItem", 0, answer), "events append a", THREE);
    expect(&output, 3, 0, &["events 1-1 of a", "nothing was written", "make it smaller"]);
    assert_eq!(stored(&tables, "a"), 0);
}

/// The third outcome: the write went in, but every answer is lost.
#[test]
fn an_answer_that_says_nothing_is_not_taken_for_a_failure() {
    let tables = Tables::new();
    let output =
        run(&tables, instead("PutItem", 1, (500, "{}".to_owned())), "events append a", THREE);
    expect(&output, 6, 1, &["events 2-2 of a", "whether it was written is not known", "repeat"]);
}
