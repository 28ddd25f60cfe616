//! `annals copy`: everything of one store into another one.
//!
//! ```text
//!  note ids and end ──► events ──► snapshots ──► deletes (--yes) ──► verify: events again, compared
//! ```
//!
//! What is there already is compared, never overwritten: a difference is a conflict, and a copy that was
//! interrupted is run again. It ends at what the source held when it began. Events keep number, writer,
//! timestamp, tags and metadata. Those that were appended together stay so, unless they are more than a
//! batch of the copy holds; offsets of projections are not copied, since they are places in the source.
//!
//! A source that is live may delete events that the target has already. They are deleted there too, once
//! everything else was found equal, but only with `--yes`; otherwise they are counted and kept.

use annals::{Bounds, Error, PersistenceId, Result, SeqNr};
use serde_json::json;

use crate::args::Copy;
use crate::output::{Output, Row};
use crate::record::Record;
use crate::report::{Failure, Outcome, Report};
use crate::session::Session;
use crate::transfer::{Check, Source, Target};

pub(crate) async fn run(
    args: Copy,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    if args.from == args.to {
        return Err(Failure::Usage("--from and --to name the same store"));
    }
    session
        .between(&args.from, &args.to, async |from, to| {
            let target = Target::new(to.clone(), session.system.clone(), args.in_flight);
            let check = Check::new(to);
            let deletes = Deletes { follow: session.yes(), done: 0, left: 0 };
            let source = Source::begin(from).await?;
            let mut copy = Copying { source: &source, target, check, deletes, verified: 0 };
            let done = copy.run(report).await;
            output.row(copy.row(done.is_ok()))?;
            let left = copy.deletes.left;
            if left > 0 {
                report.note(format!(
                    "note: {left} events that the source has deleted are kept in the target; give --yes to \
                     delete them there"
                ));
            }
            done.map_err(|failure| match failure {
                Failure::Error(error) => {
                    error.context("what was copied stands; copy again to go on").into()
                }
                other => other,
            })
        })
        .await
}

/// What becomes of events that the source deleted and the target holds.
struct Deletes {
    follow: bool,
    done: u64,
    left: u64,
}

struct Copying<'a> {
    source: &'a Source,
    target: Target,
    check: Check,
    deletes: Deletes,
    verified: u64,
}

