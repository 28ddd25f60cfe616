//! `annals-bench embedded`, `entity`, `dynamodb` and `cassandra`: measure a store or the entity runtime, print a table
//! of ratios, and keep them as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use annals_bench::{Bench, Child, EntityFigure, Figure, Plan, Report, Result, run_child};
use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(about = "The benchmarks of annals")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The embedded store against its limit and its peers.
    Embedded(Options<Figure>),
    /// The entity runtime against the journal below it.
    Entity(Options<EntityFigure>),
    /// The store on DynamoDB against the bare SDK and Pekko's plugin.
    #[cfg(feature = "dynamodb")]
    Dynamodb(Options<annals_bench::DynamoDbFigure>),
    /// The store on Cassandra against the bare driver and Pekko's plugin.
    #[cfg(feature = "cassandra")]
    Cassandra(Options<annals_bench::CassandraFigure>),
    /// A part of a benchmark that is to be killed.
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        child: Child,
    },
}

/// What every benchmark is told.
#[derive(Debug, Args)]
struct Options<F: ValueEnum + Clone + Send + Sync + 'static> {
    /// A few seconds, to see that everything runs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Only these figures.
    #[arg(long, value_enum)]
    only: Vec<F>,
    /// Where stores are made for the time of the run: a directory on the disk to be measured.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Where the results are kept [default: docs/bench/NAME.json, if nothing was left out].
    #[arg(long)]
    json: Option<PathBuf>,
}

impl<F: ValueEnum + Clone + Send + Sync + 'static> Options<F> {
    fn bench(&self, command: &'static str) -> Result<Bench> {
        let plan = if self.quick { Plan::quick() } else { Plan::full() };
        Bench::new(command, plan, &self.dir)
    }

    /// Shows `report`, and keeps it if it is whole.
    fn finish(self, report: &Report, json: &str) -> Result<()> {
        println!("{report}");
        if !report.is_whole() {
            return Err("not everything could be measured; nothing is kept".into());
        }
        let whole = !self.quick && self.only.is_empty();
        if let Some(path) = self.json.or_else(|| whole.then(|| json.into())) {
            report.save(&path)?;
            println!("kept in {}", path.display());
        }
        Ok(())
    }
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
        Command::Embedded(options) => runtime.block_on(embedded(options)),
        Command::Entity(options) => runtime.block_on(entity(options)),
        #[cfg(feature = "dynamodb")]
        Command::Dynamodb(options) => runtime.block_on(dynamodb(options)),
        #[cfg(feature = "cassandra")]
        Command::Cassandra(options) => runtime.block_on(cassandra(options)),
        Command::Child { child } => runtime.block_on(run_child(child)),
    }
}

async fn embedded(options: Options<Figure>) -> Result<()> {
    let report = options.bench("cargo xtask bench embedded")?.run(&options.only).await;
    options.finish(&report, "docs/bench/embedded.json")
}

async fn entity(options: Options<EntityFigure>) -> Result<()> {
    let report = options.bench("cargo xtask bench entity")?.run_entities(&options.only).await;
    options.finish(&report, "docs/bench/entity.json")
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(options: Options<annals_bench::DynamoDbFigure>) -> Result<()> {
    let report = options.bench("cargo xtask bench dynamodb")?.run_dynamodb(&options.only).await;
    options.finish(&report, "docs/bench/dynamodb.json")
}

#[cfg(feature = "cassandra")]
async fn cassandra(options: Options<annals_bench::CassandraFigure>) -> Result<()> {
    let report = options.bench("cargo xtask bench cassandra")?.run_cassandra(&options.only).await;
    options.finish(&report, "docs/bench/cassandra.json")
}
