//! `annals verify`: reads everything, and checks that what the store promises holds.
//!
//! ```text
//!  ids ──────► each once, with its bounds: what is looked at from here on, so that a service may go
//!  │           on appending meanwhile
//!  ├─ histories ─► contiguous, whole; a fingerprint of all events, and one per tag
//!  ├─ all events, slices, each tag ─► the same events: the fingerprints are equal
//!  └─ snapshots ─► readable, none past the end
//!  files ────► of an embedded store, every byte: checksums, the chain of frames, index files
//! ```

use annals::{Error, Store};
use serde_json::{Map, Value, json};

use super::verify_pass::Pass;
use crate::output::{Output, Row};
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Problems that are told one by one.
const TOLD_MAX: u64 = 1_000;

pub(crate) async fn run(session: &Session, output: &mut Output, report: &mut Report) -> Outcome {
    session.reading(async |store| verify(&store, output, report).await).await
}

async fn verify(store: &Store, output: &mut Output, report: &mut Report) -> Outcome {
    let progress = report.progress("verified", None);
    let mut pass = Pass::new(store, progress);
    let files = files(store, &mut pass).await?;
    pass.ids().await?;
    pass.histories().await?;
    pass.across().await?;
    pass.snapshots().await?;
    if pass.changed().await? {
        let message =
            "events were deleted while they were read, so nothing can be said: verify again";
        return Err(Error::unavailable(message).into());
    }
    let (found, told) = (pass.found, std::mem::take(&mut pass.problems));
    for problem in &told {
        output.row(problem.row())?;
    }
    if found > TOLD_MAX {
        report.note(format!("{} more problems are not told", found - TOLD_MAX));
    }
    output.row(summary(&pass, files))?;
    output.flush()?;
    pass.progress.finish_and_clear();
    if pass.found > 0 {
        return Err(Error::corrupt(format!("{} problems were found", pass.found)).into());
    }
    Ok(())
}

/// The bytes of the store's files that were checked, if it has files.
async fn files(store: &Store, pass: &mut Pass<'_>) -> Outcome<Option<u64>> {
    let Some(embedded) = store.embedded() else { return Ok(None) };
    match embedded.verify().await {
        Ok(verified) => Ok(Some(verified.bytes)),
        Err(error) => {
            pass.damage("checksum", None, error)?;
            Ok(None)
        }
    }
}

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Problem {
    /// The clause that does not hold, or `checksum`.
    pub(super) clause: &'static str,
    pub(super) id: Option<String>,
    pub(super) message: String,
}

impl Problem {
    fn row(&self) -> Row {
        let json = json!({
            "problem": self.clause, "persistence_id": self.id, "message": self.message,
        });
        Row {
            json: crate::record::object(json),
            cells: vec![
                ("PROBLEM", self.clause.to_owned()),
                ("PERSISTENCE ID", self.id.clone().unwrap_or_default()),
                ("MESSAGE", self.message.clone()),
            ],
        }
    }
}

impl Pass<'_> {
    /// Takes note of something that is wrong.
    pub(super) fn problem(&mut self, clause: &'static str, id: Option<&str>, message: String) {
        self.found += 1;
        if self.found <= TOLD_MAX {
            self.problems.push(Problem { clause, id: id.map(str::to_owned), message });
        }
    }
}

fn summary(pass: &Pass<'_>, log_bytes: Option<u64>) -> Row {
    let mut counts = vec![
        ("ids", pass.counts.ids),
        ("events", pass.counts.events),
        ("deleted_events", pass.counts.deleted_events),
        ("tags", pass.counts.tags),
        ("snapshots", pass.counts.snapshots),
        ("unknown_payloads", pass.counts.unknown_payloads),
        ("unreadable_payloads", pass.counts.unreadable_payloads),
        ("deleted_without_snapshot", pass.counts.deleted_without_snapshot),
        ("problems", pass.found),
    ];
    if let Some(bytes) = log_bytes {
        counts.insert(0, ("log_bytes", bytes));
    }
    let json: Map<String, Value> =
        counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    Row { json, cells: counts.iter().map(|(name, count)| (*name, count.to_string())).collect() }
}
