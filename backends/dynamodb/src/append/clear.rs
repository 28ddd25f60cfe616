//! Clearing away what was left by a large append that was never committed.
//!
//! ```text
//! pending ──► void        by who meets the leftovers, or by the append itself when it gives up
//!    └──────► committed   by the append's last transaction
//! ```
//!
//! Only one of the two can happen. The intent stays, whatever became of it: readers ask it whether the
//! rest of the append is stored, and without a void one, a late attempt of the same append could begin
//! anew while its items are being removed.

use annals_core::{AppendId, Error, Result, SeqNr, SeqRange};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Attempt;
use super::intent::IS_PENDING;
use crate::client::{Change, Query, Write, add};
use crate::item::{Header, Item, PENDING, VOID, header, intent_state, key, number};
use crate::keys::{Group, num};
use crate::read::{HEADER, item_at};
use crate::store::now;

/// How many items are removed at a time.
const REMOVALS: usize = 8;

impl Attempt<'_> {
    /// Clears the append of `found` away, if it was never committed and never will be; `false` if it is
    /// stored.
    pub(super) async fn clear(&self, found: &Header) -> Result<bool> {
        let Some(append_id) = found.append_id.filter(|_| found.intent && !found.deleted) else {
            return Ok(false);
        };
        if found.first() == found.seq_nr || !self.void(append_id).await? {
            return Ok(false);
        }
        let left = SeqRange::new(found.first(), found.last());
        self.remove(append_id, left).await?;
        add(&self.inner.client.counters.cleared, 1);
        tracing::info!(
            persistence_id = self.append.id().as_str(),
            %append_id,
            "what a dead writer left of a large append is cleared away"
        );
        Ok(true)
    }

    /// Makes sure that the append can never be committed any more; `false` if it was.
    pub(super) async fn void(&self, append_id: AppendId) -> Result<bool> {
        let id = self.append.id();
        let intent = || {
            let key = key(self.inner.keys.intent(id, append_id), 0);
            let set = "SET annals_state = :void, annals_ts = :at";
            let update = Change::update(self.table(), key, set).only_if(IS_PENDING);
            let update = update.with_text(":pending", PENDING).with_text(":void", VOID);
            update.with(":at", number(now()))
        };
        let what = format!("voiding the unfinished append {append_id} to {id}");
        let written = self.inner.client.change(what, self.table(), intent).await?;
        match written {
            Write::Done => Ok(true),
            // Without an intent nobody can tell: nothing is touched.
            Write::Condition(intent) => Ok(intent_state(intent.as_ref())? == Some(VOID)),
            Write::Cancelled(_) => Err(Error::internal("an update is no transaction")),
        }
    }

    /// Whether the first event of the append is there.
    pub(super) async fn is_stored(&self, append_id: AppendId, first: SeqNr) -> Result<bool> {
        let found = item_at(self.inner, self.append.id(), first).await?;
        Ok(found.is_some_and(|header| header.append_id == Some(append_id) && !header.deleted))
    }

    /// Removes the items of a void append.
    pub(super) async fn remove(&self, append_id: AppendId, left: SeqRange) -> Result<()> {
        let id = self.append.id();
        let mut group = Group::of(left.from);
        while group <= Group::of(left.to) {
            let par = self.inner.keys.events(id, group);
            let from = num(left.from.max(group.first()));
            let to = num(left.to.min(group.last()));
            let query = Query::new(self.table(), par.clone(), from, to).projection(HEADER);
            let mut after = None;
            loop {
                let what = format!("looking for what the void append {append_id} to {id} left");
                let page = self.inner.client.query(what, &query, after).await?;
                let mut nums = Vec::new();
                for item in &page.items {
                    let found = header(group, item)?;
                    if found.append_id == Some(append_id) && found.intent {
                        nums.push(num(found.seq_nr));
                    }
                }
                let removals = nums.into_iter().map(|num| key(par.clone(), num));
                stream::iter(removals)
                    .map(|key| self.remove_one(append_id, key))
                    .buffer_unordered(REMOVALS)
                    .try_collect::<()>()
                    .await?;
                match page.next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
            group = group.next();
        }
        Ok(())
    }

    async fn remove_one(&self, append_id: AppendId, key: Item) -> Result<()> {
        let what = format!("removing what the void append {append_id} left");
        let bytes = AttributeValue::B(Blob::new(append_id.get().to_be_bytes()));
        let delete = || {
            let delete = Change::delete(self.table(), key.clone());
            delete.only_if("annals_append = :append").with(":append", bytes.clone())
        };
        // A condition that does not hold says that it is gone already.
        self.inner.client.change(what, self.table(), delete).await.map(drop)
    }
}
