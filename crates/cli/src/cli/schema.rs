//! `annals schema`: the tables of a server store.

#[cfg(feature = "cassandra")]
mod cassandra;
#[cfg(feature = "dynamodb")]
mod dynamodb;

use annals::{Error, Store};

use crate::args::Schema;
use crate::output::Output;
use crate::report::{Outcome, Report};
#[cfg(feature = "cassandra")]
use crate::session::Place;
use crate::session::Session;

pub(crate) async fn run(
    verb: Schema,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    // Before it is opened: its tables may not be there yet.
    #[cfg(feature = "cassandra")]
    if let Some(schema) = tables(session)? {
        return cassandra::run(schema, verb, session, output, report).await;
    }
    session.reading(async |store| of(&store, verb, session, output, report).await).await
}

/// The tables of a store on Cassandra; `None` if it is none.
#[cfg(feature = "cassandra")]
fn tables(session: &Session) -> Outcome<Option<annals::Schema>> {
    match session.place() {
        Ok(Place::Url(url)) if url.starts_with("cassandra:") => Ok(Some(annals::Schema::of(url)?)),
        Ok(Place::Config(path)) => Ok(annals::Schema::of_config(path)?),
        // What is not named by a place, or not at all, is answered for by who opens it.
        _ => Ok(None),
    }
}

#[cfg_attr(not(feature = "dynamodb"), allow(unused_variables))]
async fn of(
    store: &Store,
    verb: Schema,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    #[cfg(feature = "dynamodb")]
    if let Some(tables) = store.dynamodb() {
        return dynamodb::run(tables, verb, session, output, report).await;
    }
    let name = store.capabilities().name;
    let message =
        format!("a store of kind {name} has no tables: `annals schema` is for server stores");
    Err(Error::unsupported(message).into())
}
