//! The built program on a store in a directory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A store in a directory of its own.
pub(crate) struct Directory {
    dir: TempDir,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn command(&self, command: &str) -> Command {
        let mut annals = Command::new(env!("CARGO_BIN_EXE_annals"));
        annals
            .env(
                "ANNALS_STORE",
                format!("embedded:{}?segment-bytes=1048576", self.path().display()),
            )
            .arg("--json")
            .args(command.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        annals
    }

    pub(crate) fn run(&self, command: &str, stdin: impl AsRef<[u8]>) -> Output {
        ended(self.command(command), stdin)
    }

    /// Runs the program on the store at `url` instead.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn run_at(&self, url: &str, command: &str, stdin: impl AsRef<[u8]>) -> Output {
        let mut annals = self.command(command);
        annals.env("ANNALS_STORE", url);
        ended(annals, stdin)
    }

    /// Runs the program without a store in its environment.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn run_without_store(&self, command: &str) -> Output {
        let mut annals = self.command(command);
        annals.env_remove("ANNALS_STORE");
        ended(annals, "")
    }

    #[track_caller]
    pub(crate) fn rows(&self, command: &str, stdin: impl AsRef<[u8]>) -> Vec<Value> {
        let output = self.run(command, stdin);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        lines(&output.stdout)
    }

    #[track_caller]
    pub(crate) fn fails(&self, command: &str, stdin: impl AsRef<[u8]>, code: i32) -> String {
        let output = self.run(command, stdin);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        stderr(&output)
    }
}

pub(crate) fn ended(mut annals: Command, stdin: impl AsRef<[u8]>) -> Output {
    let mut child = annals.spawn().unwrap();
    // A program that ends before it has read everything breaks the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
    child.wait_with_output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn lines(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn next_line(stdout: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// Waits for the end of `child`, but not for ever.
pub(crate) fn end(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
