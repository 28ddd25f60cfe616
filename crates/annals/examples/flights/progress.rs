//! How far the import has come, on stderr.

use super::report::grouped;

/// Counts rows, and prints a line for every tenth of them.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: 0 }
    }

    /// One more row is answered.
    pub(crate) fn step(&mut self) {
        let tenth = |rows: usize| rows * 10 / self.total.max(1);
        let (before, after) = (tenth(self.done), tenth(self.done + 1));
        self.done += 1;
        if after > before {
            eprintln!("  {:>3} %  {:>9} rows", after * 10, grouped(self.done));
        }
    }
}
