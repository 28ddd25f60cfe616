//! The requests that store an append at once.

use std::fmt;
use std::ops::Range;

use annals_core::{Append, Error, Result};
use aws_sdk_dynamodb::types::TransactWriteItem;

use super::Attempt;
use super::plan::ITEMS_MAX;
use crate::client::{Change, Write};
use crate::item::number;

/// The condition that a low mark, if there is one, does not lie above the first number of an append.
const NOT_DELETED: &str = "attribute_not_exists(par) OR seq <= :first";

impl Attempt<'_> {
    /// Stores the one event.
    pub(super) async fn put(&self) -> Result<Write> {
        let put = || Change::put_if_free(self.table(), self.item(0, false).unwrap_or_default());
        self.inner.client.change(self.what(), self.table(), put).await
    }

    /// Stores all events and marks in one transaction.
    pub(super) async fn transact(&self) -> Result<Write> {
        let what = self.what();
        let mut items = self.puts(0..self.append.events().len(), false)?;
        items.extend(self.extra_puts()?);
        if items.len() > ITEMS_MAX {
            return Err(Error::internal(format!("{what}: {} items in a transaction", items.len())));
        }
        self.inner.client.transact(what, self.table(), || items.clone()).await
    }

    /// The puts of the events at `range`.
    pub(super) fn puts(&self, range: Range<usize>, intent: bool) -> Result<Vec<TransactWriteItem>> {
        let items = range.filter_map(|index| self.item(index, intent));
        let put = |item| Change::put_if_free(self.table(), item).in_transaction();
        items.map(put).collect()
    }

    /// The puts of what the append carries beside its events.
    pub(super) fn extra_puts(&self) -> Result<Vec<TransactWriteItem>> {
        let (keys, id) = (&self.inner.keys, self.append.id());
        let guarded = self.extras.beginning(keys, id).into_iter();
        let guarded = guarded.map(|item| Change::put_if_free(self.table(), item));
        let mark = self.extras.mark(keys, id).map(|mark| Change::put(self.table(), mark));
        let by = self.append.append_id();
        let save = self.append.offset_save().map(|save| self.inner.offset_put(save, by));
        let first = self.append.range().from;
        let checked = self
            .extras
            .checked(keys, id)
            .map(|low| Change::check(self.table(), low, NOT_DELETED).with(":first", number(first)));
        guarded.chain(mark).chain(save).chain(checked).map(Change::in_transaction).collect()
    }

    /// What is being done, for errors.
    pub(super) fn what(&self) -> Appending<'_> {
        Appending(self.append)
    }
}

/// Names an append; becomes text only where there is an error.
#[derive(Clone, Copy)]
pub(super) struct Appending<'a>(pub(super) &'a Append);

impl fmt::Display for Appending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.0.range();
        write!(f, "appending events {}-{} of {}", range.from, range.to, self.0.id())
    }
}