impl Copying<'_> {
    async fn run(&mut self, report: &Report) -> Outcome {
        let copied = self.copy(report).await;
        // What was begun has an end that must be known, also after a failure of another kind.
        let (so_far, other) = match copied {
            Ok(()) => (Ok(()), None),
            Err(Failure::Error(error)) => (Err(error), None),
            Err(other) => (Ok(()), Some(other)),
        };
        let finished = self.target.finish(so_far).await;
        if let Some(other) = other {
            return Err(other);
        }
        finished?;
        self.snapshots().await?;
        self.follow_deletes().await?;
        self.verify(report).await
    }

    async fn copy(&mut self, report: &Report) -> Outcome {
        let progress = report.progress("copied", None);
        let Self { source, target, deletes, .. } = self;
        for (id, bounds) in &source.ids {
            if bounds.deleted_to == bounds.highest {
                gone(source, target, deletes, id, *bounds).await?;
            } else if !bounds.deleted_to.is_zero() {
                target.clear_placeholder(id, bounds.deleted_to).await?;
            }
        }
        source
            .events(None, async |envelope| {
                let (id, seq_nr) = (&envelope.persistence_id, envelope.event.seq_nr);
                if target.has_gap(id, seq_nr).await? {
                    pass(source, target, deletes, id, seq_nr).await?;
                }
                target.take(Record::of_event(envelope), None).await?;
                target.settle_ready()?;
                progress.inc(1);
                Ok(())
            })
            .await?;
        // Deleted behind the back of the reading: nothing of them came.
        for (id, bounds) in &source.ids {
            let now = source.store.journal.bounds(id).await?;
            if now.deleted_to >= bounds.highest {
                gone(source, target, deletes, id, *bounds).await?;
            }
        }
        progress.finish_and_clear();
        Ok(())
    }

    async fn snapshots(&mut self) -> Outcome {
        let Self { source, target, check, .. } = self;
        source
            .snapshots(async |snapshot| {
                target.take(Record::Snapshot(snapshot.clone()), None).await?;
                Ok(check.snapshot(&snapshot).await?)
            })
            .await
    }

    /// Deletes in the target what the source has deleted, now that all that is left was compared.
    async fn follow_deletes(&mut self) -> Outcome {
        for (id, bounds) in &self.source.ids {
            let now = self.source.store.journal.bounds(id).await?;
            let to = now.deleted_to.min(bounds.highest);
            let held = self.target.held_up_to(id, to).await?;
            if held > 0 && self.deletes.follow {
                self.target.delete(id, to).await?;
                self.deletes.done += held;
            } else {
                self.deletes.left += held;
            }
        }
        Ok(())
    }

    /// Reads the same events again, and compares each with the one that is stored.
    async fn verify(&mut self, report: &Report) -> Outcome {
        let progress = report.progress("verified", None);
        let Self { source, check, verified, .. } = self;
        for (id, bounds) in &source.ids {
            check.entity(id, *bounds).await?;
        }
        source
            .events(None, async |envelope| {
                check.event(envelope).await?;
                *verified += 1;
                progress.inc(1);
                Ok(())
            })
            .await?;
        progress.finish_and_clear();
        Ok(())
    }

    fn row(&self, whole: bool) -> Row {
        let counts = &self.target.counts;
        let cells = [
            ("events_copied", counts.events),
            ("events_present", counts.events_present),
            ("snapshots_copied", counts.snapshots),
            ("snapshots_present", counts.snapshots_present),
            ("entities_deleted", counts.entities),
            ("deletes_followed", self.deletes.done),
            ("deletes_left", self.deletes.left),
            ("events_verified", self.verified),
        ];
        let counted = cells.iter().map(|(name, count)| ((*name).to_owned(), json!(count)));
        Row {
            json: counted.chain([("whole".to_owned(), json!(whole))]).collect(),
            cells: cells.iter().map(|(name, count)| (*name, count.to_string())).collect(),
        }
    }
}

/// Copies an id whose events up to the end of `bounds` are all deleted in the source.
async fn gone(
    source: &Source,
    target: &mut Target,
    deletes: &mut Deletes,
    id: &PersistenceId,
    bounds: Bounds,
) -> Result<()> {
    let highest = bounds.highest;
    if target.holds(id).await? {
        target.clear_placeholder(id, highest).await?;
        return pass(source, target, deletes, id, highest.next()).await;
    }
    let entity = Record::Entity { id: id.clone(), deleted_to: highest, highest };
    target.take(entity, None).await
}

/// Passes over the events of `id` before `seq_nr` that the target lacks, if the source has deleted them.
async fn pass(
    source: &Source,
    target: &mut Target,
    deletes: &mut Deletes,
    id: &PersistenceId,
    seq_nr: SeqNr,
) -> Result<()> {
    let to = seq_nr.previous();
    let held = target.held_up_to(id, to).await?;
    let deleted_to = source.store.journal.bounds(id).await?.deleted_to;
    if deleted_to < to || !target.has_gap(id, seq_nr).await? {
        // Whole already, or a hole that the store says itself when the event comes.
        return Ok(());
    }
    if held > 0 && !deletes.follow {
        let message = format!(
            "the source has deleted the events of {id} up to {to} before they were copied, but the target \
             holds {held} of them: give --yes to delete those there too"
        );
        return Err(Error::conflict(to, message));
    }
    target.pass_deleted(id, to).await?;
    deletes.done += held;
    Ok(())
}
