//! `annals-bench-heap DIR`: the heap that a replay takes above that of the open store, in bytes.
//!
//! A program of its own, since an allocator that counts costs time at every allocation, which the
//! other figures are not to pay.

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use annals_bench::{Result, heap_of_idle, heap_of_replay};
use clap::Parser;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait};

#[global_allocator]
static HEAP: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Debug, Parser)]
#[command(about = "The heap that a replay takes, in bytes")]
struct Arguments {
    /// The store's directory.
    dir: PathBuf,
    /// Of so many idle entities over a new store there, instead of a replay.
    #[arg(long)]
    idle: Option<u64>,
    /// Of the history of the first entity on the DynamoDB server at this URL instead.
    #[cfg(feature = "dynamodb")]
    #[arg(long, requires = "journal")]
    dynamodb: Option<String>,
    /// The name of the journal there.
    #[cfg(feature = "dynamodb")]
    #[arg(long)]
    journal: Option<String>,
    /// Of the history of the first entity on the Cassandra server at this address instead.
    #[cfg(feature = "cassandra")]
    #[arg(long, requires = "keyspace")]
    cassandra: Option<String>,
    /// The keyspace there.
    #[cfg(feature = "cassandra")]
    #[arg(long)]
    keyspace: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(bytes) => {
            println!("{bytes}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("annals-bench-heap: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let peak = || u64::try_from(HEAP.get_peak_memory()).unwrap_or(0);
    let reset = || HEAP.reset_peak_memory();
    runtime.block_on(async {
        #[cfg(feature = "dynamodb")]
        if let (Some(endpoint), Some(journal)) = (&arguments.dynamodb, &arguments.journal) {
            return annals_bench::heap_of_dynamodb_replay(endpoint, journal, reset, peak).await;
        }
        #[cfg(feature = "cassandra")]
        if let (Some(address), Some(keyspace)) = (&arguments.cassandra, &arguments.keyspace) {
            return annals_bench::heap_of_cassandra_replay(address, keyspace, reset, peak).await;
        }
        match arguments.idle {
            Some(entities) => heap_of_idle(&arguments.dir, entities, reset, peak).await,
            None => heap_of_replay(&arguments.dir, reset, peak).await,
        }
    })
}
