//! Where the examples are, as programs.

use std::path::PathBuf;

/// The example `name`: `cargo test` builds the examples beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "the example is not built: cargo build -p annals --examples");
    program
}
