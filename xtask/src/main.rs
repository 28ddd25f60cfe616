//! The tasks of this repository: `cargo xtask test`, `tidy`, `bench`.

fn main() {}
