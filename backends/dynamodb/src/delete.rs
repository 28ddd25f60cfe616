//! Deleting: the low mark first, which hides the events; then each event is emptied, its key stays.
//!
//! The keys stay because a writer that slept through the delete would otherwise find its place free. An
//! interrupted delete goes on from `annals_swept`, which stands in the low mark.

use annals_core::{Error, PersistenceId, Result, SeqNr};
use aws_sdk_dynamodb::types::WriteRequest;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::{Change, Write, batched_put};
use crate::item::{key, number, tombstone};
use crate::keys::{Group, num};
use crate::read::{Marks, highest, marks};
use crate::store::{Inner, now};

/// How many events are emptied between two notes of how far it came.
const SWEPT_STEP: u64 = 5_000;

/// Deletes the events of `id` up to `to`.
pub(crate) async fn delete_to(inner: &Inner, id: &PersistenceId, to: SeqNr) -> Result<()> {
    let marks = marks(inner, id).await?;
    let to = to.min(highest(inner, id, marks).await?);
    if to > marks.deleted_to {
        // What Pekko deleted before is gone, keys and all.
        let swept = marks.swept.unwrap_or(marks.deleted_to);
        hide(inner, id, to, swept).await?;
        return sweep(inner, id, swept, to).await;
    }
    match marks {
        Marks { swept: Some(swept), deleted_to, .. } if swept < deleted_to => {
            sweep(inner, id, swept, deleted_to).await
        }
        _ => Ok(()),
    }
}

/// Raises the low mark to the number after `to`.
async fn hide(inner: &Inner, id: &PersistenceId, to: SeqNr, swept: SeqNr) -> Result<()> {
    let lowest = to.next();
    let what = format!("deleting the events of {id} up to {to}");
    let low = || {
        let (table, key) = (&inner.settings.journal_table, key(inner.keys.low_mark(id, lowest), 0));
        let set = "SET seq = :lowest, annals_swept = if_not_exists(annals_swept, :swept)";
        let update = Change::update(table, key, set);
        let update = update.only_if("attribute_not_exists(par) OR seq < :lowest");
        update.with(":lowest", number(lowest)).with(":swept", number(swept))
    };
    let written = inner.client.change(what, &inner.settings.journal_table, low).await?;
    match written {
        // Someone else deleted as much, or more.
        Write::Done | Write::Condition(_) => Ok(()),
        Write::Cancelled(_) => Err(Error::internal("an update is no transaction")),
    }
}

/// Empties the events after `swept` up to `to`.
async fn sweep(inner: &Inner, id: &PersistenceId, swept: SeqNr, to: SeqNr) -> Result<()> {
    let mut done = swept;
    while done < to {
        let until = done.plus(SWEPT_STEP).min(to);
        empty(inner, id, done.next(), until).await?;
        note(inner, id, to, until).await?;
        done = until;
    }
    Ok(())
}

async fn empty(inner: &Inner, id: &PersistenceId, from: SeqNr, to: SeqNr) -> Result<()> {
    let at = now();
    let what = format!("emptying the deleted events of {id}");
    let limits = inner.settings.client.limits;
    let mut requests = Vec::new();
    let mut next = from;
    while next <= to {
        let par = inner.keys.events(id, Group::of(next));
        let item = tombstone(key(par, num(next)), at);
        requests.push(batched_put(item)?);
        next = next.next();
    }
    let chunks: Vec<Vec<WriteRequest>> =
        requests.chunks(limits.max_batch_write).map(<[WriteRequest]>::to_vec).collect();
    stream::iter(chunks)
        .map(|chunk| {
            let table = &inner.settings.journal_table;
            inner.client.write_all(&what, table, chunk, limits.max_batch_write)
        })
        .buffer_unordered(inner.settings.replay_parallelism)
        .try_collect::<()>()
        .await
}

/// Notes in the low mark of `to` that events up to `until` are emptied.
async fn note(inner: &Inner, id: &PersistenceId, to: SeqNr, until: SeqNr) -> Result<()> {
    let what = format!("noting how far the deleted events of {id} are emptied");
    let low = || {
        let key = key(inner.keys.low_mark(id, to.next()), 0);
        let set = "SET annals_swept = :until";
        let update = Change::update(&inner.settings.journal_table, key, set);
        let update = update.only_if("attribute_exists(par) AND annals_swept < :until");
        update.with(":until", number(until))
    };
    inner.client.change(what, &inner.settings.journal_table, low).await.map(drop)
}
