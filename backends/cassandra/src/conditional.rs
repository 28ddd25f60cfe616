//! `fencing = lwt`: each append is one conditional batch in one partition, over the head that the
//! partition's static column keeps (see [`crate::head`]).
//!
//! ```text
//!              known place ──────────────┐
//! append ─┤                              ├─► batch: UPDATE head = open:last IF head = …; INSERT …
//!              find the end, adopt it ───┘        │applied: stored
//!                   ▲                             │not applied: others were here (or this very append)
//!                   └─────────────────────────────┘unknown: read what became of it
//! ```
//!
//! A partition is begun only when the one before it is sealed; rows that a JVM wrote behind our head are
//! adopted by moving the head first. Both are conditional writes too, so that of two writers one learns
//! that it has lost, at every step.

use annals_core::{Append, AppendMode, Appended, Error, ErrorKind, PersistenceId, Result, SeqNr};

use crate::connection::Condition;
use crate::end::{End, Look, PartitionEnd, seq_nr};
use crate::entities::{Attempt, Place};
use crate::error;
use crate::head::{Head, HeadState};
use crate::inserts::{Placed, of_append};
use crate::pages::column;
use crate::partition::Partition;
use crate::row::timestamps;
use crate::store::Inner;

/// How often an append looks anew for its place before it gives up; nothing is written then.
const TRIES_MAX: u32 = 10;

/// What the end of the history says about an append.
enum Located {
    /// It goes there.
    Place(Place),
    /// It is stored already.
    Stored,
    /// Something moved meanwhile.
    Again,
}

