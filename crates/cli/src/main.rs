//! The program `annals`; all of it is in the library `annals_cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    annals_cli::main()
}
