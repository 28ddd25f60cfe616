//! The program beside a process that writes: looking into a running service.

use std::io::{BufReader, Write};
use std::process::{Child, ChildStdout};

use crate::directory::{Directory, end, next_line};

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn a_running_writer_is_looked_into_and_not_written_beside() {
    let store = Directory::new();
    let mut writer = store.command("events append a").spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    let mut stdout = BufReader::new(writer.stdout.take().unwrap());
    for number in 1..=3 {
        writeln!(stdin, "{{\"payload\":{number}}}").unwrap();
        // The receipt comes while the next line is not even typed, and what it tells of is there.
        assert_eq!(next_line(&mut stdout)["sequence_nr"], number);
        assert_eq!(store.rows("events list a", "").len(), usize::try_from(number).unwrap());
    }
    assert_eq!(store.rows("verify", "")[0]["events"], 3);
    store.fails("events append b", "{\"payload\":1}", 5);
    assert_eq!(store.rows("events delete a --to 1", "")[0]["dry_run"], true);
    drop(stdin);
    assert!(end(writer).success());
    assert_eq!(store.rows("events append b", "{\"payload\":1}").len(), 1);
}

#[test]
fn a_follower_sees_another_process_and_ends_when_interrupted_or_unread() {
    let store = Directory::new();
    store.rows("events append a", "{\"payload\":1}");
    let mut followers: Vec<(Child, BufReader<ChildStdout>)> =
        ["events all --follow", "ids list --follow", "events tag x --follow"]
            .map(|command| {
                let mut child = store.command(command).spawn().unwrap();
                let stdout = BufReader::new(child.stdout.take().unwrap());
                (child, stdout)
            })
            .into();
    for (_, stdout) in &mut followers[..2] {
        assert_eq!(next_line(stdout)["persistence_id"], "a");
    }
    store.rows("events append b", "{\"payload\":2,\"tags\":[\"x\"]}");
    for (_, stdout) in &mut followers {
        assert_eq!(next_line(stdout)["persistence_id"], "b");
    }
    let (unread, stdout) = followers.pop().unwrap();
    drop(stdout);
    assert_eq!(end(unread).code(), Some(0), "closed stdout");
    for (child, _stdout) in followers {
        interrupt(&child);
        assert_eq!(end(child).code(), Some(0), "interrupted");
    }
}
