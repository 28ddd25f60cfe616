//! `annals import`: stores what `export` wrote. What is there already is compared, never overwritten,
//! so an import that was interrupted is run again.
//!
//! Events are begun in the order of the lines: those of one entity that follow each other go as one
//! append, and appends of different entities are under way together, so that a store may commit near
//! ones in another order; `--in-flight 1` keeps the order of the export exactly.

use std::collections::HashMap;
use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;

use annals::{
    Append, AppendMode, Appended, Error, Ids, JournalExt, NewEvent, Payload, PersistenceId, Result,
    RetryPolicy, SeqNr, SeqRange, SerializerId, Snapshot, SnapshotCriteria, Store, Timestamp,
    WriterId,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use super::import_compare::Comparer;
use crate::args::Import;
use crate::input::{self, Line};
use crate::output::{Output, Row};
use crate::record::Record;
use crate::report::{Outcome, Report};
use crate::session::Session;

/// Events of one append, unless the store takes fewer.
const BATCH_EVENTS_MAX: usize = 256;
/// Bytes of one append past which another is begun.
const BATCH_BYTES: usize = 256 << 10;
/// Marks the event that stands for deleted ones until it is deleted itself.
const PLACEHOLDER: &str = "annals.import.placeholder";

pub(crate) async fn run(
    args: Import,
    session: &Session,
    stdin: Box<dyn BufRead + Send>,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    session
        .writing(async |store| {
            let mut importer = Importer::new(&args, session, store);
            let done = importer.run(stdin, report).await;
            output.row(importer.counts.row())?;
            done.map_err(|error| {
                let context = "what was imported stands; import again to go on";
                error.context(context).into()
            })
        })
        .await
}

#[derive(Debug, Default)]
struct Counts {
    events: u64,
    events_present: u64,
    events_deleted: u64,
    snapshots: u64,
    snapshots_present: u64,
    entities: u64,
}

impl Counts {
    fn row(&self) -> Row {
        let cells = [
            ("events_imported", self.events),
            ("events_present", self.events_present),
            ("events_deleted", self.events_deleted),
            ("snapshots_imported", self.snapshots),
            ("snapshots_present", self.snapshots_present),
            ("entities_deleted", self.entities),
        ];
        Row {
            json: cells.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect(),
            cells: cells.iter().map(|(name, count)| (*name, count.to_string())).collect(),
        }
    }
}

/// What is known of an entity in the store.
#[derive(Debug, Clone, Copy)]
struct Known {
    deleted_to: SeqNr,
    /// Stored and acknowledged.
    stored: SeqNr,
    /// With what is under way.
    highest: SeqNr,
}

/// Events of one entity that follow each other.
#[derive(Debug)]
struct Batch {
    id: PersistenceId,
    writer: WriterId,
    after: SeqNr,
    mode: AppendMode,
    events: Vec<NewEvent>,
    bytes: usize,
    first_line: u64,
}

type Running<'a> = Pin<Box<dyn Future<Output = (PersistenceId, Result<Appended>)> + 'a>>;

struct Importer<'a> {
    session: &'a Session,
    store: Store,
    in_flight: usize,
    batch_bytes: usize,
    batch_events: usize,
    known: HashMap<PersistenceId, Known>,
    comparer: Comparer,
    batch: Option<Batch>,
    running: FuturesUnordered<Running<'a>>,
    counts: Counts,
    /// An append failed.
    failed: bool,
}

impl<'a> Importer<'a> {
    fn new(args: &Import, session: &'a Session, store: Store) -> Self {
        let limits = store.capabilities();
        Self {
            session,
            in_flight: usize::try_from(args.in_flight).unwrap_or(usize::MAX),
            batch_bytes: BATCH_BYTES.min(limits.append_bytes_max / 2),
            batch_events: BATCH_EVENTS_MAX.min(limits.events_per_append_max),
            known: HashMap::new(),
            comparer: Comparer::new(store.clone()),
            store,
            batch: None,
            running: FuturesUnordered::new(),
            counts: Counts::default(),
            failed: false,
        }
    }

    async fn run(&mut self, stdin: Box<dyn BufRead + Send>, report: &mut Report) -> Result<()> {
        let mut lines = input::lines(stdin);
        let progress = report.progress("lines", None);
        let mut done = Ok(());
        while done.is_ok() {
            tokio::select! {
                // First, since it is polling that sends off what was begun.
                biased;
                Some(ended) = self.running.next(), if !self.running.is_empty() => {
                    done = self.settle(ended);
                }
                line = lines.recv() => match line {
                    None => break,
                    Some(line) => {
                        progress.inc(1);
                        done = self.take(line).await;
                    }
                },
            }
        }
        // What stands before a bad line is imported; behind a failed append nothing is sent, since it
        // might leave a hole where a store does not look at the end.
        if !self.failed {
            let sent = self.send_batch().await;
            done = done.and(sent);
        }
        // Also after a failure: what was begun has an end that must be known.
        while let Some(ended) = self.running.next().await {
            let settled = self.settle(ended);
            done = done.and(settled);
        }
        progress.finish_and_clear();
        done
    }

