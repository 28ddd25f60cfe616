//! `annals export`: everything as JSON lines.
//!
//! ```text
//!  {"type":"entity", …}    ids whose oldest events are deleted: how far they are, and where they end
//!  {"type":"event", …}     in the order of commits (where the store has it), each with its `offset`
//!  {"type":"snapshot", …}  of states that the events above include
//! ```
//!
//! The last `offset` of an interrupted export is where `--after` goes on; the other two kinds are
//! written again, which an import takes no harm from.

use annals::Offset;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use crate::args::Export;
use crate::output::Output;
use crate::record::{self, Exactness, object};
use crate::report::{Outcome, Report};
use crate::session::Session;
use crate::transfer::Source;

pub(crate) async fn run(
    args: Export,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let after: Option<Offset> = args.after.as_deref().map(str::parse).transpose()?;
    session
        .reading(async |store| {
            let progress = report.progress("exported", None);
            let source = Source::begin(store).await?;
            let (events, snapshots) = export(&source, after, output, &progress).await?;
            output.flush()?;
            progress.finish_and_clear();
            report.note(format!("exported {events} events and {snapshots} snapshots"));
            Ok(())
        })
        .await
}

async fn export(
    source: &Source,
    after: Option<Offset>,
    output: &mut Output,
    progress: &ProgressBar,
) -> Outcome<(u64, u64)> {
    for (id, bounds) in source.ids.iter().filter(|(_, bounds)| !bounds.deleted_to.is_zero()) {
        output.json_line(&object(json!({
            "type": "entity", "persistence_id": id.as_str(),
            "deleted_to": bounds.deleted_to.get(), "highest": bounds.highest.get(),
        })))?;
    }
    let (mut events, mut snapshots) = (0, 0);
    source
        .events(after, async |envelope| {
            let event = record::event(&envelope.persistence_id, &envelope.event, Exactness::Bytes);
            let mut line = typed("event", event);
            line.insert("offset".to_owned(), envelope.offset.to_string().into());
            output.json_line(&line)?;
            events += 1;
            progress.inc(1);
            Ok(())
        })
        .await?;
    source
        .snapshots(async |snapshot| {
            let snapshot = record::snapshot(&snapshot, Exactness::Bytes);
            output.json_line(&typed("snapshot", snapshot))?;
            snapshots += 1;
            progress.inc(1);
            Ok(())
        })
        .await?;
    Ok((events, snapshots))
}

fn typed(kind: &str, record: Map<String, Value>) -> Map<String, Value> {
    let mut line = object(json!({ "type": kind }));
    line.extend(record);
    line
}
