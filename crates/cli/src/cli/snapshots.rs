//! `annals snapshots`.

use std::io::BufRead;

use annals::{
    Clock, Error, ErrorKind, PersistenceId, SerializerId, Snapshot, SnapshotCriteria,
    SnapshotStoreExt, Store,
};
use annals_pekko::value::encode;
use serde_json::Value;

use super::payload;
use crate::args::{Snapshots, SnapshotsSave};
use crate::input;
use crate::output::{Output, Row};
use crate::record::{self, Exactness};
use crate::report::{Outcome, Report, describe};
use crate::session::Session;
use crate::time;

/// Infos listed at a time.
const INFOS_MAX: usize = 256;
/// Unreadable snapshots that `show` falls back past.
const ATTEMPTS_MAX: usize = 16;

pub(crate) async fn run(
    verb: Snapshots,
    session: &Session,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match verb {
        Snapshots::List { id } => {
            let id = PersistenceId::new(id)?;
            session.reading(async |store| list(&id, &store, output, report).await).await
        }
        Snapshots::Show { id, at } => {
            let id = PersistenceId::new(id)?;
            let criteria = at.map_or(SnapshotCriteria::ALL, SnapshotCriteria::at);
            session.reading(async |store| show(&id, &criteria, &store, output).await).await
        }
        Snapshots::Save(args) => {
            session
                .writing(async |store| save(args, session, &store, stdin, output, report).await)
                .await
        }
        Snapshots::Delete { id, at, to } => {
            let id = PersistenceId::new(id)?;
            let criteria = match (at, to) {
                (Some(at), _) => SnapshotCriteria::at(at),
                (None, Some(to)) => SnapshotCriteria::up_to(to),
                (None, None) => SnapshotCriteria::ALL,
            };
            let work = async |store| delete(&id, &criteria, session, &store, output, report).await;
            session.applying(work).await
        }
    }
}

async fn list(
    id: &PersistenceId,
    store: &Store,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let mut criteria = SnapshotCriteria::ALL;
    let mut unreadable = None;
    loop {
        let infos = store.snapshots.list(id, &criteria, INFOS_MAX).await?;
        for info in &infos {
            match store.snapshots.load(id, &SnapshotCriteria::at(info.seq_nr)).await {
                Ok(Some(snapshot)) => output.row(row(&snapshot, false))?,
                // Deleted since it was listed.
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    report.note(format!("{id}, snapshot {}: {}", info.seq_nr, describe(&error)));
                    unreadable.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match infos.last() {
            Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                criteria.max_seq_nr = oldest.seq_nr.previous();
            }
            _ => break,
        }
    }
    match unreadable {
        None => Ok(()),
        Some(error) => Err(error.context(format!("not every snapshot of {id} can be read")).into()),
    }
}

async fn show(
    id: &PersistenceId,
    criteria: &SnapshotCriteria,
    store: &Store,
    output: &mut Output,
) -> Outcome {
    let found = store.snapshots.load_readable(id, criteria, ATTEMPTS_MAX, |_| Ok(())).await?;
    let Some((snapshot, ())) = found else {
        let which = match criteria.min_seq_nr.is_zero() {
            true => String::new(),
            false => format!(" at {}", criteria.min_seq_nr),
        };
        return Err(Error::invalid(format!("{id} has no snapshot{which}")).into());
    };
    output.row(row(&snapshot, true))?;
    Ok(())
}

async fn save(
    args: SnapshotsSave,
    session: &Session,
    store: &Store,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let bytes_max = store.snapshots.capabilities().snapshot_bytes_max;
    // A value may be written longer than its payload is: escapes, base64, white space.
    let value = payload::json(&input::whole(stdin, bytes_max.saturating_mul(8))?)?;
    let serializer = args.serializer.unwrap_or(match value {
        Value::String(_) => SerializerId::STRING,
        _ => SerializerId::JACKSON_JSON,
    });
    let id = PersistenceId::new(args.id)?;
    let highest = store.journal.bounds(&id).await?.highest;
    if args.at > highest {
        let message = format!(
            "{id} ends at {highest}: a snapshot at {} would make it unrecoverable; nothing was saved",
            args.at
        );
        return Err(Error::invalid(message).into());
    }
    let snapshot = Snapshot {
        persistence_id: id,
        seq_nr: args.at,
        timestamp: session.system.now(),
        payload: encode(serializer, args.manifest, &value)?,
        metadata: None,
    };
    let shown = row(&snapshot, false);
    store.snapshots.save(snapshot).await?;
    output.row(shown)?;
    report.note("saved");
    Ok(())
}

async fn delete(
    id: &PersistenceId,
    criteria: &SnapshotCriteria,
    session: &Session,
    store: &Store,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let mut count = 0_u64;
    let mut rest = *criteria;
    loop {
        let infos = store.snapshots.list(id, &rest, INFOS_MAX).await?;
        for info in &infos {
            count += 1;
            output.row(Row {
                json: record::object(serde_json::json!({
                    "persistence_id": id.as_str(), "sequence_nr": info.seq_nr.get(),
                    "timestamp": info.timestamp.as_millis(), "dry_run": !session.yes(),
                })),
                cells: vec![
                    ("PERSISTENCE ID", id.to_string()),
                    ("NUMBER", info.seq_nr.to_string()),
                    ("TIME", time::text(info.timestamp)),
                ],
            })?;
        }
        match infos.last() {
            Some(oldest) if infos.len() == INFOS_MAX && !oldest.seq_nr.is_zero() => {
                rest.max_seq_nr = oldest.seq_nr.previous();
            }
            _ => break,
        }
    }
    if session.yes() {
        store.snapshots.delete(id, criteria).await?;
        report.note(format!("deleted {count} snapshots of {id}"));
    } else {
        report
            .note(format!("dry run: would delete {count} snapshots of {id}; give --yes to do it"));
    }
    Ok(())
}

fn row(snapshot: &Snapshot, with_payload: bool) -> Row {
    let mut cells = vec![
        ("PERSISTENCE ID", snapshot.persistence_id.to_string()),
        ("NUMBER", snapshot.seq_nr.to_string()),
        ("TIME", time::text(snapshot.timestamp)),
        ("SERIALIZER", snapshot.payload.serializer.to_string()),
        ("MANIFEST", snapshot.payload.manifest.to_string()),
    ];
    let json = match with_payload {
        true => record::snapshot(snapshot, Exactness::Value),
        false => record::snapshot_info(snapshot, Exactness::Value),
    };
    if let Some(payload) = json.get("payload") {
        cells.push(("PAYLOAD", payload.to_string()));
    }
    Row { json, cells }
}
