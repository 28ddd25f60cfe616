//! Sweeping the intents of large appends whose every event is deleted.
//!
//! An intent stands under its append's id, and once no event names that any more, nothing does: they are
//! found by a scan of the whole table, one for all entities that are swept together.

use std::collections::HashMap;

use annals_core::{PersistenceId, Result, SeqNr, Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::{ItemPage, scanned};
use crate::item::{Item, names, number, number_of};
use crate::purge::{Sweep, remove_keys};
use crate::read::marks;
use crate::store::{DynamoDb, Inner};

/// What is looked at of each intent.
const INTENT: &str = "par, num, persistence_id, annals_last";

impl DynamoDb {
    /// Removes the intents of large appends of `ids` that were made before `before` and whose every event is
    /// deleted, and tells how many of each id. Nothing names their keys, so the whole table is scanned, once
    /// for all `ids`.
    ///
    /// # Errors
    /// `Unavailable` (what is removed stays so; repeat it), `Corrupt`, `Closed`.
    pub async fn sweep_intents(
        &self,
        ids: &[PersistenceId],
        before: Timestamp,
    ) -> Result<Vec<u64>> {
        self.intents(ids, before, Sweep::Remove).await
    }

    /// How many intents [`sweep_intents`](Self::sweep_intents) would remove; scans the table as well.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`, `Closed`.
    pub async fn count_intents(
        &self,
        ids: &[PersistenceId],
        before: Timestamp,
    ) -> Result<Vec<u64>> {
        self.intents(ids, before, Sweep::Count).await
    }

    async fn intents(
        &self,
        ids: &[PersistenceId],
        before: Timestamp,
        sweep: Sweep,
    ) -> Result<Vec<u64>> {
        let inner = &self.inner;
        let _running = inner.enter().await?;
        let mut swept: HashMap<&str, Swept> = stream::iter(ids)
            .map(|id| Swept::of(inner, id))
            .buffered(inner.settings.replay_parallelism)
            .try_collect()
            .await?;
        let mut after = None;
        while !swept.is_empty() {
            let page = intents(inner, before, after).await?;
            let mut found = Vec::new();
            for item in page.items {
                if let Some(of) = owner(&item).and_then(|owner| swept.get_mut(owner))
                    && of.needs_no_more(&item)?
                {
                    of.count += 1;
                    found.push(item);
                }
            }
            if sweep == Sweep::Remove {
                let what = "removing the intents of appends whose events are deleted";
                remove_keys(inner, what, found).await?;
            }
            match page.next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        let count = |id: &PersistenceId| swept.get(id.as_str()).map_or(0, |of| of.count);
        Ok(ids.iter().map(count).collect())
    }
}

/// What is swept of one entity.
struct Swept {
    /// What the keys of its intents begin with.
    par: String,
    /// Up to where its events are deleted and emptied.
    emptied: SeqNr,
    count: u64,
}

impl Swept {
    async fn of<'a>(inner: &Inner, id: &'a PersistenceId) -> Result<(&'a str, Self)> {
        let marks = marks(inner, id).await?;
        // Where a delete is not finished, items may still need their intents.
        let emptied = marks.deleted_to.min(marks.swept.unwrap_or_default());
        Ok((id.as_str(), Self { par: inner.keys.intents(id), emptied, count: 0 }))
    }

    /// Whether `item` is an intent of the entity, of an append that ends where everything is emptied.
    fn needs_no_more(&self, item: &Item) -> Result<bool> {
        let par = item.get(names::PAR).and_then(|par| par.as_s().ok());
        let last: Option<u64> = number_of(item, names::LAST)?;
        let ours = par.is_some_and(|par| par.starts_with(&self.par));
        Ok(ours && last.is_some_and(|last| last <= self.emptied.get()))
    }
}

fn owner(item: &Item) -> Option<&str> {
    match item.get(names::PERSISTENCE_ID) {
        Some(AttributeValue::S(owner)) => Some(owner),
        _ => None,
    }
}

/// A page of the intents of the journal that were made before `before`.
async fn intents(inner: &Inner, before: Timestamp, after: Option<Item>) -> Result<ItemPage> {
    let par = AttributeValue::S(format!("{}-IN-", inner.keys.journal()));
    let what = "scanning the journal's table for intents";
    inner
        .client
        .read(what, &inner.settings.journal_table, || {
            let scan = inner
                .scan_journal()
                .projection_expression(INTENT)
                .filter_expression("begins_with(par, :intents) AND annals_ts < :before")
                .expression_attribute_values(":intents", par.clone())
                .expression_attribute_values(":before", number(before))
                .set_exclusive_start_key(after.clone());
            scanned(scan)
        })
        .await
}