    async fn take(&mut self, line: Result<Line>) -> Result<()> {
        let line = line?;
        let taken = match Record::parse(&line.text) {
            Err(error) => Err(error),
            Ok(Record::Entity { id, deleted_to, highest }) => {
                self.entity(&id, deleted_to, highest).await
            }
            Ok(Record::Event { id, seq_nr, writer, event }) => {
                self.event(line.number, id, seq_nr, writer, event).await
            }
            Ok(Record::Snapshot(snapshot)) => self.snapshot(snapshot).await,
        };
        taken.map_err(|error| line.at(error))
    }

    async fn event(
        &mut self,
        line: u64,
        id: PersistenceId,
        seq_nr: SeqNr,
        writer: WriterId,
        event: NewEvent,
    ) -> Result<()> {
        let mut known = self.known(&id).await?;
        if known.stored < seq_nr && seq_nr <= known.highest {
            // A line that stands twice: the first one has to be stored before they are compared.
            known = self.settled(&id).await?;
        }
        if seq_nr <= known.deleted_to {
            self.counts.events_deleted += 1;
            return Ok(());
        }
        if seq_nr <= known.stored {
            self.comparer.event(&id, seq_nr, &writer, &event, known.stored).await?;
            self.counts.events_present += 1;
            return Ok(());
        }
        let fresh = known.highest.is_zero();
        if seq_nr != known.highest.next() && !fresh {
            let message = format!(
                "event {seq_nr} of {id} does not follow its highest event here, which is {}",
                known.highest
            );
            return Err(Error::conflict(known.highest, message));
        }
        let mode = if fresh { AppendMode::Ingest } else { AppendMode::Next };
        let bytes = size(&event);
        let joins = self.batch.as_ref().is_some_and(|batch| {
            batch.id == id
                && batch.writer == writer
                && batch.events.len() < self.batch_events
                && batch.bytes + bytes <= self.batch_bytes
        });
        if !joins {
            self.send_batch().await?;
        }
        let batch = self.batch.get_or_insert_with(|| Batch {
            id: id.clone(),
            writer,
            after: seq_nr.previous(),
            mode,
            events: Vec::new(),
            bytes: 0,
            first_line: line,
        });
        batch.events.push(event);
        batch.bytes += bytes;
        if fresh {
            known.deleted_to = seq_nr.previous();
            known.stored = seq_nr.previous();
        }
        known.highest = seq_nr;
        self.known.insert(id, known);
        Ok(())
    }

    /// An id whose oldest events are deleted. If all are, one event is stored in their place and then
    /// deleted, so that the numbers are not used again here either.
    async fn entity(
        &mut self,
        id: &PersistenceId,
        deleted_to: SeqNr,
        highest: SeqNr,
    ) -> Result<()> {
        if deleted_to > highest {
            let message = format!("{id} ends at {highest}, before its deleted event {deleted_to}");
            return Err(Error::invalid(message));
        }
        // The events that are left bring the place of their first one with them.
        if deleted_to < highest || highest.is_zero() {
            return Ok(());
        }
        let known = self.settled(id).await?;
        if known.highest > highest || known.deleted_to >= highest {
            return Ok(());
        }
        if known.highest.is_zero() {
            let payload = Payload::new(SerializerId::BYTES, PLACEHOLDER, Vec::new());
            let event = NewEvent::new(payload, Timestamp::UNKNOWN);
            let append = Append::new(
                self.session.system.append_id(),
                id.clone(),
                highest.previous(),
                WriterId::new(PLACEHOLDER),
                vec![event],
            )?;
            append_retrying(self.session, &self.store, append.with_mode(AppendMode::Ingest))
                .await?;
        } else if !self.is_placeholder(id, highest).await? {
            let message = format!(
                "the events of {id} up to {highest} are deleted in the export, but here it holds \
                 events up to {}",
                known.highest
            );
            return Err(Error::conflict(known.highest, message));
        }
        self.store.journal.delete_to(id, highest).await?;
        self.known.insert(id.clone(), Known { deleted_to: highest, stored: highest, highest });
        self.counts.entities += 1;
        Ok(())
    }

