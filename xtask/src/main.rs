//! The tasks of this repository, run as `cargo xtask <task>`; without arguments it lists them.

mod check;
mod command;
mod edges;
mod servers;
mod sources;
mod workspace;

use std::process::ExitCode;

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <task>

  test [--long]   everything that must hold: format, lints, tidy, tests, docs;
                  --long gives the tests ANNALS_LONG=1: the same tests, more rounds.
                  Starts the servers that they need, unless ANNALS_DYNAMODB and
                  ANNALS_CASSANDRA name running ones
  tidy            the layout: edges between crates, file headers and sizes, local paths
  bench NAME …    runs a benchmark of annals-bench, in release mode";

/// What a task answers: an error is for the person at the terminal.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => check::run(&Workspace::load()?, check::Rounds::Ordinary),
        ["test", "--long"] => check::run(&Workspace::load()?, check::Rounds::Long),
        ["tidy"] => check::tidy(&Workspace::load()?),
        ["bench", name, rest @ ..] => bench(&Workspace::load()?, name, rest),
        _ => Err(USAGE.to_owned()),
    }
}

fn bench(workspace: &Workspace, name: &str, rest: &[&str]) -> Result<()> {
    const PACKAGE: &str = "annals-bench";
    if !workspace.packages.iter().any(|package| package.name == PACKAGE) {
        return Err(format!("this workspace has no package {PACKAGE}, so there is nothing to run"));
    }
    // What is measured beside ours is left out of every other build. The second program counts
    // allocations.
    let feature = match name {
        "dynamodb" => "dynamodb",
        "cassandra" => "cassandra",
        _ => "peers",
    };
    let what = ["--release", "--package", PACKAGE, "--features", feature];
    let build = [&["build", "--bins"], &what[..]].concat();
    command::cargo(&workspace.root, &build, &[])?;
    let run = [&["run"], &what[..], &["--", name], rest].concat();
    command::cargo(&workspace.root, &run, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_task_answers_with_the_list() {
        for words in [vec![], vec!["tset"], vec!["test", "--short"], vec!["bench"]] {
            let arguments: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(run(&arguments), Err(USAGE.to_owned()));
        }
    }
}
