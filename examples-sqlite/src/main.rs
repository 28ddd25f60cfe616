//! Projects events into SQLite, exactly once: result and offset in one SQLite transaction.
//!
//! ```sh
//! cargo run -p annals-examples-sqlite    # records games, projects them, prints the board
//! ```
//!
//! ```text
//! players ─► events, tagged `scores` ─► projection ─► BEGIN
//!    │                                                  board  += points
//!    └── counted straight ── must be equal ── board      offset  = behind these events
//!                                                       COMMIT
//! ```
//!
//! Points are added up, so an event that came twice, or never, would show. Kill it in the middle and
//! run it again: a transaction that was not committed left neither points nor offset, and the
//! projection goes on behind the last one that was.
//!
//! `--games N` has each player play N games (those played already are not played again), `--store URL`
//! and `--sqlite FILE` choose other places. The program ends with exit code 1 if the board is not what
//! is counted straight from the events.

mod board;
mod player;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use annals::query::ProjectionSettings;
use annals::{Offset, Source, Store};
use clap::Parser;

use crate::board::{Board, Lines};

/// Whatever ends the run early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The most events of one transaction: small, so that there are many to be killed in.
const GROUP_EVENTS_MAX: usize = 100;

/// Projects the games of players into a board in SQLite, exactly once.
#[derive(Debug, Parser)]
#[command(name = "board")]
struct Options {
    /// Where the games are recorded: memory: or embedded:PATH
    #[arg(long, value_name = "URL", default_value = "embedded:./target/scores")]
    store: String,

    /// The database with the board
    #[arg(long, value_name = "FILE", default_value = "./target/scores.sqlite")]
    sqlite: PathBuf,

    /// How many games each player has played in the end
    #[arg(long, value_name = "N", default_value_t = 500)]
    games: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("board: {failure}");
            let mut source = failure.source();
            while let Some(cause) = source {
                eprintln!("  caused by: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let store = annals::open(&options.store).await?;
    let outcome = record_and_project(&store, options).await;
    let closed = store.close().await;
    outcome?;
    closed?;
    Ok(())
}

async fn record_and_project(store: &Store, options: &Options) -> Result<(), Failure> {
    let played = player::play(store, options.games).await?;
    eprintln!("played     {played} games");
    let (expected, end) = board::count_straight(store).await?;
    let total: i64 = expected.values().map(|line| line.games).sum();
    let board = Board::open(&options.sqlite)?;
    let known: i64 = board.lines()?.values().map(|line| line.games).sum();
    eprintln!("projected  {known} of {total} games before");
    project(store, board, end).await?;

    let lines = Board::open(&options.sqlite)?.lines()?;
    if lines != expected {
        let message = "the board is not what is counted straight from the events";
        return Err(format!("{message}: it says {lines:?}, they {expected:?}").into());
    }
    show(&lines);
    eprintln!("equal      the board, and {total} games counted straight from the events");
    Ok(())
}

/// Runs the projection until it has come to `end`.
async fn project(store: &Store, board: Board, end: Option<Offset>) -> Result<(), Failure> {
    let settings = ProjectionSettings::default().with_group(GROUP_EVENTS_MAX, Duration::ZERO);
    let projection = store.projection("board", Source::Tag(player::scores()));
    let (runner, handle) = projection.with_settings(settings).transactional(board)?;
    let running = tokio::spawn(runner.run());
    let arrived = handle.wait_for(|status| status.reached == end).await;
    handle.stop().await;
    // If it failed, its own error says why.
    running.await??;
    arrived?;
    Ok(())
}

/// The board on stdout, the best player first.
fn show(lines: &Lines) {
    let mut lines: Vec<_> = lines.iter().collect();
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.points));
    for (player, line) in lines {
        println!("{player:<10} {:>6} games {:>9} points", line.games, line.points);
    }
}
