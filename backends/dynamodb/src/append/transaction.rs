//! The requests that store an append at once.

use std::fmt;
use std::ops::Range;

use annals_core::{Append, Error, Result};
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::Attempt;
use super::plan::ITEMS_MAX;
use crate::client::{IS_FREE, Write};
use crate::item::Item;

impl Attempt<'_> {
    /// Stores the one event.
    pub(super) async fn put(&self) -> Result<Write> {
        let item = || self.item(0, false).unwrap_or_default();
        self.inner.client.put_if_free(self.what(), self.table(), item).await
    }

    /// Stores all events and marks in one transaction.
    pub(super) async fn transact(&self) -> Result<Write> {
        let what = self.what();
        let mut items = self.puts(0..self.append.events().len(), false)?;
        items.extend(self.extra_puts()?);
        if items.len() > ITEMS_MAX {
            return Err(Error::internal(format!("{what}: {} items in a transaction", items.len())));
        }
        self.inner.client.transact(what, || items.clone()).await
    }

    /// The puts of the events at `range`.
    pub(super) fn puts(&self, range: Range<usize>, intent: bool) -> Result<Vec<TransactWriteItem>> {
        let items = range.filter_map(|index| self.item(index, intent));
        items.map(|item| put_if_free(self.table(), item)).collect()
    }

    /// The puts of what the append carries beside its events.
    pub(super) fn extra_puts(&self) -> Result<Vec<TransactWriteItem>> {
        let (keys, id) = (&self.inner.keys, self.append.id());
        let guarded = self.extras.beginning(keys, id).into_iter();
        let mut puts: Vec<TransactWriteItem> =
            guarded.map(|item| put_if_free(self.table(), item)).collect::<Result<_>>()?;
        if let Some(mark) = self.extras.mark(keys, id) {
            puts.push(put(self.table(), mark)?);
        }
        if let Some(save) = self.append.offset_save() {
            let put = self.inner.offset_put(save, self.append.append_id())?;
            puts.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(puts)
    }

    /// What is being done, for errors.
    pub(super) fn what(&self) -> Appending<'_> {
        Appending(self.append)
    }
}

/// Names an append; becomes text only where there is an error.
#[derive(Clone, Copy)]
pub(super) struct Appending<'a>(&'a Append);

impl fmt::Display for Appending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.0.range();
        write!(f, "appending events {}-{} of {}", range.from, range.to, self.0.id())
    }
}

/// A put of a transaction, on condition that its key is free.
pub(super) fn put_if_free(table: &str, item: Item) -> Result<TransactWriteItem> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(IS_FREE)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    whole(put.build())
}

/// A put of a transaction, whatever stands there.
pub(super) fn put(table: &str, item: Item) -> Result<TransactWriteItem> {
    whole(Put::builder().table_name(table).set_item(Some(item)).build())
}

fn whole(put: Result<Put, aws_sdk_dynamodb::error::BuildError>) -> Result<TransactWriteItem> {
    let put = put.map_err(|error| Error::internal("a request is not whole").with_source(error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}
