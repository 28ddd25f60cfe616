//! Child processes: this program again, to be killed in the middle of its life, or with an
//! allocator that counts.
//!
//! A child says `ready N` when it has done what it was started for, then waits to be killed; it
//! also ends when its parent does (its standard input is closed then).

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Instant;

use annals_core::{Journal, SeqRange};
use clap::Subcommand;
use futures_util::StreamExt;

use crate::Result;
use crate::driver::Entity;
use crate::load::{Fill, Order, fill};
use crate::number::{count, micros};
use crate::subject::Subject;

/// What a child is started for.
#[derive(Debug, Clone, Subcommand)]
pub enum Child {
    /// Fills a new store; answers with the number of events.
    Fill {
        /// The store's directory.
        dir: PathBuf,
        /// How many events.
        events: u64,
        /// Over how many entities.
        entities: u64,
        /// Bytes of a payload.
        payload_bytes: usize,
    },
    /// Answers every request at once; its own answer is the port.
    #[cfg(feature = "dynamodb")]
    Answer,
    /// Opens a store; answers with the microseconds that it took.
    Open {
        /// The store's directory.
        dir: PathBuf,
    },
}

/// Runs as a child; returns only with an error.
///
/// # Errors
/// What the store reports.
pub async fn run(child: Child) -> Result<()> {
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(|| {
        let mut rest = Vec::new();
        // An error means the same as the end: nobody is there any more.
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    })?;
    let (subject, answer) = match child {
        Child::Fill { dir, events, entities, payload_bytes } => {
            let subject = Subject::open(&dir)?;
            let what = Fill {
                events,
                entities,
                events_per_append: 1,
                payload_bytes,
                order: Order::InTurn,
            };
            fill(&subject, what).await?;
            (Some(subject), events)
        }
        #[cfg(feature = "dynamodb")]
        Child::Answer => {
            let answering = crate::answer::Answering::start().await?;
            (None, answering.port().into())
        }
        Child::Open { dir } => {
            let start = Instant::now();
            let subject = Subject::open(&dir)?;
            (Some(subject), micros(start.elapsed()))
        }
    };
    println!("ready {answer}");
    std::io::stdout().flush()?;
    std::future::pending::<()>().await;
    // The store stays open until the process is killed.
    drop(subject);
    Ok(())
}

/// A child that does what it was started for, until it is dropped: then it is killed (`SIGKILL`).
#[derive(Debug)]
pub(crate) struct Running {
    child: process::Child,
    answer: u64,
}

impl Running {
    /// Starts a child, and waits for its answer.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg("child")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the child has no output")?;
        let mut running = Self { child, answer: 0 };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let answer = line.trim().strip_prefix("ready ");
        let answer = answer.ok_or_else(|| format!("the child {arguments:?} did not get ready"))?;
        running.answer = answer.parse()?;
        Ok(running)
    }

    pub(crate) fn answer(&self) -> u64 {
        self.answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a child, waits for its answer, and kills it.
pub(crate) fn run_and_kill(arguments: &[&str]) -> Result<u64> {
    Ok(Running::start(arguments)?.answer())
}

/// The heap, in bytes, that a replay (or so many idle entities) takes above what the open store has, counted by the program
/// `annals-bench-heap` beside this one; `None` if it was not built.
pub(crate) fn measure_heap(dir: &Path, idle: Option<u64>) -> Result<Option<u64>> {
    let idle: Vec<String> = idle.iter().map(|entities| format!("--idle={entities}")).collect();
    measure_heap_with(dir, &idle)
}

/// What the program answers when it is given these options.
pub(crate) fn measure_heap_with(dir: &Path, options: &[String]) -> Result<Option<u64>> {
    let program = std::env::current_exe()?.with_file_name("annals-bench-heap");
    if !program.exists() {
        return Ok(None);
    }
    let output = Command::new(program).arg(dir).args(options).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err("annals-bench-heap failed".into());
    }
    Ok(Some(text.trim().parse()?))
}

/// Replays the history of the first entity twice; gives what `peak` says of the second time (it is
/// told to begin anew by `reset`, and gives bytes above that moment).
///
/// # Errors
/// What the store reports.
pub async fn heap_of_replay(dir: &Path, reset: impl Fn(), peak: impl Fn() -> u64) -> Result<u64> {
    let subject = Subject::open(dir)?;
    replay(&subject).await?;
    reset();
    let events = replay(&subject).await?;
    let bytes = peak();
    subject.close().await?;
    if events == 0 {
        return Err("there is no history to replay".into());
    }
    Ok(bytes)
}

/// Replays the history of the first entity, and counts its events.
pub(crate) async fn replay(subject: &Subject) -> Result<u64> {
    replay_of(&*subject.store.journal, &Entity::new(0), SeqRange::ALL).await
}

/// Replays `range` of the history of `entity`, and counts its events.
pub(crate) async fn replay_of(
    journal: &dyn Journal,
    entity: &Entity,
    range: SeqRange,
) -> Result<u64> {
    let mut batches = journal.replay(&entity.id, range);
    let mut events = 0;
    while let Some(batch) = batches.next().await {
        events += count(batch?.events.len());
    }
    Ok(events)
}
