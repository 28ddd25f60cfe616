//! The figures, one file each, and the order in which they are measured.

mod appends;
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
mod beside;
#[cfg(feature = "cassandra")]
mod cassandra;
mod delay;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod entities;
mod live;
mod replay;
mod sealed;
mod sustained;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::load::{Fill, fill};
use crate::subject::Subject;
use crate::{Plan, Report, Result};

#[cfg(feature = "cassandra")]
pub use cassandra::{CassandraFigure, heap_of_cassandra_replay};
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDbFigure, heap_of_dynamodb_replay};
pub use entities::{EntityFigure, heap_of_idle};

/// A figure, or a group of figures that one measurement gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// Appends of 256 writers, against the limit and a bare write loop.
    Appends,
    /// Appends of one writer, against a bare write loop.
    Single,
    /// Appends over many entities, against other engines.
    Sustained,
    /// The replay of one long history.
    Replay,
    /// Opening a large store after a kill, against a small one.
    Reopen,
    /// What the indexes of sealed segments cost.
    Index,
    /// From commit to delivery.
    Live,
    /// Many readers of one tag, against one.
    Readers,
}

/// A run of benchmarks.
#[derive(Debug)]
pub struct Bench {
    plan: Plan,
    root: TempDir,
    report: Report,
    /// A large store that several figures look at, made for the first of them.
    large: Option<PathBuf>,
}

impl Bench {
    /// A run of `command` by `plan`, whose stores are made in a directory of their own within `dir`.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn new(command: &'static str, plan: Plan, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let root = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(dir)?;
        let report = Report::new(command, &plan);
        Ok(Self { plan, root, report, large: None })
    }

    /// Measures `figures` of the embedded store, or all when none is named. One that fails is told of in the report, and the
    /// others are measured all the same.
    pub async fn run(mut self, figures: &[Figure]) -> Report {
        for figure in Figure::value_variants() {
            if !figures.is_empty() && !figures.contains(figure) {
                continue;
            }
            eprintln!("{figure:?}");
            if let Err(error) = self.measure(*figure).await {
                self.report.failure(format!("{figure:?} could not be measured: {error}"));
            }
        }
        self.report
    }

    async fn measure(&mut self, figure: Figure) -> Result<()> {
        match figure {
            Figure::Appends => self.appends().await,
            Figure::Single => self.single().await,
            Figure::Sustained => self.sustained().await,
            Figure::Replay => self.replay().await,
            Figure::Reopen => self.reopen(),
            Figure::Index => self.index().await,
            Figure::Live => self.live().await,
            Figure::Readers => self.readers().await,
        }
    }

    /// An empty directory's path, for a store.
    fn place(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.path().join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(dir)
    }

    /// A new open store.
    fn fresh(&mut self, name: &str) -> Result<(Subject, PathBuf)> {
        let dir = self.place(name)?;
        let subject = Subject::open(&dir)?;
        self.report.path(subject.stats().write_path.name());
        Ok((subject, dir))
    }

    /// Ends a store and removes it.
    async fn finish(&self, subject: Subject, dir: &Path) -> Result<()> {
        subject.close().await?;
        discard(dir)
    }

    /// Makes a store of these events, closed in order.
    async fn filled(&mut self, name: &str, what: Fill) -> Result<PathBuf> {
        let (subject, dir) = self.fresh(name)?;
        fill(&subject, what).await?;
        subject.close().await?;
        Ok(dir)
    }
}

/// Removes what a run left, if it left anything.
fn discard(dir: &Path) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    Ok(())
}
