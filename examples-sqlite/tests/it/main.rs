//! The example `board`, run as a program and killed: the board adds up as if it had never been.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;

const PROGRAM: &str = env!("CARGO_BIN_EXE_board");

/// Of each of eight players.
const GAMES: &str = "1000";
const TOTAL: u32 = 8 * 1_000;

/// Runs on the store in `folder`, and the database `sqlite` there.
fn command(folder: &Path, sqlite: &str, games: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--games", games, "--store"]);
    command.arg(format!("embedded:{}", folder.join("store").display()));
    command.arg("--sqlite").arg(folder.join(sqlite));
    command
}

fn run(folder: &Path, sqlite: &str, games: &str) -> Output {
    command(folder, sqlite, games).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// How many games a run found projected when it began.
fn projected_before(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("projected  ")?.strip_suffix(" games before")?;
    rest.split(' ').next()?.parse().ok()
}

/// Kills a run after `commits` transactions, on its way to the next; gives how many games it found
/// projected when it began.
fn kill_after(folder: &Path, commits: usize) -> u32 {
    let mut run = command(folder, "killed.sqlite", GAMES);
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (mut before, mut seen) = (None, 0);
    for line in lines.by_ref() {
        before = before.or(projected_before(&line));
        seen += usize::from(line.ends_with(" games in this run"));
        if seen == commits {
            break;
        }
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(seen == commits && !status.success(), "it was not killed in the middle: {status}");
    assert!(!cfg!(unix) || status.code().is_none(), "it ended by itself: {status}");
    before.unwrap()
}

#[test]
fn a_run_that_is_killed_goes_on_and_counts_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    let before = [1, 2, 3, 1].map(|commits| kill_after(folder, commits));
    let last = run(folder, "killed.sqlite", GAMES);
    let never_killed = run(folder, "whole.sqlite", GAMES);

    assert!(before.is_sorted_by(|earlier, later| earlier < later), "each went on: {before:?}");
    let text = stderr(&last);
    let resumed = text.lines().find_map(projected_before).unwrap();
    assert!((7 * 100..TOTAL).contains(&resumed), "the last run had something to do: {text}");
    assert_eq!(stdout(&last), stdout(&never_killed));
    assert_eq!(stdout(&last).lines().count(), 8);
    assert!(text.contains(&format!("equal      the board, and {TOTAL} games")), "{text}");
}

#[test]
fn later_runs_project_what_is_new_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (games, played, before) in
        [("10", 80, "0 of 80"), ("10", 0, "80 of 80"), ("60", 400, "80 of 480")]
    {
        let output = run(folder, "board.sqlite", games);

        assert_eq!(stdout(&output).matches(&format!(" {games} games")).count(), 8);
        let text = stderr(&output);
        assert!(text.contains(&format!("played     {played} games")), "{text}");
        assert!(text.contains(&format!("projected  {before} games before")), "{text}");
    }
}

#[test]
fn a_board_that_is_not_what_the_events_say_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stdout(&run(folder, "board.sqlite", "10"));
    let database = Connection::open(folder.join("board.sqlite")).unwrap();
    database.execute("UPDATE board SET points = points + 1 WHERE player = 'ada'", []).unwrap();

    let output = run(folder, "board.sqlite", "20");

    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("the board is not what is counted straight"), "{text}");
}
