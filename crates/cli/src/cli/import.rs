//! `annals import`: stores what `export` wrote. What is there already is compared, never overwritten,
//! so an import that was interrupted is run again.

use std::io::BufRead;

use annals::Result;

use crate::args::Import;
use crate::input::{self, Line};
use crate::output::Output;
use crate::record::Record;
use crate::report::{Outcome, Report};
use crate::session::Session;
use crate::transfer::Target;

pub(crate) async fn run(
    args: Import,
    session: &Session,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    session
        .writing(async |store| {
            let mut target = Target::new(store, session.system.clone(), args.in_flight);
            let taken = take_all(&mut target, stdin, report).await;
            let done = target.finish(taken).await;
            output.row(target.counts.row())?;
            done.map_err(|error| {
                let context = "what was imported stands; import again to go on";
                error.context(context).into()
            })
        })
        .await
}

async fn take_all(
    target: &mut Target,
    stdin: Box<dyn BufRead + Send>,
    report: &mut Report,
) -> Result<()> {
    let mut lines = input::lines(stdin);
    let progress = report.progress("lines", None);
    let mut done = Ok(());
    while done.is_ok() {
        tokio::select! {
            // First, since it is polling that sends off what was begun.
            biased;
            settled = target.settle_one(), if target.is_busy() => done = settled,
            line = lines.recv() => match line {
                None => break,
                Some(line) => {
                    progress.inc(1);
                    done = take(target, line).await;
                }
            },
        }
    }
    progress.finish_and_clear();
    done
}

async fn take(target: &mut Target, line: Result<Line>) -> Result<()> {
    let line = line?;
    let taken = match Record::parse(&line.text) {
        Ok(record) => target.take(record, Some(line.number)).await,
        Err(error) => Err(error),
    };
    taken.map_err(|error| line.at(error))
}
