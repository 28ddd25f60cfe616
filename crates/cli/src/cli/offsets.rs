//! `annals offsets`.

use annals::{Offset, OffsetRevision, Scope, Store};

use crate::args::OffsetsSet;
use crate::output::{Output, Row, done};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(crate) async fn list(session: &Session, output: &mut Output) -> Outcome {
    session
        .reading(async |store| {
            for stored in store.offsets.list_offsets().await? {
                let (offset, revision) = (stored.offset.to_string(), stored.revision.get());
                output.row(Row {
                    json: object(serde_json::json!({
                        "name": stored.name, "offset": offset, "revision": revision,
                    })),
                    cells: vec![
                        ("NAME", stored.name),
                        ("OFFSET", offset),
                        ("REVISION", revision.to_string()),
                    ],
                })?;
            }
            Ok(())
        })
        .await
}

/// Moves the offset of one projection. The store checks that it is one of its own, and that nobody
/// saved another since it was read.
pub(crate) async fn set(
    args: OffsetsSet,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let offset: Offset = args.offset.parse()?;
    let name = args.name;
    let work = async |store: Store| {
        let stored = store.offsets.load_offset(&name).await?;
        let revision = stored.as_ref().map_or(OffsetRevision::NONE, |stored| stored.revision);
        let before = stored.map(|stored| stored.offset.to_string());
        if session.yes() {
            store.offsets.save_offset(&name, revision, offset.clone()).await?;
        } else {
            // A dry run refuses what the real one would: an offset of another store.
            if store.read_journal.capabilities().all_events {
                store.read_journal.page(&Scope::All, Some(&offset), None, 1).await?;
            }
            let from = before.as_deref().unwrap_or("the beginning");
            report.note(format!(
                "dry run: would move {name} from {from} to {offset}; give --yes to do it"
            ));
        }
        if before.is_none() {
            report.note(format!("note: {name} had no offset: is its name right?"));
        }
        output.row(Row {
            json: object(serde_json::json!({
                "name": name, "before": before, "offset": offset.to_string(),
                "dry_run": !session.yes(),
            })),
            cells: vec![
                ("NAME", name.clone()),
                ("BEFORE", before.unwrap_or_else(|| "-".to_owned())),
                ("OFFSET", offset.to_string()),
                ("DONE", done(!session.yes())),
            ],
        })?;
        Ok(())
    };
    session.applying(work).await
}
