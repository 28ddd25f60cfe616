//! `annals events append`: JSON lines in, receipts out.
//!
//! ```text
//!  stdin ─► line ─► the queue of its id ─► one append at a time per id ─► receipt, flushed
//!             │            at most `--in-flight` lines in queues and appends together
//!             └─ the first bad line, or one that could not be appended: nothing behind it is begun,
//!                what was begun is awaited
//! ```

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;

use annals::{
    Append, Appended, Clock, Error, ErrorKind, Ids, JournalExt, NewEvent, PersistenceId, Result,
    RetryPolicy, SeqNr, SeqRange, Store, WriterId,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::Receiver;

use super::append_line::{self, Job};
use crate::args::EventsAppend;
use crate::input::{self, Line};
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

/// How often an append goes after a new end, which each time means that another writer was faster.
const CONFLICTS_MAX: u32 = 100;
/// Entities remembered; the ones at rest are forgotten past that.
const ENTITIES_MAX: usize = 10_000;

pub(crate) async fn run(
    args: EventsAppend,
    session: &Session,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let id = args.id.as_deref().map(PersistenceId::new).transpose()?;
    session
        .writing(async |store| {
            let lines = input::lines(stdin);
            if args.atomic {
                return atomic(id, args.after, &store, session, lines, output).await;
            }
            let mut appender = Appender::new(&args, id, store, session);
            let done = appender.run(lines, output, report).await;
            appender.end().await;
            done
        })
        .await
}

/// All lines as one append.
async fn atomic(
    mut id: Option<PersistenceId>,
    after: Option<SeqNr>,
    store: &Store,
    session: &Session,
    mut lines: Receiver<Result<Line>>,
    output: &mut Output,
) -> Outcome {
    let limits = store.capabilities();
    let mut jobs: Vec<Job> = Vec::new();
    let mut bytes = 0_usize;
    while let Some(line) = lines.recv().await {
        let line = line?;
        let job = append_line::parse(&line, id.as_ref(), session.system.now(), &limits)?;
        bytes = bytes.saturating_add(job.event.payload.bytes.len());
        let too_many = jobs.len() >= limits.events_per_append_max;
        if too_many || bytes > limits.append_bytes_max {
            return Err(line
                .at(Error::invalid(format!(
                    "one append takes at most {} events and {} bytes; nothing was appended",
                    limits.events_per_append_max, limits.append_bytes_max
                )))
                .into());
        }
        id = Some(job.id.clone());
        jobs.push(job);
    }
    let Some(id) = id.filter(|_| !jobs.is_empty()) else {
        return Err(Error::invalid("stdin holds no line, so there is nothing to append").into());
    };
    let writer = session.system.writer_id();
    let events = jobs.iter().map(|job| job.event.clone()).collect();
    let place = Place { id: id.clone(), writer: writer.clone(), at: Position::of(after) };
    let appended = append(store, session, place, events).await?;
    for (job, seq_nr) in jobs.iter().zip(appended.first.get()..) {
        output.row(receipt(job, &writer, seq_nr))?;
    }
    output.flush()?;
    store.journal.end(&id, &writer).await?;
    Ok(())
}

/// Where an append goes.
#[derive(Debug, Clone, Copy)]
enum Position {
    /// Behind the end, wherever it is; not read yet.
    End,
    /// Behind this number, which is the end as far as is known.
    After(SeqNr),
    /// Behind this number and nowhere else; the end is not read yet.
    Only(SeqNr),
    /// As `After`, and a conflict is final.
    OnlyAfter(SeqNr),
}

impl Position {
    fn of(after: Option<SeqNr>) -> Self {
        after.map_or(Self::End, Self::Only)
    }

    /// The position behind an append of this one's that ended at `last`.
    fn behind(self, last: SeqNr) -> Self {
        match self {
            Self::End | Self::After(_) => Self::After(last),
            Self::Only(_) | Self::OnlyAfter(_) => Self::OnlyAfter(last),
        }
    }
}

#[derive(Debug, Clone)]
struct Place {
    id: PersistenceId,
    writer: WriterId,
    at: Position,
}

/// Appends `events` at `place`.
async fn append(
    store: &Store,
    session: &Session,
    place: Place,
    events: Vec<NewEvent>,
) -> Result<Appended> {
    let Place { id, writer, at } = place;
    let mut after = match at {
        Position::After(after) | Position::OnlyAfter(after) => after,
        Position::End => store.journal.begin(&id, &writer).await?.highest,
        Position::Only(after) => {
            let highest = store.journal.begin(&id, &writer).await?.highest;
            if highest != after {
                let message = format!(
                    "{id} ends at {highest}, not at {after} as --after says; nothing was appended"
                );
                return Err(Error::conflict(highest, message));
            }
            after
        }
    };
    let is_final = matches!(at, Position::Only(_) | Position::OnlyAfter(_));
    for _ in 0..CONFLICTS_MAX {
        let append_id = session.system.append_id();
        let append = Append::new(append_id, id.clone(), after, writer.clone(), events.clone())?;
        let retry = RetryPolicy::default().start(session.system.clone());
        match store.journal.append_retrying(append, retry, session.system.as_ref()).await {
            Err(error) if error.is_conflict() => {
                if let Some(receipt) = stored_by(&writer, store, &id, after, events.len()).await? {
                    return Ok(receipt);
                }
                if is_final {
                    return Err(error);
                }
                after = store.journal.bounds(&id).await?.highest;
            }
            done => return done,
        }
    }
    let message = format!(
        "other writers of {id} were faster {CONFLICTS_MAX} times, so nothing was appended: try again"
    );
    Err(Error::conflict(after, message))
}

/// The receipt of an append whose first answer was lost, from a store that no longer knows it: what
/// stands in its place was written by `writer`, who has nothing else under way.
async fn stored_by(
    writer: &WriterId,
    store: &Store,
    id: &PersistenceId,
    after: SeqNr,
    count: usize,
) -> Result<Option<Appended>> {
    let last = after.plus(u64::try_from(count).unwrap_or(u64::MAX));
    let range = SeqRange::new(after.next(), after.next());
    let first = store.journal.read_all(id, range).await?;
    let own = first.first().is_some_and(|event| event.writer == *writer);
    Ok(own.then_some(Appended { first: after.next(), last }))
}

fn receipt(job: &Job, writer: &WriterId, seq_nr: u64) -> Row {
    Row {
        json: object(serde_json::json!({
            "persistence_id": job.id.as_str(),
            "sequence_nr": seq_nr,
            "timestamp": job.event.timestamp.as_millis(),
            "writer": writer.as_str(),
            "line": job.line,
        })),
        cells: vec![
            ("LINE", job.line.to_string()),
            ("PERSISTENCE ID", job.id.to_string()),
            ("NUMBER", seq_nr.to_string()),
        ],
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = (Job, Result<Appended>)> + 'a>>;

/// An entity that lines were read for.
#[derive(Debug)]
struct Entity {
    writer: WriterId,
    at: Position,
    queue: VecDeque<Job>,
    busy: bool,
}

/// Appends line by line.
struct Appender<'a> {
    args: &'a EventsAppend,
    id: Option<PersistenceId>,
    store: Store,
    session: &'a Session,
    entities: HashMap<PersistenceId, Entity>,
    /// Lines read and not acknowledged.
    open: u32,
    stored: u64,
    /// The first line that failed: nothing behind it is begun.
    failed: Option<(u64, Error)>,
}

impl<'a> Appender<'a> {
    fn new(
        args: &'a EventsAppend,
        id: Option<PersistenceId>,
        store: Store,
        session: &'a Session,
    ) -> Self {
        let entities = HashMap::new();
        Self { args, id, store, session, entities, open: 0, stored: 0, failed: None }
    }

    async fn run(
        &mut self,
        mut lines: Receiver<Result<Line>>,
        output: &mut Output,
        report: &mut Report,
    ) -> Outcome {
        let store = self.store.clone();
        let session = self.session;
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        let progress = report.progress("appended", None);
        let mut more = true;
        loop {
            let reads = more && self.failed.is_none() && self.open < self.args.in_flight;
            let id = tokio::select! {
                biased;
                Some((job, done)) = running.next(), if !running.is_empty() => {
                    self.settle(&job, done, output);
                    progress.set_position(self.stored);
                    job.id
                }
                line = lines.recv(), if reads => match line {
                    None => {
                        more = false;
                        continue;
                    }
                    Some(line) => match self.take(line) {
                        Some(id) => id,
                        None => continue,
                    },
                },
                else => break,
            };
            if let Some((place, job)) = self.next_of(&id) {
                let store = &store;
                running.push(Box::pin(async move {
                    let done = append(store, session, place, vec![job.event.clone()]).await;
                    (job, done)
                }));
            }
            self.forget_resting().await;
        }
        progress.finish_and_clear();
        match self.failed.take() {
            None => Ok(()),
            Some((_, error)) => {
                let summary = self.summary(error.kind());
                Err(error.context(summary).into())
            }
        }
    }

    /// Puts a line into the queue of its id, which it gives.
    fn take(&mut self, line: Result<Line>) -> Option<PersistenceId> {
        let now = self.session.system.now();
        let limits = self.store.capabilities();
        let parsed =
            line.and_then(|line| append_line::parse(&line, self.id.as_ref(), now, &limits));
        let job = match parsed {
            Ok(job) => job,
            Err(error) => {
                // Its number is in its message; every line that was read stands before it.
                self.fail(u64::MAX, error);
                return None;
            }
        };
        if self.args.after.is_some()
            && let Some(other) = self.entities.keys().find(|id| **id != job.id)
        {
            let message = format!(
                "line {}: --after is about one id, but the lines name {other} and {}",
                job.line, job.id
            );
            self.fail(job.line, Error::invalid(message));
            return None;
        }
        let entity = self.entities.entry(job.id.clone()).or_insert_with(|| Entity {
            writer: self.session.system.writer_id(),
            at: Position::of(self.args.after),
            queue: VecDeque::new(),
            busy: false,
        });
        self.open += 1;
        let id = job.id.clone();
        entity.queue.push_back(job);
        Some(id)
    }

    /// The next append of `id`, unless one is running or something before it failed.
    fn next_of(&mut self, id: &PersistenceId) -> Option<(Place, Job)> {
        let failed = self.failed.as_ref().map_or(u64::MAX, |(line, _)| *line);
        let entity = self.entities.get_mut(id)?;
        if entity.busy || entity.queue.front()?.line > failed {
            return None;
        }
        entity.busy = true;
        let job = entity.queue.pop_front()?;
        let writer = entity.writer.clone();
        Some((Place { id: id.clone(), writer, at: entity.at }, job))
    }

    /// Takes note of how an append ended.
    fn settle(&mut self, job: &Job, done: Result<Appended>, output: &mut Output) {
        self.open -= 1;
        let Some(entity) = self.entities.get_mut(&job.id) else { return };
        entity.busy = false;
        match done {
            Err(error) => self.fail(job.line, error.context(format!("line {}", job.line))),
            Ok(appended) => {
                entity.at = entity.at.behind(appended.last);
                let row = receipt(job, &entity.writer, appended.last.get());
                self.stored += 1;
                if let Err(error) = output.row(row).and_then(|()| output.flush()) {
                    let message = format!(
                        "line {} is stored as {} of {}, but its receipt could not be written to stdout",
                        job.line, appended.last, job.id
                    );
                    let error = Error::unavailable(message).with_source(error);
                    self.fail(job.line, error);
                }
            }
        }
    }

    fn fail(&mut self, line: u64, error: Error) {
        if self.failed.as_ref().is_none_or(|(failed, _)| line < *failed) {
            self.failed = Some((line, error));
        }
    }

    /// What of the input stands.
    fn summary(&self, kind: ErrorKind) -> String {
        let stored = match self.stored {
            0 => "no line was appended".to_owned(),
            1 => "1 line was appended, as its receipt says".to_owned(),
            stored => format!("{stored} lines were appended, as their receipts say"),
        };
        match kind {
            ErrorKind::OutcomeUnknown | ErrorKind::Internal => {
                format!("{stored}, and perhaps the one that failed")
            }
            _ => stored,
        }
    }

    /// Keeps memory bounded, however many ids the lines name.
    async fn forget_resting(&mut self) {
        if self.entities.len() <= ENTITIES_MAX {
            return;
        }
        let resting = |entity: &mut Entity| !entity.busy && entity.queue.is_empty();
        let gone: Vec<_> = self.entities.extract_if(|_, entity| resting(entity)).collect();
        for (id, entity) in gone {
            self.give_back(&id, &entity.writer).await;
        }
    }

    async fn end(&mut self) {
        for (id, entity) in std::mem::take(&mut self.entities) {
            self.give_back(&id, &entity.writer).await;
        }
    }

    /// What was granted runs out by itself when it cannot be given back.
    async fn give_back(&self, id: &PersistenceId, writer: &WriterId) {
        let _ = self.store.journal.end(id, writer).await;
    }
}
