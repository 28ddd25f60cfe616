//! The commands, a file per noun.

mod append;
mod append_line;
mod backup;
mod cleanup;
mod config;
mod copy;
mod events;
mod export;
mod health;
mod ids;
mod import;
mod manual;
mod offsets;
mod payload;
mod schema;
mod snapshots;
mod stream;
mod tags;
mod verify;
mod verify_pass;

use std::io::BufRead;

use crate::args::{Config, Events, Ids, Noun, Offsets};
use crate::output::Output;
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Runs one command.
pub(crate) async fn run(
    noun: Noun,
    session: &Session,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    match noun {
        Noun::Events(Events::Append(args)) => {
            append::run(args, session, stdin, output, report).await
        }
        Noun::Events(verb) => events::run(verb, session, output, report).await,
        Noun::Ids(Ids::List { prefix, follow }) => ids::list(prefix, follow, session, output).await,
        Noun::Ids(Ids::Rebuild) => ids::rebuild(session, output, report).await,
        Noun::Snapshots(verb) => snapshots::run(verb, session, stdin, output, report).await,
        Noun::Export(args) => export::run(args, session, output, report).await,
        Noun::Import(args) => import::run(args, session, stdin, output, report).await,
        Noun::Verify => verify::run(session, output, report).await,
        Noun::Payload(verb) => payload::run(verb, stdin, output),
        Noun::Offsets(Offsets::List) => offsets::list(session, output).await,
        Noun::Offsets(Offsets::Set(args)) => offsets::set(args, session, output, report).await,
        Noun::Copy(args) => copy::run(args, session, output, report).await,
        Noun::Backup(args) => backup::run(args, session, output, report).await,
        Noun::Schema(verb) => Box::pin(schema::run(verb, session, output, report)).await,
        Noun::Config(Config::Check) => config::check(session, output),
        Noun::Cleanup(args) => cleanup::run(args, session, output, report).await,
        Noun::Tags(verb) => tags::run(verb, session, output, report).await,
        Noun::Health(args) => health::run(args, session, output).await,
        Noun::Completions(args) => manual::completions(args, output),
        Noun::Man(args) => manual::man(args, output),
    }
}
