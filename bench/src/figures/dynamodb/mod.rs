//! The store on DynamoDB against the bare SDK and against Pekko's plugin, on one DynamoDB Local.
//!
//! DynamoDB Local is the bottleneck of every figure that asks it: what a client costs shows in its CPU
//! time, and in the figures of a server that answers at once.

mod appends;
mod bare;
mod client;
mod pekko;
mod replay;

use std::sync::Arc;

use annals_core::Tags;
use annals_dynamodb::DynamoDb;
use annals_servers::Storage;
use clap::ValueEnum;

use super::Bench;
use crate::process::load_average;
use crate::subject::JournalTarget;
use crate::{Report, Result};

pub use replay::heap_of_replay as heap_of_dynamodb_replay;

/// Appends in flight, an entity each.
const WRITERS: u64 = 64;

/// The rounds before those that count: they warm the compilers of the server, and of the application
/// beside us.
const WARMED: usize = 2;
/// The same of recoveries, which are a hundred requests each: until then each one is quicker than the last.
const RECOVERIES_WARMED: usize = 16;

/// A figure of the store on DynamoDB, or a group of figures that one measurement gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DynamoDbFigure {
    /// Appends of one event, against the SDK's plain `PutItem`.
    Appends,
    /// The same where the server answers at once: what the client costs.
    Client,
    /// Requests of appends, counted.
    Requests,
    /// Appends and recoveries, against Pekko's plugin.
    Pekko,
    /// The heap of a long replay.
    Heap,
}

/// A server, and names that no run before has used.
#[derive(Debug)]
struct Server {
    local: annals_servers::DynamoDb,
    names: u32,
}

impl Server {
    fn start() -> Result<Self> {
        Ok(Self { local: annals_servers::DynamoDb::start(Storage::Memory)?, names: 0 })
    }

    /// A store of a journal that is still empty.
    async fn fresh(&mut self) -> Result<Arc<DynamoDb>> {
        self.names += 1;
        let store = open(self.local.endpoint(), &format!("bench{}", self.names)).await?;
        store.create_tables().await?;
        Ok(store)
    }
}

async fn open(endpoint: &str, journal: &str) -> Result<Arc<DynamoDb>> {
    let store = DynamoDb::builder()
        .endpoint(endpoint)
        .static_credentials("bench", "bench")
        .journal_name(journal)
        .open();
    Ok(store.await?)
}

fn target(store: &Arc<DynamoDb>) -> Arc<JournalTarget> {
    Arc::new(JournalTarget::new(store.store().journal, Tags::NONE))
}

impl Bench {
    /// Measures `figures` of the store on DynamoDB, or all when none is named. One that fails is told of
    /// in the report, and the others are measured all the same.
    pub async fn run_dynamodb(mut self, figures: &[DynamoDbFigure]) -> Report {
        self.report
            .path("DynamoDB Local, in memory: the bottleneck, beside the client on the same cores");
        self.report.note(format!("load average at the beginning: {}", load_average()));
        let mut server = match Server::start() {
            Ok(server) => server,
            Err(error) => {
                self.report.failure(format!("no server: {error}"));
                return self.report;
            }
        };
        for figure in DynamoDbFigure::value_variants() {
            if !figures.is_empty() && !figures.contains(figure) {
                continue;
            }
            eprintln!("{figure:?}");
            if let Err(error) = self.measure_dynamodb(&mut server, *figure).await {
                self.report.failure(format!("{figure:?} could not be measured: {error}"));
            }
        }
        self.report.note(format!("load average at the end: {}", load_average()));
        self.report
    }

    async fn measure_dynamodb(
        &mut self,
        server: &mut Server,
        figure: DynamoDbFigure,
    ) -> Result<()> {
        match figure {
            DynamoDbFigure::Appends => self.dynamodb_appends(server).await,
            DynamoDbFigure::Client => self.dynamodb_client().await,
            DynamoDbFigure::Requests => self.dynamodb_requests().await,
            DynamoDbFigure::Pekko => self.dynamodb_pekko(server).await,
            DynamoDbFigure::Heap => self.dynamodb_heap(server).await,
        }
    }
}
