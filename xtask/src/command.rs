//! Running programs, with their output going to the terminal.

use std::path::Path;
use std::process::Command;

use crate::Result;

/// Runs cargo in `root` with some environment variables set.
pub(crate) fn cargo(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(cargo_program());
    command.current_dir(root).args(arguments).envs(variables.iter().copied());
    let shown = format!("cargo {}", arguments.join(" "));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("`{shown}` could not be started: {error}")),
    }
}

/// The output of a program that runs in `root`.
pub(crate) fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let shown = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .current_dir(root)
        .args(arguments)
        .output()
        .map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{shown}` failed: {}\n{stderr}", output.status));
    }
    Ok(output.stdout)
}

/// The cargo that runs this task, so that both are of one toolchain.
pub(crate) fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
