//! Appends that are larger than a transaction.
//!
//! ```text
//! 1  put      the intent, pending                          if its key is free
//! 2  chunk    the events behind those of step 3, in order  if the intent is pending, and the keys are free
//!    …
//! 3  commit   intent: pending ► committed; the first       if the intent is pending, and the keys are free
//!             events; the high mark
//! ```
//!
//! The append is stored by step 3, which writes its first event and says so in the intent: that is how
//! readers tell (Pekko's by counting). Whoever repeats the append goes on where it stopped.

use std::ops::Range;

use annals_core::{Error, Result, SeqRange};
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};

use super::Attempt;
use super::plan::Parts;
use super::resolve::Resolution;
use crate::client::{Change, Write};
use crate::item::{COMMITTED, Item, PENDING, VOID, intent_state, key, names, number, number_of};
use crate::store::now;

/// The condition that an append may still be stored.
pub(super) const IS_PENDING: &str = "annals_state = :pending";

/// What became of a step.
enum Step {
    Done,
    /// The whole append is decided.
    Ended(Resolution),
}

impl Attempt<'_> {
    /// Stores the append by an intent.
    pub(super) async fn by_intent(&self, parts: &Parts) -> Result<Resolution> {
        let first = self.append.range().from;
        if let Some(found) = crate::read::item_at(self.inner, self.append.id(), first).await? {
            if found.append_id == Some(self.append.append_id()) {
                return Ok(Resolution::Stored);
            }
            if !self.clear(&found).await? {
                return Ok(Resolution::Conflict);
            }
        }
        if let Step::Ended(resolution) = self.declare().await? {
            return Ok(resolution);
        }
        for chunk in &parts.chunks {
            if let Step::Ended(resolution) = self.chunk(chunk.clone()).await? {
                return self.settle(resolution).await;
            }
        }
        let resolution = self.commit(parts.last.clone()).await?;
        self.settle(resolution).await
    }

    /// Puts the intent, or finds the one of an earlier attempt.
    async fn declare(&self) -> Result<Step> {
        let SeqRange { from, to } = self.append.range();
        let put = self.inner.client.change(self.what(), self.table(), || {
            let mut intent = self.intent_key();
            let mut add = |name: &str, value| intent.insert(name.to_owned(), value);
            add(names::STATE, AttributeValue::S(PENDING.to_owned()));
            add(names::PERSISTENCE_ID, AttributeValue::S(self.append.id().to_string()));
            add(names::SEQ, number(from));
            add(names::LAST, number(to));
            add(names::TIMESTAMP, number(now()));
            Change::put_if_free(self.table(), intent)
        });
        let Write::Condition(found) = put.await? else { return Ok(Step::Done) };
        let found = match found {
            Some(found) => Some(found),
            None => self.inner.client.get(self.what(), self.table(), self.intent_key()).await?,
        };
        match intent_state(found.as_ref())? {
            Some(COMMITTED) => return Ok(Step::Ended(Resolution::Stored)),
            Some(PENDING) => {}
            _ => return Ok(Step::Ended(Resolution::Conflict)),
        }
        let found = found.unwrap_or_default();
        let range = (number_of(&found, names::SEQ)?, number_of(&found, names::LAST)?);
        if range == (Some(from.get()), Some(to.get())) {
            return Ok(Step::Done);
        }
        Err(Error::invalid(format!(
            "{}: its append id {} belongs to another append; nothing was written",
            self.what(),
            self.append.append_id()
        )))
    }

    /// Writes the events at `range`, if the intent is pending.
    async fn chunk(&self, range: Range<usize>) -> Result<Step> {
        let check = Change::check(self.table(), self.intent_key(), IS_PENDING);
        let check = check.with_text(":pending", PENDING).in_transaction()?;
        let (from, count) = (range.start, range.len());
        let mut items = vec![check];
        items.extend(self.puts(range, true)?);
        let written =
            self.inner.client.transact(self.what(), self.table(), || items.clone()).await?;
        let Write::Cancelled(reasons) = written else { return Ok(Step::Done) };
        Ok(match self.cancelled(reasons, from, count).await? {
            // An earlier attempt wrote this chunk.
            (false, Resolution::Stored) => Step::Done,
            (_, resolution) => Step::Ended(resolution),
        })
    }

    /// Commits the append with its first events.
    async fn commit(&self, range: Range<usize>) -> Result<Resolution> {
        let set = "SET annals_state = :committed";
        let update = Change::update(self.table(), self.intent_key(), set).only_if(IS_PENDING);
        let update = update.with_text(":pending", PENDING).with_text(":committed", COMMITTED);
        let mut items = vec![update.in_transaction()?];
        let count = range.len();
        items.extend(self.puts(range, true)?);
        items.extend(self.extra_puts()?);
        match self.inner.client.transact(self.what(), self.table(), || items.clone()).await? {
            Write::Cancelled(reasons) => Ok(self.cancelled(reasons, 0, count).await?.1),
            _ => Ok(Resolution::Stored),
        }
    }

    /// What a cancelled transaction means, whose first item is the intent, whose next ones are `count` events
    /// from place `from` on, and whose others are no events; and whether the intent says so.
    async fn cancelled(
        &self,
        reasons: Vec<CancellationReason>,
        from: usize,
        count: usize,
    ) -> Result<(bool, Resolution)> {
        let mut reasons = reasons.into_iter();
        let failed =
            |reason: &CancellationReason| reason.code.as_deref() == Some("ConditionalCheckFailed");
        let Some(intent) = reasons.next().filter(failed) else {
            let events = Write::Cancelled(reasons.take(count).collect());
            return Ok((false, self.resolve(events, from).await?));
        };
        let resolution = match intent_state(intent.item.as_ref())? {
            Some(COMMITTED) => Resolution::Stored,
            Some(VOID) => Resolution::Conflict,
            // It is gone: someone committed the same append before, or nobody did.
            _ => {
                let first = self.append.range().from;
                let stored = self.is_stored(self.append.append_id(), first).await?;
                if stored { Resolution::Stored } else { Resolution::Conflict }
            }
        };
        Ok((true, resolution))
    }

    /// Leaves nothing of a refused append behind.
    async fn settle(&self, resolution: Resolution) -> Result<Resolution> {
        if resolution != Resolution::Conflict {
            return Ok(resolution);
        }
        let append_id = self.append.append_id();
        // Without this, a request that is still under way might commit what was refused.
        let void = self.void(append_id).await.map_err(|error| {
            let what = self.what();
            Error::outcome_unknown(format!(
                "{what}: it met another writer, but whether it was written before is not known"
            ))
            .with_source(error)
        })?;
        if !void {
            let first = self.append.range().from;
            let stored = self.is_stored(append_id, first).await?;
            return Ok(if stored { Resolution::Stored } else { Resolution::Conflict });
        }
        if let Err(error) = self.remove(append_id, self.append.range()).await {
            tracing::warn!(%error, "the items of a refused append are left behind");
        }
        Ok(resolution)
    }

    fn intent_key(&self) -> Item {
        key(self.inner.keys.intent(self.append.id(), self.append.append_id()), 0)
    }
}
