//! `--follow`: what is there, then what comes, until nobody reads any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Program, Shared};

/// Runs `command` until its output has `lines` lines, while `between` runs after the first `first`.
fn follow(
    program: &Program,
    command: &[&str],
    closed: (&'static AtomicBool, fn() -> bool),
    (first, lines): (usize, usize),
    between: impl FnOnce(),
) -> String {
    let stdout = Shared::default();
    let (shared, follower) = (stdout.clone(), program.clone());
    let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let running = thread::spawn(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        follower.run_until(&words, "", shared, closed.1)
    });
    wait_for(&stdout, first);
    between();
    wait_for(&stdout, lines);
    closed.0.store(true, Ordering::SeqCst);
    let ended = running.join().unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    ended.stdout
}

fn wait_for(stdout: &Shared, lines: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while stdout.text().lines().count() < lines {
        assert!(Instant::now() < deadline, "{lines} lines did not come: {}", stdout.text());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn events_that_come_later_are_printed_at_once() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let program = Program::new();
    program.append("a", &["1", "2"]);
    let command = ["--json", "events", "all", "--follow"];
    let closed: (_, fn() -> bool) = (&CLOSED, || CLOSED.load(Ordering::SeqCst));
    let followed = follow(&program, &command, closed, (2, 4), || program.append("b", &["3", "4"]));
    assert_eq!(followed, program.run("events all", "").stdout);
}

#[test]
fn ids_that_come_later_are_printed_at_once() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let program = Program::new();
    program.append("a", &["1"]);
    let command = ["--json", "ids", "list", "--follow"];
    let closed: (_, fn() -> bool) = (&CLOSED, || CLOSED.load(Ordering::SeqCst));
    let followed = follow(&program, &command, closed, (1, 2), || {
        program.append("a", &["2"]);
        program.append("b", &["3"]);
    });
    assert_eq!(followed, program.run("ids list", "").stdout);
}

#[test]
fn a_table_that_is_followed_keeps_its_head() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let program = Program::new();
    program.append("a", &["1"]);
    let command = ["ids", "list", "--follow"];
    let closed: (_, fn() -> bool) = (&CLOSED, || CLOSED.load(Ordering::SeqCst));
    let followed = follow(&program, &command, closed, (2, 3), || program.append("b", &["1"]));
    assert_eq!(followed, "PERSISTENCE ID\na\nb\n");
}

#[test]
fn max_ends_a_stream_that_is_followed() {
    let program = Program::new();
    program.append("a", &["1", "2", "3"]);
    assert_eq!(program.run("events all --follow --max 2", "").rows().len(), 2);
}
