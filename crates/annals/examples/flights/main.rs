//! The main example: real flights, recorded by event-sourced aircraft, and read back as a board of
//! carriers. See README.md in this folder.
//!
//! ```text
//! file ─► rows ─► a command each ─► its aircraft ─► events, tagged by carrier and route
//!           │                                          │
//!           └── counted straight ── must be equal ── the board, read from the tag streams
//! ```

mod aircraft;
mod board;
mod file;
mod import;
mod options;
mod progress;
mod report;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use annals::{EventSourced, PersistenceId, Store};
use clap::Parser;

use crate::aircraft::{Aircraft, Command, Totals};
use crate::board::{Board, read_carriers};
use crate::file::{File, Rejected, carrier_names};
use crate::import::{IN_FLIGHT, import};
use crate::options::Options;
use crate::report::{Report, grouped, short};
use crate::row::{FlightKey, Row};

/// Whatever ends the run early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many aircraft are shown.
const AIRCRAFT_SHOWN: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("flights: {failure}");
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
    let report = Report::new(options.json);
    let path = options.data();
    let file = File::read(&path)?;
    let without_tail = file.rows.iter().filter(|row| row.tail.is_none()).count();
    let tails: HashSet<&String> = file.rows.iter().filter_map(|row| row.tail.as_ref()).collect();
    report.line(format_args!("data      {}", path.display()));
    report.line(format_args!(
        "          {} flights of {} aircraft; {} without a tail number",
        grouped(file.rows.len()),
        grouped(tails.len()),
        grouped(without_tail),
    ));
    let url = options.store();
    report.line(format_args!("store     {url}"));
    let store = annals::open(&url).await?;
    let outcome = record_and_read(&store, &file, report).await;
    let closed = store.close().await;
    outcome?;
    closed?;
    suggest(report, &url, store.capabilities().tags, &file);
    Ok(())
}

async fn record_and_read(store: &Store, file: &File, report: Report) -> Result<(), Failure> {
    let carriers: BTreeSet<&str> = file.rows.iter().map(|row| row.key.carrier.as_str()).collect();
    let (rows, rejected) = recordable(store, file, &carriers).await?;
    let aircraft = store.entities::<Aircraft>().start();
    let import = import(&aircraft, &rows).await?;
    aircraft.stop().await?;
    if import.recorded_before > 0 {
        report.line(format_args!(
            "known     {} flights: their aircraft were recovered, and refused to record them twice",
            grouped(import.recorded_before),
        ));
    }
    report.line(format_args!(
        "recorded  {} flights ({} events) in {}: {} a second",
        grouped(import.recorded),
        grouped(import.events),
        short(import.duration),
        grouped(import.rows_per_second()),
    ));
    if let (Some(p50), Some(p99)) = (import.percentile(50), import.percentile(99)) {
        report.line(format_args!(
            "          acknowledged within {} (p50), {} (p99), at most {IN_FLIGHT} at a time",
            short(p50),
            short(p99),
        ));
    }
    report.rejected(&rejected);
    show_aircraft(store, file, report).await?;
    show_board(store, file, &carriers, report).await
}

/// The rows to record. A flight that another aircraft recorded, in an earlier run, is rejected here,
/// since the aircraft that this file names cannot know of it.
async fn recordable(
    store: &Store,
    file: &File,
    carriers: &BTreeSet<&str>,
) -> Result<(Vec<Arc<Row>>, Vec<Rejected>), Failure> {
    let mut recorded: HashMap<FlightKey, PersistenceId> = HashMap::new();
    read_carriers(store, carriers, |aircraft, event| {
        recorded.insert(event.flight().clone(), aircraft);
    })
    .await?;
    let mut rejected = file.rejected.clone();
    let mut rows = Vec::with_capacity(file.rows.len());
    for row in &file.rows {
        match recorded.get(&row.key) {
            Some(other) if other.entity_id() != row.aircraft() => rejected.push(Rejected {
                place: format!("flight {}", row.key),
                reason: format!("{other} recorded it already"),
            }),
            _ => rows.push(row.clone()),
        }
    }
    Ok((rows, rejected))
}

