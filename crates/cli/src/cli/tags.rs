//! `annals tags`: the rows by which a store on Cassandra reads by tag.

mod rebuild;

use annals::query::{Extent, Query};
use annals::{Error, Ids, PersistenceId, Store};
use futures_util::StreamExt;

use crate::args::TagsVerb;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(crate) async fn run(
    verb: TagsVerb,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match verb {
        TagsVerb::Repair { ids, all } => repair_all(ids, all, session, output).await,
        TagsVerb::Rebuild(args) => rebuild::run(args, session, output, report).await,
    }
}

async fn repair_all(
    ids: Vec<String>,
    all: bool,
    session: &Session,
    output: &mut Output,
) -> Outcome {
    session
        .writing(async |store| {
            if store.capabilities().name != "cassandra" {
                return Err(nothing_to("repair").into());
            }
            for id in &ids {
                repair(&store, &PersistenceId::new(id.as_str())?, session, output).await?;
            }
            if all {
                let mut ids = Query::new(store.read_journal.clone()).ids(Extent::Current, None);
                while let Some(entry) = ids.next().await {
                    repair(&store, &entry?.persistence_id, session, output).await?;
                }
            }
            Ok(())
        })
        .await
}

fn nothing_to(verb: &str) -> Error {
    let message =
        format!("this store keeps its tags with their events: there is nothing to {verb}");
    Error::unsupported(message)
}

/// Beginning an entity writes the tag rows that an interrupted writer left out.
async fn repair(
    store: &Store,
    id: &PersistenceId,
    session: &Session,
    output: &mut Output,
) -> Outcome {
    let writer = session.system.writer_id();
    let bounds = store.journal.begin(id, &writer).await?;
    store.journal.end(id, &writer).await?;
    let highest = bounds.highest.get();
    output.row(Row {
        json: object(serde_json::json!({ "persistence_id": id.as_str(), "highest": highest })),
        cells: vec![("PERSISTENCE ID", id.to_string()), ("HIGHEST", highest.to_string())],
    })?;
    Ok(())
}
