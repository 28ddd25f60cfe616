//! `annals cleanup --tombstones DAYS`: what deletes leave behind in a store on DynamoDB.

use annals::{Error, PersistenceId, Store};

use crate::output::Output;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(super) async fn run(
    ids: Vec<PersistenceId>,
    days: u32,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let work = async |store: Store| of(&store, ids, days, session, output, report).await;
    session.applying(work).await
}

#[cfg_attr(not(feature = "dynamodb"), allow(unused_variables))]
async fn of(
    store: &Store,
    ids: Vec<PersistenceId>,
    days: u32,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    #[cfg(feature = "dynamodb")]
    if let Some(tables) = store.dynamodb() {
        // Boxed: the futures of requests are deep.
        return Box::pin(dynamodb::sweep(tables, ids, days, session, output, report)).await;
    }
    let name = store.capabilities().name;
    let message = format!(
        "a store of kind {name} has no tombstones to sweep: `annals cleanup --tombstones` is for stores on \
         DynamoDB"
    );
    Err(Error::unsupported(message).into())
}

#[cfg(feature = "dynamodb")]
mod dynamodb {
    use annals::dynamodb::DynamoDb;
    use annals::{Clock, PersistenceId, Timestamp};
    use serde_json::json;

    use crate::output::{Output, Row, done};
    use crate::record::object;
    use crate::report::{Outcome, Report};
    use crate::session::Session;

    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

    pub(super) async fn sweep(
        tables: &DynamoDb,
        ids: Vec<PersistenceId>,
        days: u32,
        session: &Session,
        output: &mut Output,
        report: &mut Report,
    ) -> Outcome {
        let now = session.system.now().as_millis();
        let before = Timestamp::from_millis(now.saturating_sub(i64::from(days) * DAY_MILLIS));
        // Intents first: how far they are needed is told by what the tombstones leave behind.
        let intents = match session.yes() {
            true => tables.sweep_intents(&ids, before).await?,
            false => tables.count_intents(&ids, before).await?,
        };
        for (id, intents) in ids.into_iter().zip(intents) {
            let tombstones = match session.yes() {
                true => tables.sweep_tombstones(&id, before).await?,
                false => tables.count_tombstones(&id, before).await?,
            };
            let dry_run = !session.yes();
            output.row(Row {
                json: object(json!({
                    "persistence_id": id.as_str(), "tombstones": tombstones, "intents": intents,
                    "dry_run": dry_run,
                })),
                cells: vec![
                    ("PERSISTENCE ID", id.to_string()),
                    ("TOMBSTONES", tombstones.to_string()),
                    ("INTENTS", intents.to_string()),
                    ("DONE", done(dry_run)),
                ],
            })?;
        }
        if !session.yes() {
            report.note("dry run: nothing was removed; give --yes to do it");
        }
        Ok(())
    }
}
