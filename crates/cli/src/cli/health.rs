//! `annals health`: whether a store can be opened and answers a cheap read in time.

use std::time::Instant;

use annals::{Error, Store};

use crate::args::Health;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Failure, Outcome, describe};
use crate::session::Session;

pub(crate) async fn run(args: Health, session: &Session, output: &mut Output) -> Outcome {
    let since = Instant::now();
    let mut name = None;
    let looked = session.reading(async |store| {
        name = Some(store.capabilities().name);
        Ok(look(&store).await?)
    });
    let answered = tokio::time::timeout(args.deadline, looked).await;
    let done = answered.unwrap_or_else(|_| {
        let seconds = args.deadline.as_secs_f64();
        Err(Error::unavailable(format!("the store did not answer within {seconds} s")).into())
    });
    let problem = match &done {
        Ok(()) => None,
        Err(Failure::Error(error)) => Some((error.kind().name(), describe(error))),
        Err(_) => return done,
    };
    let millis = since.elapsed().as_millis();
    let (kind, message) = problem.unzip();
    output.row(Row {
        json: object(serde_json::json!({
            "healthy": done.is_ok(), "store": name, "millis": u64::try_from(millis).unwrap_or(u64::MAX),
            "error": kind, "message": message,
        })),
        cells: vec![
            ("HEALTHY", if done.is_ok() { "yes" } else { "no" }.to_owned()),
            ("STORE", name.unwrap_or("-").to_owned()),
            ("MILLIS", millis.to_string()),
        ],
    })?;
    done
}

/// Reads the first id and how far its history reaches: an index and a history were answered for.
async fn look(store: &Store) -> annals::Result<()> {
    if let Some(entry) = store.read_journal.ids(None, 1).await?.ids.first() {
        store.journal.bounds(&entry.persistence_id).await?;
    }
    Ok(())
}
