//! The store on Cassandra against the bare driver and against Pekko's plugin, on one small server.
//!
//! That server is the bottleneck of every rate here: what a client costs shows in its CPU time.

mod appends;
mod bare;
mod claims;
mod live;
mod pekko;
mod replay;
mod requests;
mod years;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_cassandra::{CassandraSettings, CassandraStore, Fencing};
use annals_core::Tags;
use annals_servers::{Cassandra, CassandraOptions};
use bytes::Bytes;
use clap::ValueEnum;

use super::Bench;
use crate::driver::{Entity, Load, Outcome, Target, drive};
use crate::process::load_average;
use crate::subject::JournalTarget;
use crate::{Report, Result};

pub use replay::heap_of_replay as heap_of_cassandra_replay;

/// A figure of the store on Cassandra, or a group of figures that one measurement gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CassandraFigure {
    /// Appends under each fencing, against what the bare driver does.
    Appends,
    /// Requests of a claim, counted by the server.
    Claims,
    /// Appends, tagged appends and recoveries, against Pekko's plugin.
    Pekko,
    /// From a tagged write to its delivery by a live stream.
    Live,
    /// A finite query by tag over years in which nothing was tagged.
    EmptyYears,
    /// The heap of a long replay.
    Heap,
}

/// A server, and how many runs it has seen.
#[derive(Debug)]
struct Server {
    node: Cassandra,
    runs: AtomicU64,
}

impl Server {
    fn start() -> Result<Self> {
        Ok(Self { node: Cassandra::start(&CassandraOptions::default())?, runs: 0.into() })
    }

    /// Runs `load` against `target` on entities that no run before has used.
    async fn drive<T: Target>(&self, target: T, load: Load) -> Result<Run> {
        let entities = self.entities(load.writers.max(load.entities));
        let target = Arc::new(Named { target, entities, appends: 0.into() });
        let outcome = drive(target.clone(), load).await?;
        Ok(Run { outcome, appends: target.appends.load(Ordering::Relaxed) })
    }

    /// So many entities that no run before has used.
    fn entities(&self, entities: u64) -> Vec<Entity> {
        /// More than any run has entities.
        const APART: u64 = 10_000;
        let first = (self.runs.fetch_add(1, Ordering::Relaxed) + 1) * APART;
        (first..first + entities).map(Entity::new).collect()
    }
}

/// What a run gave, and all that it appended, its warm-up included.
struct Run {
    outcome: Outcome,
    appends: u64,
}

/// Writes other entities than the driver says: names of this run alone.
struct Named<T> {
    target: T,
    entities: Vec<Entity>,
    appends: AtomicU64,
}

impl<T: Target> Target for Named<T> {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        let named = usize::try_from(entity.number).ok().and_then(|at| self.entities.get(at));
        let named = named.ok_or("an entity that the load does not have")?;
        self.target.append(named, seq_nr, payload).await?;
        self.appends.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn settings(keyspace: &str, fencing: Fencing) -> CassandraSettings {
    let snapshots = format!("{keyspace}_snapshots");
    let mut settings = CassandraSettings::new().with_keyspaces(keyspace, snapshots);
    settings.fencing = Some(fencing);
    // A busy server is no reason to end a run.
    settings.request_timeout = Duration::from_secs(30);
    settings
}

/// A store on `keyspace`, whose tables are made where they are missing.
async fn open(address: &str, keyspace: &str, fencing: Fencing) -> Result<CassandraStore> {
    let builder = CassandraStore::builder([address]).settings(settings(keyspace, fencing));
    builder.create_schema().await?;
    Ok(builder.open().await?)
}

fn target(store: &CassandraStore) -> JournalTarget {
    JournalTarget::new(store.store().journal, Tags::NONE)
}

impl Bench {
    /// Measures `figures` of the store on Cassandra, or all when none is named. One that fails is told of
    /// in the report, and the others are measured all the same.
    pub async fn run_cassandra(mut self, figures: &[CassandraFigure]) -> Report {
        self.report
            .path("one Cassandra with a heap of 1 GiB: the bottleneck, on the client's cores");
        self.report.note(format!("load average at the beginning: {}", load_average()));
        let server = match Server::start() {
            Ok(server) => server,
            Err(error) => {
                self.report.failure(format!("no server: {error}"));
                return self.report;
            }
        };
        for figure in CassandraFigure::value_variants() {
            if !figures.is_empty() && !figures.contains(figure) {
                continue;
            }
            eprintln!("{figure:?}");
            let measured = match figure {
                CassandraFigure::Appends => self.cassandra_appends(&server).await,
                CassandraFigure::Claims => self.cassandra_claims(&server).await,
                CassandraFigure::Pekko => self.cassandra_pekko(&server).await,
                CassandraFigure::Live => self.cassandra_live(&server).await,
                CassandraFigure::EmptyYears => self.cassandra_empty_years(&server).await,
                CassandraFigure::Heap => self.cassandra_heap(&server).await,
            };
            if let Err(error) = measured {
                self.report.failure(format!("{figure:?} could not be measured: {error}"));
            }
        }
        self.report.note(format!("load average at the end: {}", load_average()));
        self.report
    }

    /// A load of one event an append, long enough at first for claims and for the server's compilers.
    fn cassandra_load(&self, writers: u64) -> Load {
        let least = if self.plan.quick { 300 } else { 2_000 };
        let load = self.load(writers);
        Load { warm_up: load.warm_up.max(Duration::from_millis(least)), ..load }
    }
}
