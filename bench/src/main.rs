//! `annals-bench embedded`: measures the embedded store, prints a table of ratios, and keeps them
//! as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use annals_bench::{Bench, Child, Figure, Plan, Result, measure_entities, run_child};
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "The benchmarks of annals")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The embedded store against its limit and its peers.
    Embedded(Embedded),
    /// The entity runtime against the journal below it.
    Entity(Entity),
    /// A part of a benchmark that is to be killed.
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        child: Child,
    },
}

#[derive(Debug, Args)]
struct Embedded {
    /// A few seconds, to see that everything runs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Only these figures.
    #[arg(long, value_enum)]
    only: Vec<Figure>,
    /// Where stores are made for the time of the run: a directory on the disk to be measured.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Where the results are kept [default: docs/bench/embedded.json, if nothing was left out].
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Entity {
    /// A few seconds, to see that everything runs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Where stores are made for the time of the run: a directory on the disk to be measured.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Where the results are kept [default: docs/bench/entity.json, but for a quick run].
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("annals-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Embedded(arguments) => runtime.block_on(embedded(arguments)),
        Command::Entity(arguments) => runtime.block_on(entity(arguments)),
        Command::Child { child } => runtime.block_on(run_child(child)),
    }
}

async fn entity(arguments: Entity) -> Result<()> {
    let plan = if arguments.quick { Plan::quick() } else { Plan::full() };
    let report = measure_entities(&plan, &arguments.dir).await?;
    println!("{report}");
    let json =
        arguments.json.or_else(|| (!arguments.quick).then(|| "docs/bench/entity.json".into()));
    if let Some(path) = json {
        report.save(&path)?;
        println!("kept in {}", path.display());
    }
    Ok(())
}

async fn embedded(arguments: Embedded) -> Result<()> {
    let plan = if arguments.quick { Plan::quick() } else { Plan::full() };
    let report = Bench::new(plan, &arguments.dir)?.run(&arguments.only).await;
    println!("{report}");
    if !report.is_whole() {
        return Err("not everything could be measured; nothing is kept".into());
    }
    let whole = !arguments.quick && arguments.only.is_empty();
    let json = arguments.json.or_else(|| whole.then(|| "docs/bench/embedded.json".into()));
    if let Some(path) = json {
        report.save(&path)?;
        println!("kept in {}", path.display());
    }
    Ok(())
}
