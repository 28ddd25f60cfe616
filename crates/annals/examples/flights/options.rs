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

    /// Where to record them: memory: or embedded:PATH [default: memory:]
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
        self.store.clone().unwrap_or_else(|| "memory:".to_owned())
    }
}

/// `path` as seen from here, if it lies below.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.unwrap_or_else(|| path.to_path_buf())
}