    /// Whether an import was interrupted before it deleted its placeholder.
    async fn is_placeholder(&self, id: &PersistenceId, seq_nr: SeqNr) -> Result<bool> {
        let events = self.store.journal.read_all(id, SeqRange::new(seq_nr, seq_nr)).await?;
        Ok(events.first().is_some_and(|event| {
            event.payload.manifest.as_ref() == PLACEHOLDER && event.payload.bytes.is_empty()
        }))
    }

    async fn snapshot(&mut self, snapshot: Snapshot) -> Result<()> {
        let (id, seq_nr) = (&snapshot.persistence_id, snapshot.seq_nr);
        let known = self.settled(id).await?;
        if seq_nr > known.highest {
            return Err(Error::invalid(format!(
                "snapshot {seq_nr} of {id} lies past its highest event here, which is {}",
                known.highest
            )));
        }
        let present = self.store.snapshots.load(id, &SnapshotCriteria::at(seq_nr)).await?;
        match present {
            Some(present) if present == snapshot => self.counts.snapshots_present += 1,
            Some(_) => {
                let message = format!("snapshot {seq_nr} of {id} is another one here");
                return Err(Error::conflict(known.highest, message));
            }
            None => {
                self.store.snapshots.save(snapshot).await?;
                self.counts.snapshots += 1;
            }
        }
        Ok(())
    }

    async fn known(&mut self, id: &PersistenceId) -> Result<Known> {
        if let Some(known) = self.known.get(id) {
            return Ok(*known);
        }
        let bounds = self.store.journal.bounds(id).await?;
        let known = Known {
            deleted_to: bounds.deleted_to,
            stored: bounds.highest,
            highest: bounds.highest,
        };
        self.known.insert(id.clone(), known);
        Ok(known)
    }

    /// What is known of `id` when nothing of it is under way.
    async fn settled(&mut self, id: &PersistenceId) -> Result<Known> {
        let known = self.known(id).await?;
        if known.stored == known.highest {
            return Ok(known);
        }
        if self.batch.as_ref().is_some_and(|batch| batch.id == *id) {
            self.send_batch().await?;
        }
        self.wait_for(id).await?;
        self.known(id).await
    }

    /// Waits until no append of `id` is under way.
    async fn wait_for(&mut self, id: &PersistenceId) -> Result<()> {
        let unsent = match &self.batch {
            Some(batch) if batch.id == *id => batch.after,
            _ => SeqNr::MAX,
        };
        while self.known.get(id).is_some_and(|known| known.stored < known.highest.min(unsent)) {
            let Some(ended) = self.running.next().await else { break };
            self.settle(ended)?;
        }
        Ok(())
    }

    async fn send_batch(&mut self) -> Result<()> {
        let Some(id) = self.batch.as_ref().map(|batch| batch.id.clone()) else { return Ok(()) };
        // Per entity one at a time: the order must not depend on what a store does with two.
        self.wait_for(&id).await?;
        while self.running.len() >= self.in_flight {
            let Some(ended) = self.running.next().await else { break };
            self.settle(ended)?;
        }
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let append_id = self.session.system.append_id();
        let append =
            Append::new(append_id, batch.id.clone(), batch.after, batch.writer, batch.events)?
                .with_mode(batch.mode);
        let (store, session) = (self.store.clone(), self.session);
        self.running.push(Box::pin(async move {
            let done = append_retrying(session, &store, append).await;
            let done = done.map_err(|error| {
                error.context(format!(
                    "the events of {} from line {} on",
                    batch.id, batch.first_line
                ))
            });
            (batch.id, done)
        }));
        Ok(())
    }

    fn settle(&mut self, (id, done): (PersistenceId, Result<Appended>)) -> Result<()> {
        self.failed |= done.is_err();
        let appended = done?;
        self.counts.events += appended.last.get() - appended.first.get() + 1;
        if let Some(known) = self.known.get_mut(&id) {
            known.stored = appended.last;
        }
        Ok(())
    }
}

async fn append_retrying(session: &Session, store: &Store, append: Append) -> Result<Appended> {
    let retry = RetryPolicy::default().start(session.system.clone());
    store.journal.append_retrying(append, retry, session.system.as_ref()).await
}

/// What an event counts towards the size of an append, about.
fn size(event: &NewEvent) -> usize {
    let payload = |payload: &Payload| payload.bytes.len() + payload.manifest.len();
    payload(&event.payload)
        + event.metadata.as_ref().map_or(0, payload)
        + event.event_manifest.len()
        + event.tags.iter().map(|tag| tag.as_str().len()).sum::<usize>()
}
