//! A server behind its guard: the process that ends it when ours is gone (`guard.sh`).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Result};

/// What the scripts can do with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Stop,
    Kill,
    Pause,
    Resume,
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// One server, running or not; it is killed and its folder removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What the messages call it.
    name: String,
    directory: PathBuf,
    process: Mutex<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// `None` once it is closed, which is the order to clean up.
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// A guard for `script` of this crate's folder; `arguments` go to each of its starts.
    pub(crate) fn new(name: String, script: &str, arguments: &[String]) -> Result<Self> {
        let failed = |what: &str, error: std::io::Error| {
            Error::new(format!("{name} was not started: {what}: {error}"))
        };
        let directory = fresh_directory().map_err(|error| failed("no folder for it", error))?;
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new("bash")
            .arg(scripts.join("guard.sh"))
            .arg(scripts.join(script))
            .arg(&directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal reaches our process only.
            .process_group(0)
            .spawn()
            .map_err(|error| failed("bash cannot be run", error))?;
        let words = child.stdin.take();
        let answers = child.stdout.take().expect("its output was asked for as a pipe");
        let process = Process { child, words, answers: BufReader::new(answers) };
        Ok(Self { name, directory, process: Mutex::new(process) })
    }

    /// Does one step, and returns when it is done.
    pub(crate) fn step(&self, step: Step) -> Result<()> {
        let word = step.word();
        let mut process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let answer = process.ask(word);
        match answer {
            Ok((true, _)) => Ok(()),
            Ok((false, said)) => {
                Err(Error::new(format!("{}: {word} failed: {}", self.name, said.trim())))
            }
            Err(error) => {
                Err(Error::new(format!("{}: {word} failed: its guard is gone: {error}", self.name)))
            }
        }
    }

    /// Where the server keeps its `log`, its `pid` and its data.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Process {
    /// Whether the step was done, and what the script said.
    fn ask(&mut self, word: &str) -> std::io::Result<(bool, String)> {
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        writeln!(self.words.as_mut().ok_or_else(gone)?, "{word}")?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            match line.trim_end() {
                "ok" => return Ok((true, said)),
                "failed" => return Ok((false, said)),
                _ => said.push_str(&line),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.words = None;
        // Nobody can be told; the guard kills, which takes milliseconds.
        let _ = self.child.wait();
    }
}

/// A new folder of this process.
fn fresh_directory() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("annals-server-{}-{count}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    match std::fs::remove_dir_all(&directory) {
        // Left by an earlier process with our number.
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
