//! The servers of this crate, started for real: that they come up, come back, and never outlive the
//! process that wanted them.

#![allow(clippy::unwrap_used)]

mod cassandra;
mod dynamodb;

use std::path::Path;
use std::time::{Duration, Instant};

/// Whether a process of that id runs.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

fn pid(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("pid")).unwrap().trim().to_owned()
}

/// Waits until the server is gone, and its folder with it.
fn await_gone(pid: &str, directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while runs(pid) || directory.exists() {
        assert!(Instant::now() < deadline, "process {pid} or {} is left", directory.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