/// Shows the aircraft with the most flights of the file. These are other incarnations than those that
/// recorded: their states come from the journal.
async fn show_aircraft(store: &Store, file: &File, report: Report) -> Result<(), Failure> {
    let aircraft = store.entities::<Aircraft>().start();
    let start = Instant::now();
    let mut lines = Vec::new();
    for (id, _) in busiest(file).into_iter().take(AIRCRAFT_SHOWN) {
        let totals = aircraft.entity(&id).ask(|reply| Command::Totals { reply }).await?;
        let Totals { departed, arrived, diverted, cancelled, air_minutes, miles } = totals;
        lines.push(format!(
            "          {id}: {departed} departed, {arrived} arrived, {diverted} diverted, \
             {cancelled} cancelled; {} miles, {} h in the air",
            grouped(miles),
            air_minutes / 60,
        ));
    }
    report.line(format_args!("recovered the busiest aircraft in {}", short(start.elapsed())));
    lines.iter().for_each(|line| report.line(line));
    aircraft.stop().await?;
    Ok(())
}

/// The aircraft of the file, the one with the most flights first.
fn busiest(file: &File) -> Vec<(String, usize)> {
    let mut flights: BTreeMap<String, usize> = BTreeMap::new();
    for row in &file.rows {
        *flights.entry(row.aircraft()).or_default() += 1;
    }
    let mut flights: Vec<(String, usize)> = flights.into_iter().collect();
    flights.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    flights
}

/// Shows the board that the events give, if it is the one that the file gives.
async fn show_board(
    store: &Store,
    file: &File,
    carriers: &BTreeSet<&str>,
    report: Report,
) -> Result<(), Failure> {
    let wanted: HashSet<&FlightKey> = file.rows.iter().map(|row| &row.key).collect();
    let mut board = Board::default();
    let mut others = HashSet::new();
    let start = Instant::now();
    read_carriers(store, carriers, |_, event| {
        // The store may hold the flights of other files too.
        match wanted.contains(event.flight()) {
            true => board.add(&event),
            false => drop(others.insert(event.flight().clone())),
        }
    })
    .await?;
    let duration = start.elapsed();
    let differences = board.differences(&Board::of_rows(&file.rows));
    if !differences.is_empty() {
        let message = "the board read from the events is not the one counted from the file";
        return Err(format!("{message}:\n  {}", differences.join("\n  ")).into());
    }
    report.board(&board, &carrier_names()?)?;
    report.line("");
    let streams = match store.capabilities().tags {
        true => format!("the tag streams of {} carriers", carriers.len()),
        false => "the events of all aircraft".to_owned(),
    };
    report.line(format_args!(
        "equal     read from {streams} in {}, and counted straight from the file",
        short(duration),
    ));
    if !others.is_empty() {
        let others = grouped(others.len());
        report.line(format_args!("          ({others} recorded flights are of other files)"));
    }
    Ok(())
}

/// Names three commands that look into the store, which is read by tag if it has `tags`.
fn suggest(report: Report, url: &str, tags: bool, file: &File) {
    if url.starts_with("memory:") {
        report.line("the store ends with this program: --store embedded:PATH keeps it");
        return;
    }
    let feature = match url.split(':').next() {
        Some(server @ ("cassandra" | "dynamodb")) => format!(" --features {server}"),
        _ => String::new(),
    };
    let program = format!("cargo run --release -p annals-cli{feature} --");
    let store = format!("--store '{url}'");
    let across = match file.rows.first() {
        Some(row) if tags => format!("events tag {} {store} --max 3", row.key.carrier),
        _ => format!("ids list {store}"),
    };
    let aircraft = busiest(file).into_iter().next().map_or(String::new(), |(id, _)| id);
    report.line("look into it:");
    report.line(format_args!("  {program} {across}"));
    report.line(format_args!(
        "  {program} events list '{}|{aircraft}' {store} --max 3",
        Aircraft::ENTITY_TYPE
    ));
    report.line(format_args!("  {program} verify {store}"));
}