impl Inner {
    pub(crate) async fn append_if(&self, append: &Append, attempt: &Attempt) -> Result<Appended> {
        let id = append.id();
        let mut place = self.entities.place(id, append.after());
        for _ in 0..TRIES_MAX {
            let found = match place.take() {
                Some(place) => place,
                None => match self.locate(append, attempt).await? {
                    Located::Place(place) => place,
                    Located::Stored => {
                        self.entities.stored(id, attempt, None);
                        return Ok(append.receipt());
                    }
                    Located::Again => continue,
                },
            };
            self.entities.forget_place(id);
            match self.append_at(found, append, attempt).await {
                Ok(Some(next)) => {
                    self.entities.stored(id, attempt, Some(next));
                    return Ok(append.receipt());
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                    return self.resolve(append, attempt, error).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(format!(
            "the end of {id} moved {TRIES_MAX} times while it was to be appended to: nothing was \
             written, try again"
        )))
    }

    /// Finds where `append` goes.
    async fn locate(&self, append: &Append, attempt: &Attempt) -> Result<Located> {
        let id = append.id();
        let end = self.find_end(id, Look::Serial).await?;
        let highest = end.bounds.highest;
        if highest == append.after() {
            let place = self.adopt(id, end).await?;
            return Ok(place.map_or(Located::Again, Located::Place));
        }
        if highest >= append.range().to && self.is_stored(append, attempt).await? {
            return Ok(Located::Stored);
        }
        let ingest = append.mode() == AppendMode::Ingest && highest.is_zero();
        if ingest {
            self.begin_history(id, append.after()).await?;
            return Ok(Located::Again);
        }
        Err(Error::conflict(
            highest,
            format!("{id} is at {highest}, not at {}: nothing was written", append.after()),
        ))
    }

    /// Makes the partition's head say where the history ends; `None` if it moved meanwhile.
    async fn adopt(&self, id: &PersistenceId, end: End) -> Result<Option<Place>> {
        let at = end.bounds.highest;
        let Some((partition, found)) = end.last else {
            // Nothing is there, or all of it was deleted by a JVM.
            let partition = self.settings.journal.target_partition_size.partition_of(at);
            let place = Place { at, partition, head: None };
            let adopted = Head::open(at);
            return if at.is_zero() {
                Ok(Some(place))
            } else {
                self.moved(id, place, adopted).await
            };
        };
        let place = Place { at, partition, head: found.head };
        match found.head {
            None => {
                // A JVM wrote here. The partition before must not go on behind our back.
                if let Some(previous) = partition.previous()
                    && !self.seal_previous(id, previous).await?
                {
                    return Ok(None);
                }
                self.moved(id, place, Head::open(at)).await
            }
            Some(head) if head.at < at => {
                let behind = if head.is_sealed() { Head::sealed(at) } else { Head::open(at) };
                self.moved(id, place, behind).await
            }
            Some(Head { state: HeadState::Begun, at }) => {
                if end.stored_deleted_to.map_or(SeqNr::ZERO, seq_nr) < at {
                    self.raise_deleted_to(id, at).await?;
                }
                Ok(Some(place))
            }
            Some(_) => Ok(Some(place)),
        }
    }

    async fn seal_previous(&self, id: &PersistenceId, partition: Partition) -> Result<bool> {
        let PartitionEnd { highest, head } =
            self.partition_end(id, partition, Look::Serial).await?;
        if head.is_some_and(Head::is_sealed) {
            return Ok(true);
        }
        let at = highest.max(head.map_or(SeqNr::ZERO, |head| head.at));
        let place = Place { at, partition, head };
        Ok(self.moved(id, place, Head::sealed(at)).await?.is_some())
    }

    /// Moves a head, if it still is what `place` says; gives the place as it is then.
    async fn moved(&self, id: &PersistenceId, place: Place, to: Head) -> Result<Option<Place>> {
        let what = || format!("moving a partition's head of {id} to {to}");
        let (text, old) = (to.to_string(), place.head.map(|head| head.to_string()));
        let values = (text.as_str(), id.as_str(), place.partition.column(), old.as_deref());
        let statement = &self.connection.statements.heads.update;
        match self.connection.write_if(statement, values, what).await {
            Ok(Condition::Applied) => Ok(Some(Place { head: Some(to), ..place })),
            Ok(Condition::NotApplied) => Ok(None),
            // Moving a head stores no event: whatever came of it is found by looking again.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                tracing::debug!(%error, "the outcome is looked up");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the events at `place`; `None` if the place is no longer that. Gives the next place.
    async fn append_at(
        &self,
        place: Place,
        append: &Append,
        attempt: &Attempt,
    ) -> Result<Option<Place>> {
        let (id, range) = (append.id(), append.range());
        let nominal = self.settings.journal.target_partition_size.partition_of(range.to);
        let sealed = place.head.is_some_and(Head::is_sealed);
        let earliest = if sealed { place.partition.next() } else { place.partition };
        let partition = nominal.max(earliest);
        if partition > nominal.next() {
            return Err(Error::corrupt(format!(
                "{id} is at {} in partition {}, where event {} cannot be",
                place.at,
                place.partition.column(),
                range.to
            )));
        }
        let old = if partition == place.partition {
            place.head
        } else {
            if !sealed && self.moved(id, place, Head::sealed(place.at)).await?.is_none() {
                return Ok(None);
            }
            None
        };
        let next = Place { at: range.to, partition, head: Some(Head::open(range.to)) };
        let (new_text, old_text) =
            (Head::open(range.to).to_string(), old.map(|old| old.to_string()));
        let head = &self.connection.statements.heads.update;
        let values = (new_text.as_str(), id.as_str(), partition.column(), old_text.as_deref());
        let bucket_size = self.settings.events_by_tag.bucket_size;
        let rows = of_append(append, attempt, partition, bucket_size, Placed::Yes);
        let what = || format!("appending events {}-{} of {id}", range.from, range.to);
        match self.connection.write_batch_if((head, &values), &rows, what).await? {
            Condition::Applied => Ok(Some(next)),
            Condition::NotApplied => Ok(None),
        }
    }

    /// Finds out what became of an append whose answer did not come. A serial read completes what is
    /// under way: an append that is not there and whose place is taken was not stored, and never will be.
    async fn resolve(
        &self,
        append: &Append,
        attempt: &Attempt,
        unknown: Error,
    ) -> Result<Appended> {
        let Ok(end) = self.find_end(append.id(), Look::Serial).await else { return Err(unknown) };
        let highest = end.bounds.highest;
        if highest <= append.after() {
            // Its coordinator may still be at it.
            return Err(unknown);
        }
        match self.is_stored(append, attempt).await {
            Ok(true) => {
                self.entities.stored(append.id(), attempt, None);
                Ok(append.receipt())
            }
            Ok(false) => Err(Error::conflict(
                highest,
                format!(
                    "{} is at {highest}, not at {}: nothing of the append was stored",
                    append.id(),
                    append.after()
                ),
            )
            .with_source(unknown)),
            Err(_) => Err(unknown),
        }
    }

    /// Whether the first event of `append` is the one of this attempt.
    async fn is_stored(&self, append: &Append, attempt: &Attempt) -> Result<bool> {
        let (id, range) = (append.id(), append.range());
        let what = || format!("looking for event {} of {id}", range.from);
        let size = self.settings.journal.target_partition_size;
        let first = size.partition_of(range.from);
        for partition in [first, first.next()] {
            let values = (id.as_str(), partition.column(), column(range.from));
            let statement = &self.connection.statements.events.select_serial;
            let found = self.connection.read(statement, values, what).await?;
            let found = timestamps(&found).map_err(|error| error.context(what()))?;
            if attempt.uuids.first().is_some_and(|uuid| found.contains(uuid)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets an empty history begin after `after`. Whoever comes first decides where.
    async fn begin_history(&self, id: &PersistenceId, after: SeqNr) -> Result<()> {
        let place = Place { at: SeqNr::ZERO, partition: Partition::FIRST, head: None };
        self.moved(id, place, Head::begun(after)).await.map(drop)
    }

    /// Raises `deleted_to` to `to`, unless it is there already.
    pub(crate) async fn raise_deleted_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        let what = || format!("deleting events of {id} up to {to}");
        let statement = &self.connection.statements.entities.raise_deleted_to;
        for _ in 0..TRIES_MAX {
            let stored = self.stored_deleted_to(id).await?;
            if stored.map_or(SeqNr::ZERO, seq_nr) >= to {
                return Ok(());
            }
            let values = (column(to), id.as_str(), stored);
            if let Condition::Applied = self.connection.write_if(statement, values, what).await? {
                return Ok(());
            }
        }
        Err(error::contended(what()))
    }
}
