//! What can be chosen on the command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::file::data_folder;

/// Records flights, one entity per aircraft, and reads a board of carriers back.
///
/// Run it a second time, or kill it in the middle and run it again: what is recorded is recovered, and
/// the rest is recorded.
#[derive(Debug, Parser)]
#[command(name = "flights")]
pub(crate) struct Options {
    /// The flights of a month, plain or gzip [default: January 2013, in the example's folder]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Where to record them: memory:, embedded:PATH, or dynamodb://HOST:PORT with the feature `dynamodb`
    /// [default: an embedded store under target/]
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// Print the board alone on stdout, one line per carrier; everything else goes to stderr
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// The file to read.
    pub(crate) fn data(&self) -> PathBuf {
        let own = || relative(&data_folder().join("flights-2013-01.csv.gz"));
        self.data.clone().unwrap_or_else(own)
    }

    /// The store to record in.
    pub(crate) fn store(&self) -> String {
        self.store.clone().unwrap_or_else(|| format!("embedded:{}", default_store().display()))
    }
}

/// The same directory in every run: beside the build's artefacts, or else in the system's directory
/// for temporary files.
fn default_store() -> PathBuf {
    const NAME: &str = "flights-store";
    let program = std::env::current_exe().ok();
    // target/release/examples/flights
    let target = program.as_deref().and_then(|program| program.ancestors().nth(3));
    match target.filter(|target| target.join("CACHEDIR.TAG").exists()) {
        Some(target) => relative(target).join(NAME),
        None => std::env::temp_dir().join(format!("annals-{NAME}")),
    }
}

/// `path` as seen from here, if it lies below.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.unwrap_or_else(|| path.to_path_buf())
}
