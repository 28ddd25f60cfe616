//! Runs cases.

use std::io::Write;
use std::sync::Arc;

use crate::context::Context;
use crate::{CASES, Case, Fixture, Verdict};

/// Runs `case` over `fixture`, within the fixture's deadline. A panic is a failure. Needs a tokio
/// runtime with timers.
pub async fn run(fixture: Arc<dyn Fixture>, case: &Case) -> Verdict {
    let deadline = fixture.deadline();
    let allowed = fixture.lacks().to_vec();
    let context = Context::new(fixture, case.name);
    let mut task = tokio::spawn((case.body)(context));
    let verdict = match tokio::time::timeout(deadline, &mut task).await {
        Ok(Ok(outcome)) => Verdict::from(outcome),
        Ok(Err(panic)) => Verdict::Failed(format!("the case did not end well: {panic}")),
        Err(_) => {
            task.abort();
            Verdict::Failed(format!("no end after {} seconds", deadline.as_secs()))
        }
    };
    match verdict {
        Verdict::Ignored(missing) if !allowed.contains(&missing) => Verdict::Failed(format!(
            "{missing}, and the fixture does not declare that it lacks this ({missing:?})"
        )),
        verdict => verdict,
    }
}

/// Runs the case `name` on a runtime of its own, as the tests that [`suite!`](crate::suite) makes.
///
/// # Panics
/// If the case fails, or if there is none of this name.
pub fn check(fixture: Arc<dyn Fixture>, name: &str) {
    let case = CASES.iter().find(|case| case.name == name).expect("the table has this case");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    match runtime.block_on(run(fixture, case)) {
        Verdict::Passed => {}
        Verdict::Failed(reason) => panic!("{}: {reason}", case.title),
        // The stream itself, since the test harness captures what the macros print.
        Verdict::Ignored(missing) => {
            let _ = writeln!(std::io::stderr(), "ignored: {}: {missing}", case.title);
        }
    }
}
