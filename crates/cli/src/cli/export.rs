//! `annals export`: everything as JSON lines.
//!
//! ```text
//!  {"type":"entity", …}    ids whose oldest events are deleted: how far they are, and where they end
//!  {"type":"event", …}     in the order of commits, each with its `offset`
//!  {"type":"snapshot", …}  of states that the events above include
//! ```
//!
//! The last `offset` of an interrupted export is where `--after` goes on; the other two kinds are
//! written again, which an import takes no harm from.

use annals::query::{Extent, Query};
use annals::{
    Error, Offset, PersistenceId, Scope, SeqNr, SnapshotCriteria, SnapshotStoreExt, Store,
};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use crate::args::Export;
use crate::output::Output;
use crate::record::{self, Exactness, object};
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Snapshots of one entity that are listed at a time.
const INFOS_MAX: usize = 256;

pub(crate) async fn run(
    args: Export,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let after: Option<Offset> = args.after.as_deref().map(str::parse).transpose()?;
    session
        .reading(async |store| {
            let limits = store.capabilities();
            if !limits.all_events {
                let message =
                    format!("export reads all events in one order, which {} has not", limits.name);
                return Err(Error::unsupported(message).into());
            }
            let progress = report.progress("exported", None);
            // Read first: the events that follow reach at least as far, and so include every state
            // whose snapshot is exported.
            let ends = entities(&store, output, &progress).await?;
            let events = events(&store, after, output, &progress).await?;
            let snapshots = snapshots(&store, &ends, output, &progress).await?;
            output.flush()?;
            progress.finish_and_clear();
            report.note(format!("exported {events} events and {snapshots} snapshots"));
            Ok(())
        })
        .await
}

async fn entities(
    store: &Store,
    output: &mut Output,
    progress: &ProgressBar,
) -> Outcome<Vec<(PersistenceId, SeqNr)>> {
    let mut ends = Vec::new();
    let mut ids = Query::new(store.read_journal.clone()).ids(Extent::Current, None);
    while let Some(entry) = ids.next().await {
        let id = entry?.persistence_id;
        let bounds = store.journal.bounds(&id).await?;
        if !bounds.deleted_to.is_zero() {
            output.json_line(&object(json!({
                "type": "entity", "persistence_id": id.as_str(),
                "deleted_to": bounds.deleted_to.get(), "highest": bounds.highest.get(),
            })))?;
        }
        ends.push((id, bounds.highest));
        progress.tick();
    }
    Ok(ends)
}

async fn events(
    store: &Store,
    after: Option<Offset>,
    output: &mut Output,
    progress: &ProgressBar,
) -> Outcome<u64> {
    let mut count = 0;
    let query = Query::new(store.read_journal.clone());
    let mut events = query.events(Scope::All, Extent::Current, after);
    while let Some(envelope) = events.next().await {
        let envelope = envelope?;
        let event = record::event(&envelope.persistence_id, &envelope.event, Exactness::Bytes);
        let mut line = typed("event", event);
        line.insert("offset".to_owned(), envelope.offset.to_string().into());
        output.json_line(&line)?;
        count += 1;
        progress.inc(1);
    }
    Ok(count)
}

async fn snapshots(
    store: &Store,
    ends: &[(PersistenceId, SeqNr)],
    output: &mut Output,
    progress: &ProgressBar,
) -> Outcome<u64> {
    let mut count = 0;
    for (id, end) in ends {
        let mut criteria = SnapshotCriteria::up_to(*end);
        loop {
            let infos = store.snapshots.list(id, &criteria, INFOS_MAX).await?;
            for info in &infos {
                let at = SnapshotCriteria::at(info.seq_nr);
                let found = store.snapshots.load_readable(id, &at, 1, |_| Ok(())).await?;
                // Deleted since it was listed, otherwise.
                if let Some((snapshot, ())) = found {
                    let snapshot = record::snapshot(&snapshot, Exactness::Bytes);
                    output.json_line(&typed("snapshot", snapshot))?;
                    count += 1;
                    progress.inc(1);
                }
            }
            match infos.last() {
                Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                    criteria.max_seq_nr = oldest.seq_nr.previous();
                }
                _ => break,
            }
        }
    }
    Ok(count)
}

fn typed(kind: &str, record: Map<String, Value>) -> Map<String, Value> {
    let mut line = object(json!({ "type": kind }));
    line.extend(record);
    line
}
