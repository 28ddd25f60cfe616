//! `cargo xtask test`: the steps that must pass, in the order in which they fail fastest. One
//! profile and one feature set, so that the steps share what they compile.

use std::time::{Duration, Instant};

use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{Result, command, edges, sources};

/// Everything that users can choose. Left out are the peers of the benchmarks, which take a minute to
/// compile.
const FEATURES: &str = "annals/cassandra-tls,annals/dynamodb,annals/metrics,annals/pekko,\
                        annals-cli/cassandra-tls,annals-cli/dynamodb";

/// How much the tests do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    Ordinary,
    Long,
}

/// Runs every step, and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, rounds: Rounds) -> Result<()> {
    let cargo = |arguments: &[&str], variables: &[(&str, &str)]| {
        command::cargo(&workspace.root, arguments, variables)
    };
    let mut variables = match rounds {
        Rounds::Ordinary => vec![],
        Rounds::Long => vec![("ANNALS_LONG", "1")],
    };
    let with = |command: &'static str, more: &[&'static str]| {
        [&[command, "--workspace", "--features", FEATURES], more].concat()
    };
    let lints = with("clippy", &["--all-targets", "--", "-D", "warnings"]);
    let build = with("test", &["--no-run"]);
    let tests = with("test", &[]);
    let docs = with("doc", &["--no-deps"]);
    let mut steps = Steps::default();
    steps.run("format", || cargo(&["fmt", "--all", "--check"], &[]))?;
    steps.run("tidy", || tidy(workspace))?;
    steps.run("lints", || cargo(&lints, &[]))?;
    steps.run("build", || cargo(&build, &variables))?;
    let mut servers = Servers::default();
    steps.run("servers", || servers.start(workspace))?;
    variables.extend(servers.variables());
    steps.run("tests", || cargo(&tests, &variables))?;
    drop(servers);
    steps.run("docs", || cargo(&docs, &[("RUSTDOCFLAGS", "-D warnings")]))?;
    steps.summary();
    Ok(())
}

/// The layout of the repository.
pub(crate) fn tidy(workspace: &Workspace) -> Result<()> {
    let sources = sources::read(&workspace.root)?;
    let mut problems = edges::problems(&workspace.packages);
    problems.extend(sources::problems(&sources));
    if problems.is_empty() {
        let packages = workspace.packages.len();
        println!("tidy: {packages} packages and {} text files are in order", sources.len());
        return Ok(());
    }
    problems.push(format!("tidy: {} problems", problems.len()));
    Err(problems.join("\n"))
}

#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("==> {name}");
        let start = Instant::now();
        let result = step();
        let duration = start.elapsed();
        match result {
            Ok(()) => {
                println!("==> {name}: passed in {:.1} s", duration.as_secs_f64());
                self.done.push((name, duration));
                Ok(())
            }
            Err(message) => {
                Err(format!("{message}\n==> {name}: FAILED after {:.1} s", duration.as_secs_f64()))
            }
        }
    }

    fn summary(&self) {
        let total: Duration = self.done.iter().map(|(_, duration)| *duration).sum();
        println!("==> all passed in {:.1} s", total.as_secs_f64());
        for (name, duration) in &self.done {
            println!("      {name:<8} {:>7.1} s", duration.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_ends_the_run_with_its_name() {
        let mut steps = Steps::default();
        steps.run("first", || Ok(())).unwrap();

        let error = steps.run("second", || Err("why".to_owned())).unwrap_err();

        assert!(error.starts_with("why\n==> second: FAILED after "), "{error}");
        assert_eq!(steps.done.len(), 1);
    }
}
