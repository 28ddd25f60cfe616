//! Running the program.

use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

use annals::memory::MemoryStore;
use annals_cli::{Io, Stores, run};
use serde_json::Value;

/// A store, and the program over it.
#[derive(Clone)]
pub(crate) struct Program {
    store: annals::Store,
}

/// How one run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The objects on stdout; the run must have succeeded.
    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.lines()
    }

    /// The objects on stdout.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// One field of each object on stdout.
    pub(crate) fn field(&self, name: &str) -> Vec<Value> {
        self.rows().iter().map(|row| row[name].clone()).collect()
    }

    /// Asserts that it failed with `code`, and that stderr says each of `said`.
    #[track_caller]
    pub(crate) fn failed(&self, code: u8, said: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for said in said {
            assert!(self.stderr.contains(said), "{said:?} is not in {self:?}");
        }
    }
}

/// A writer whose bytes can be looked at, and which may break.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub(crate) bytes: Arc<Mutex<Vec<u8>>>,
    pub(crate) breaks_after: Option<usize>,
}

impl Shared {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.bytes.lock().unwrap();
        if self.breaks_after.is_some_and(|limit| written.len() >= limit) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Program {
    /// The program on an empty store in memory.
    pub(crate) fn new() -> Self {
        Self::on(MemoryStore::new().store())
    }

    pub(crate) fn on(store: annals_core::Store) -> Self {
        Self { store: store.into() }
    }

    pub(crate) fn store(&self) -> &annals::Store {
        &self.store
    }

    /// Runs `annals --json …`, words separated by spaces.
    pub(crate) fn run(&self, command: &str, stdin: impl Into<Vec<u8>>) -> Ended {
        let words: Vec<&str> = command.split_whitespace().collect();
        self.run_words(&[&["--json"], &words[..]].concat(), stdin, Shared::default())
    }

    pub(crate) fn run_words(
        &self,
        words: &[&str],
        stdin: impl Into<Vec<u8>>,
        stdout: Shared,
    ) -> Ended {
        self.run_until(words, stdin, stdout, || false)
    }

    pub(crate) fn run_until(
        &self,
        words: &[&str],
        stdin: impl Into<Vec<u8>>,
        stdout: Shared,
        stdout_closed: fn() -> bool,
    ) -> Ended {
        let stderr = Shared::default();
        let io = Io {
            stdin: Box::new(Cursor::new(stdin.into())),
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
            progress: false,
            stdout_closed,
        };
        let words: Vec<OsString> =
            ["annals"].iter().chain(words).map(|word| OsString::from(*word)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let code = runtime.block_on(run(words, io, Stores::Given(self.store.clone())));
        Ended { code, stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Appends `payloads` to `id`, one by one.
    pub(crate) fn append(&self, id: &str, payloads: &[&str]) {
        let lines: Vec<String> =
            payloads.iter().map(|payload| format!("{{\"payload\":{payload}}}")).collect();
        let ended = self.run(&format!("events append {id}"), lines.join("\n"));
        assert_eq!(ended.rows().len(), payloads.len());
    }
}
