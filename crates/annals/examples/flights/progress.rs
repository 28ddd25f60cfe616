//! How far the import has come, on stderr.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::report::grouped;

/// Counts rows, and prints a line for every tenth of them.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: AtomicUsize,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: AtomicUsize::new(0) }
    }

    /// One more row is answered.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let tenth = |rows: usize| rows * 10 / self.total.max(1);
        if tenth(done) > tenth(done - 1) {
            eprintln!("  {:>3} %  {:>9} rows", tenth(done) * 10, grouped(done));
        }
    }
}
