//! `annals events`: reading and deleting.

use annals::query::{Extent, Query};
use annals::{
    Error, JournalExt, Offset, PersistenceId, Result, Scope, SeqNr, SeqRange, Slice, SliceRange,
    SnapshotCriteria, Store, Tag,
};
use futures_util::StreamExt;

use super::stream;
use crate::args::{Events, EventsList, Follow};
use crate::output::{Output, Row, done};
use crate::record::{self, object};
use crate::report::{Outcome, Report};
use crate::session::Session;

/// How many events a reversed listing reads at a time.
const BLOCK_EVENTS: u64 = 256;

pub(crate) async fn run(
    verb: Events,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match verb {
        Events::Append(_) => Err(Error::internal("append was not dispatched").into()),
        Events::List(args) => session.reading(async |store| list(args, &store, output).await).await,
        Events::Tag { tag, follow } => {
            across(Scope::Tag(Tag::new(tag)?), follow, session, output).await
        }
        Events::Slices { range, follow } => {
            across(Scope::Slices(slices(&range)?), follow, session, output).await
        }
        Events::All { follow } => across(Scope::All, follow, session, output).await,
        Events::Delete { id, to } => {
            delete(&PersistenceId::new(id)?, to, session, output, report).await
        }
    }
}

async fn list(args: EventsList, store: &Store, output: &mut Output) -> Outcome {
    let id = PersistenceId::new(args.id)?;
    let from = args.from.unwrap_or(SeqNr::FIRST).max(SeqNr::FIRST);
    let range = SeqRange::new(from, args.to.unwrap_or(SeqNr::MAX));
    let mut left = args.max.unwrap_or(u64::MAX);
    if args.reverse {
        return list_reversed(&id, range, left, store, output).await;
    }
    let mut batches = store.journal.replay(&id, range);
    while left > 0
        && let Some(batch) = batches.next().await
    {
        for event in batch?.events {
            if left == 0 {
                break;
            }
            output.row(record::event_row(&id, &event, None))?;
            left -= 1;
        }
    }
    Ok(())
}

/// Reads block after block from the end, so that a long history does not have to fit in memory.
async fn list_reversed(
    id: &PersistenceId,
    range: SeqRange,
    mut left: u64,
    store: &Store,
    output: &mut Output,
) -> Outcome {
    let stored = store.journal.bounds(id).await?.stored();
    let lowest = range.from.max(stored.from);
    let mut to = range.to.min(stored.to);
    while left > 0 && lowest <= to {
        let block = BLOCK_EVENTS.min(left);
        let from = SeqNr::new(to.get().saturating_sub(block - 1)).unwrap_or(lowest).max(lowest);
        let events = store.journal.read_all(id, SeqRange::new(from, to)).await?;
        for event in events.iter().rev() {
            output.row(record::event_row(id, event, None))?;
        }
        left -= block;
        to = from.previous();
    }
    Ok(())
}

async fn across(scope: Scope, args: Follow, session: &Session, output: &mut Output) -> Outcome {
    let after: Option<Offset> = args.after.as_deref().map(str::parse).transpose()?;
    session
        .reading(async |store| {
            let extent = if args.follow { Extent::Live } else { Extent::Current };
            let events = Query::new(store.read_journal.clone()).events(scope, extent, after);
            let row = |envelope: &_| Some(record::envelope_row(envelope));
            stream::print(events, args.follow, args.max, session, output, row).await
        })
        .await
}

async fn delete(
    id: &PersistenceId,
    to: SeqNr,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let work = async |store: Store| {
        let bounds = store.journal.bounds(id).await?;
        let to = to.min(bounds.highest);
        let events = to.get().saturating_sub(bounds.deleted_to.get());
        let newest = store.snapshots.list(id, &SnapshotCriteria::ALL, 1).await?;
        if events > 0 && newest.first().is_none_or(|newest| newest.seq_nr < to) {
            report.note(format!(
                "note: {id} has no snapshot at or past {to}: without these events it recovers only \
                 where a deleted prefix is allowed"
            ));
        }
        if session.yes() {
            store.journal.delete_to(id, to).await?;
        } else {
            report.note(format!(
                "dry run: would delete {events} events of {id} up to {to}; give --yes to do it"
            ));
        }
        output.row(Row {
            json: object(serde_json::json!({
                "persistence_id": id.as_str(), "to": to.get(), "events": events,
                "highest": bounds.highest.get(), "dry_run": !session.yes(),
            })),
            cells: vec![
                ("PERSISTENCE ID", id.to_string()),
                ("TO", to.to_string()),
                ("EVENTS", events.to_string()),
                ("DONE", done(!session.yes())),
            ],
        })?;
        Ok(())
    };
    session.applying(work).await
}

fn slices(text: &str) -> Result<SliceRange> {
    let malformed =
        || Error::invalid(format!("{text:?} is not a range of slices: give MIN-MAX within 0-1023"));
    let slice = |text: &str| text.parse().ok().and_then(Slice::new).ok_or_else(malformed);
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    SliceRange::new(slice(min)?, slice(max)?)
}
