//! Removing what deletes leave behind, and whole entities.

use std::collections::BTreeSet;
use std::fmt;

use annals_core::{AppendId, PersistenceId, Result, SeqNr, Timestamp};

use crate::client::{Change, Query, batched_delete};
use crate::item::{Item, header, key, names, number, number_of};
use crate::keys::{Group, PARTITION_SIZE};
use crate::read::{highest, marks};
use crate::store::{DynamoDb, Inner};

/// What is looked at of each item.
const HEADER_AND_KEY: &str = "par, num, idx, cnt, annals_append, annals_intent, annals_deleted";

/// What a sweep does about what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    Count,
    Remove,
}

impl DynamoDb {
    /// Removes the tombstones of `id` that were made before `before`, and tells how many. The one in the
    /// place of event 1 stays, which keeps the id listed.
    ///
    /// A tombstone protects the place of a deleted event from a writer that slept through the delete:
    /// `before` must lie so far back that no such writer is still there (a week, say).
    ///
    /// # Errors
    /// `Unavailable` (what is removed stays so; repeat it), `Corrupt`, `Closed`.
    pub async fn sweep_tombstones(&self, id: &PersistenceId, before: Timestamp) -> Result<u64> {
        self.tombstones(id, before, Sweep::Remove).await
    }

    /// How many tombstones [`sweep_tombstones`](Self::sweep_tombstones) would remove.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    pub async fn count_tombstones(&self, id: &PersistenceId, before: Timestamp) -> Result<u64> {
        self.tombstones(id, before, Sweep::Count).await
    }

    async fn tombstones(&self, id: &PersistenceId, before: Timestamp, sweep: Sweep) -> Result<u64> {
        let inner = &self.inner;
        let _running = inner.enter().await?;
        let marks = marks(inner, id).await?;
        let mut removed = 0;
        let first = Group::of(marks.purged.unwrap_or_default().next());
        let mut group = first;
        while group <= Group::of(marks.deleted_to) {
            let items = keys_of(inner, id, group).await?;
            let (mut old, mut young) = (Vec::new(), false);
            for item in items {
                let deleted: Option<i64> = number_of(&item, names::DELETED)?;
                let num: Option<u64> = number_of(&item, names::NUM)?;
                let is_first = group == Group::of(SeqNr::FIRST) && num == Some(SeqNr::FIRST.get());
                match deleted {
                    Some(_) if is_first => {}
                    Some(at) if at < before.as_millis() => old.push(item),
                    _ => young = true,
                }
            }
            removed += u64::try_from(old.len()).unwrap_or(u64::MAX);
            if sweep == Sweep::Remove {
                remove(inner, id, old).await?;
            }
            if young {
                break;
            }
            group = group.next();
        }
        if group > first && sweep == Sweep::Remove {
            note(inner, id, marks.deleted_to, group.first().previous().min(marks.deleted_to))
                .await?;
        }
        Ok(removed)
    }

    /// Removes everything of `id` from the journal: events, tombstones and marks, as Pekko's `Purge` does
    /// (but for the intents of large appends whose every event was deleted before, whose keys nothing names:
    /// [`sweep_intents`](Self::sweep_intents) finds them by a scan, before the purge).
    /// Its numbers begin at 1 again, so nobody may be writing to it, and no snapshot of it may stay.
    ///
    /// # Errors
    /// `Unavailable` (some of it may be gone; repeat it), `Corrupt`, `Closed`.
    pub async fn purge(&self, id: &PersistenceId) -> Result<()> {
        let inner = &self.inner;
        let _running = inner.enter().await?;
        let marks = marks(inner, id).await?;
        let highest = highest(inner, id, marks).await?;
        // The marks go last: what is left of an interrupted purge is found again by them. Intents go when
        // the last event that names them has been seen.
        let first = Group::of(SeqNr::ZERO);
        let behind = Group::of(marks.purged.unwrap_or_default()).max(first.next());
        let (mut group, mut intents) = (first, BTreeSet::new());
        while group <= Group::of(highest) {
            let items = keys_of(inner, id, group).await?;
            for item in &items {
                let header = header(group, item)?;
                intents.extend(header.append_id.filter(|_| header.intent).map(|id| id.get()));
            }
            remove(inner, id, items).await?;
            group = if group < behind { behind } else { group.next() };
        }
        let intents =
            intents.into_iter().map(|append| inner.keys.intent(id, AppendId::new(append)));
        let pars = intents.chain(inner.keys.low_marks(id)).chain(inner.keys.high_marks(id));
        remove(inner, id, pars.map(|par| key(par, 0)).collect()).await
    }
}

/// The keys of a group's items, with the time of tombstones.
async fn keys_of(inner: &Inner, id: &PersistenceId, group: Group) -> Result<Vec<Item>> {
    let what = format!("looking for the items of {id}");
    let par = inner.keys.events(id, group);
    let query = Query::new(&inner.settings.journal_table, par, 0, PARTITION_SIZE - 1)
        .projection(HEADER_AND_KEY);
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = inner.client.query(&what, &query, after).await?;
        items.extend(page.items);
        match page.next {
            Some(key) => after = Some(key),
            None => return Ok(items),
        }
    }
}

async fn remove(inner: &Inner, id: &PersistenceId, items: Vec<Item>) -> Result<()> {
    remove_keys(inner, format_args!("removing items of {id}"), items).await
}

/// Removes the items, which have at least their keys.
pub(crate) async fn remove_keys(
    inner: &Inner,
    what: impl fmt::Display,
    items: Vec<Item>,
) -> Result<()> {
    let mut writes = Vec::with_capacity(items.len());
    for mut key in items {
        key.retain(|name, _| name == names::PAR || name == names::NUM);
        writes.push(batched_delete(key)?);
    }
    let (table, limits) = (&inner.settings.journal_table, inner.settings.client.limits);
    inner.client.write_all(what, table, writes, limits.max_batch_write).await
}

/// Notes in the low mark of `deleted_to` that no tombstones are left up to `until`.
async fn note(inner: &Inner, id: &PersistenceId, deleted_to: SeqNr, until: SeqNr) -> Result<()> {
    let what = format!("noting how far the tombstones of {id} are removed");
    let low = || {
        let key = key(inner.keys.low_mark(id, deleted_to.next()), 0);
        let set = "SET annals_purged = :until";
        let update = Change::update(&inner.settings.journal_table, key, set);
        let update = update.only_if(
            "attribute_exists(par) AND (attribute_not_exists(annals_purged) OR annals_purged < :until)",
        );
        update.with(":until", number(until))
    };
    inner.client.change(what, &inner.settings.journal_table, low).await.map(drop)
}
