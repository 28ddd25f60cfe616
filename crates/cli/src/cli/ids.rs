//! `annals ids`.

use annals::query::{Extent, Query};
use annals::{Error, Store};

use super::stream;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(crate) async fn list(
    prefix: Option<String>,
    follow: bool,
    session: &Session,
    output: &mut Output,
) -> Outcome {
    let prefix = prefix.unwrap_or_default();
    session
        .reading(async |store| {
            let extent = if follow { Extent::Live } else { Extent::Current };
            let ids = Query::new(store.read_journal.clone()).ids(extent, None);
            stream::print(ids, follow, None, session, output, |entry| {
                let id = entry.persistence_id.as_str();
                id.starts_with(&prefix).then(|| Row {
                    json: object(serde_json::json!({ "persistence_id": id })),
                    cells: vec![("PERSISTENCE ID", id.to_owned())],
                })
            })
            .await
        })
        .await
}

/// Lists the ids that the list lacks.
pub(crate) async fn rebuild(
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let work = async |store: Store| missing(&store, session, output, report).await;
    session.applying(work).await
}

#[cfg_attr(not(feature = "cassandra"), allow(unused_variables))]
async fn missing(
    store: &Store,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    #[cfg(feature = "cassandra")]
    if let Some(tables) = store.cassandra() {
        let dry_run = !session.yes();
        let mut rebuild = tables.rebuild_ids(session.execution());
        let bar = report.progress("partitions", None);
        while let Some(page) = rebuild.next().await? {
            bar.inc(page.looked_at);
            for id in page.missing {
                output.row(Row {
                    json: object(serde_json::json!({
                        "persistence_id": id.as_str(), "dry_run": dry_run,
                    })),
                    cells: vec![
                        ("PERSISTENCE ID", id.to_string()),
                        ("LISTED", crate::output::done(dry_run)),
                    ],
                })?;
            }
            output.flush()?;
        }
        bar.finish_and_clear();
        if dry_run {
            report.note("dry run: nothing was listed; give --yes to do it");
        }
        return Ok(());
    }
    let message = "this store keeps its list of ids with its events: there is nothing to rebuild";
    Err(Error::unsupported(message).into())
}
