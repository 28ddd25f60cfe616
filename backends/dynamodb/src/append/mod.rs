//! Appends: each in the cheapest request that is atomic and conditional.
//!
//! ```text
//! one event, no mark      PutItem               if the key is free
//! up to 100 items, 4 MB   TransactWriteItems    if every event's key is free
//! more                    an intent, chunks, and a transaction that commits them (see `intent`)
//! ```
//!
//! With `check-deletes`, the transaction that stores the first event also requires that no low mark lies
//! above it. Pekko's plugin raises the low mark before it removes the first key, so that a deleted place
//! is refused at every moment: by its key or by the mark.
//!
//! A condition that fails shows what stands in the way: the append itself (an earlier attempt was
//! stored), another one (a conflict), or what a writer left that died in the middle of a large append:
//! that is cleared away, and the append goes on.

mod clear;
mod extras;
mod intent;
mod plan;
mod resolve;
mod transaction;

use annals_core::{Append, AppendMode, Appended, Error, Result};

use crate::item::{Item, Position, encode_event, item_bytes};
use crate::read::{bounds, item_at};
use crate::store::Inner;

use extras::Extras;
use plan::Plan;
use resolve::Resolution;
use transaction::Appending;

/// The most events of one append.
pub(crate) const EVENTS_MAX: usize = 2_000;

/// The largest append.
pub(crate) const BYTES_MAX: usize = 16 << 20;

/// How often one append clears away what dead writers left, before it gives up for now.
const CLEARINGS_MAX: usize = 16;

/// Stores `append`.
pub(crate) async fn append(inner: &Inner, append: &Append) -> Result<Appended> {
    let checked =
        inner.capabilities().check_append(append).and_then(|()| check_sizes(inner, append));
    checked.map_err(|error| {
        error.context(format_args!("{}: nothing was written", Appending(append)))
    })?;
    if let Some(save) = append.offset_save() {
        inner.positions.check_event(&save.offset)?;
    }
    let extras = match append.mode() {
        AppendMode::Next => Extras::of_next(append),
        AppendMode::Ingest => match begin(inner, append).await? {
            Begin::Fresh => Extras::of_first(append),
            Begin::Next => Extras::of_next(append),
            Begin::Stored => return Ok(append.receipt()),
        },
    };
    let extras = match inner.settings.check_deletes {
        true => extras.checking(inner.settings.sequence_shards),
        false => extras,
    };
    let attempt = Attempt { inner, append, extras: &extras };
    let plan = Plan::of(inner, append, &extras);
    for _ in 0..CLEARINGS_MAX {
        let resolution = match &plan {
            Plan::Put => attempt.resolve(attempt.put().await?, 0).await?,
            Plan::Transaction => attempt.resolve(attempt.transact().await?, 0).await?,
            Plan::Intent(parts) => attempt.by_intent(parts).await?,
        };
        match resolution {
            Resolution::Stored => {
                inner.pulse.announce();
                return Ok(append.receipt());
            }
            Resolution::Conflict => return Err(conflict(inner, append).await),
            Resolution::Cleared => {}
        }
    }
    let (id, after) = (append.id(), append.after());
    Err(Error::unavailable(format!(
        "other writers keep beginning large appends to {id} after {after}: nothing was written; try later"
    )))
}

/// One way of storing an append.
struct Attempt<'a> {
    inner: &'a Inner,
    append: &'a Append,
    extras: &'a Extras,
}

impl Attempt<'_> {
    /// The item of the event at `index`.
    fn item(&self, index: usize, intent: bool) -> Option<Item> {
        let event = self.append.events().get(index)?;
        let position = Position { index: u64::try_from(index).ok()?, intent };
        Some(encode_event(&self.inner.keys, self.append, event, position))
    }

    fn table(&self) -> &str {
        &self.inner.settings.journal_table
    }
}

/// What an ingest finds.
enum Begin {
    /// The id never held an event.
    Fresh,
    /// The append follows what is stored.
    Next,
    /// The append is stored already.
    Stored,
}

async fn begin(inner: &Inner, append: &Append) -> Result<Begin> {
    let bounds = bounds(inner, append.id(), append.after()).await?;
    if bounds.highest == append.after() {
        return Ok(if append.after().is_zero() { Begin::Fresh } else { Begin::Next });
    }
    if bounds.highest.is_zero() {
        return Ok(Begin::Fresh);
    }
    match item_at(inner, append.id(), append.range().from).await? {
        Some(header) if header.append_id == Some(append.append_id()) => Ok(Begin::Stored),
        _ => Err(conflict_at(append, bounds.highest)),
    }
}

/// Checks each event's item against both limits before anything is sent. Events that are far from the
/// limit cannot pass it, whatever their entity is called.
fn check_sizes(inner: &Inner, append: &Append) -> Result<()> {
    let event_bytes_max = inner.sizes.event_bytes_max();
    let mut total = 0;
    for (index, event) in append.events().iter().enumerate() {
        let event_bytes = event.size_bytes();
        total += event_bytes;
        if event_bytes <= event_bytes_max / 2 {
            continue;
        }
        inner.near.event_bytes.check(event_bytes, event_bytes_max, append.id());
        let position = Position { index: u64::try_from(index).unwrap_or(u64::MAX), intent: true };
        let bytes = item_bytes(&encode_event(&inner.keys, append, event, position));
        let pekko_bytes = inner.sizes.pekko_event_bytes(append, event);
        inner.sizes.check(pekko_bytes, bytes).map_err(|error| {
            let seq_nr = append.after().plus(position.index.saturating_add(1));
            error.context(format_args!("event {seq_nr}"))
        })?;
    }
    inner.near.append_bytes.check(total, BYTES_MAX, append.id());
    inner.near.append_events.check(append.events().len(), EVENTS_MAX, append.id());
    Ok(())
}

/// The conflict that a writer meets who is not at the end.
async fn conflict(inner: &Inner, append: &Append) -> Error {
    match bounds(inner, append.id(), append.after()).await {
        Ok(bounds) => conflict_at(append, bounds.highest),
        Err(error) => error.context(format_args!(
            "the append to {} after {} met another writer; how far that one got is not known",
            append.id(),
            append.after()
        )),
    }
}

fn conflict_at(append: &Append, highest: annals_core::SeqNr) -> Error {
    let (id, after) = (append.id(), append.after());
    if let Some(save) = append.offset_save()
        && highest == after
    {
        let message = format!(
            "the offset of {} does not stand at revision {}: nothing of the append to {id} was written; another \
             instance of the projection runs",
            save.name,
            save.expected.get()
        );
        return Error::conflict(highest, message);
    }
    Error::conflict(
        highest,
        format!(
            "{id} stands at {highest}, not at {after}: nothing of the append was written; reload and decide \
             again"
        ),
    )
}
