//! A write of one item, and its condition: sent by itself, or as a part of a transaction.
//!
//! One form for both, so that a condition means the same wherever it goes, and every refusal brings the item
//! along that is in the way.

use std::collections::HashMap;
use std::fmt;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use super::capacity::{consumed, wanted};
use super::{Client, Failure, Write};
use crate::item::Item;

/// The condition that a key is free.
const IS_FREE: &str = "attribute_not_exists(par)";

/// Puts a builder of any kind of write under its terms; a refusal brings the item along.
macro_rules! under {
    ($write:expr, $terms:expr) => {{
        let Terms { condition, values, names } = $terms;
        $write
            .set_return_values_on_condition_check_failure(
                condition.map(|_| ReturnValuesOnConditionCheckFailure::AllOld),
            )
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(values)
            .set_expression_attribute_names(names)
    }};
}

/// A write of one item.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    table: String,
    kind: Kind,
    terms: Terms,
}

/// Under which condition.
#[derive(Debug, Clone, Default)]
struct Terms {
    condition: Option<&'static str>,
    values: Option<HashMap<String, AttributeValue>>,
    names: Option<HashMap<String, String>>,
}

#[derive(Debug, Clone)]
enum Kind {
    Put(Item),
    /// The key, and what to set.
    Update(Item, &'static str),
    Delete(Item),
    /// Nothing is written: the condition must hold.
    Check(Item),
}

impl Change {
    /// Puts `item`, whatever stands there.
    pub(crate) fn put(table: &str, item: Item) -> Self {
        Self::new(table, Kind::Put(item))
    }

    /// Puts `item` if its key is free.
    pub(crate) fn put_if_free(table: &str, item: Item) -> Self {
        Self::put(table, item).only_if(IS_FREE)
    }

    /// Changes the item at `key` as `set` says, making it if there is none.
    pub(crate) fn update(table: &str, key: Item, set: &'static str) -> Self {
        Self::new(table, Kind::Update(key, set))
    }

    /// Removes the item at `key`.
    pub(crate) fn delete(table: &str, key: Item) -> Self {
        Self::new(table, Kind::Delete(key))
    }

    /// Requires something of the item at `key`; only in a transaction.
    pub(crate) fn check(table: &str, key: Item, condition: &'static str) -> Self {
        Self::new(table, Kind::Check(key)).only_if(condition)
    }

    fn new(table: &str, kind: Kind) -> Self {
        Self { table: table.to_owned(), kind, terms: Terms::default() }
    }

    /// The same write, under a condition.
    #[must_use]
    pub(crate) fn only_if(mut self, condition: &'static str) -> Self {
        self.terms.condition = Some(condition);
        self
    }

    /// The same write, where `name` (`:…`) stands for `value`.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.terms.values.get_or_insert_default().insert(name.to_owned(), value);
        self
    }

    /// The same write, where `name` (`:…`) stands for `text`.
    #[must_use]
    pub(crate) fn with_text(self, name: &str, text: &str) -> Self {
        self.with(name, AttributeValue::S(text.to_owned()))
    }

    /// The same write, where `name` (`#…`) stands for an attribute whose name is a word of DynamoDB's own.
    #[must_use]
    pub(crate) fn naming(mut self, name: &str, attribute: &str) -> Self {
        self.terms.names.get_or_insert_default().insert(name.to_owned(), attribute.to_owned());
        self
    }

    /// The write as a part of a transaction.
    pub(crate) fn in_transaction(self) -> Result<TransactWriteItem> {
        let Self { table, kind, terms } = self;
        let part = TransactWriteItem::builder();
        let part = match kind {
            Kind::Put(item) => {
                let put = Put::builder().table_name(table).set_item(Some(item));
                under!(put, terms).build().map(|put| part.put(put))
            }
            Kind::Update(key, set) => {
                let update = Update::builder().table_name(table).set_key(Some(key));
                let update = update.update_expression(set);
                under!(update, terms).build().map(|update| part.update(update))
            }
            Kind::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key));
                under!(delete, terms).build().map(|delete| part.delete(delete))
            }
            Kind::Check(key) => {
                let check = ConditionCheck::builder().table_name(table).set_key(Some(key));
                under!(check, terms).build().map(|check| part.condition_check(check))
            }
        };
        Ok(part.map_err(incomplete)?.build())
    }
}

impl Client {
    /// Performs the write of one item of `table`; made anew for each attempt.
    pub(crate) async fn change(
        &self,
        what: impl fmt::Display,
        table: &str,
        change: impl Fn() -> Change,
    ) -> Result<Write> {
        self.write(what, table, || self.send(change())).await
    }

    /// Performs all writes or none; most of them are to `table`.
    pub(crate) async fn transact(
        &self,
        what: impl fmt::Display,
        table: &str,
        items: impl Fn() -> Vec<TransactWriteItem>,
    ) -> Result<Write> {
        self.write(what, table, || {
            let request = self
                .sdk
                .transact_write_items()
                .set_return_consumed_capacity(wanted())
                .set_transact_items(Some(items()));
            async {
                let answer = request.send().await.map_err(Failure::from)?;
                consumed("TransactWriteItems", answer.consumed_capacity());
                Ok(())
            }
        })
        .await
    }

    async fn send(&self, change: Change) -> Result<(), Failure> {
        let Change { table, kind, terms } = change;
        let (operation, units) = match kind {
            Kind::Put(item) => {
                let put = self.sdk.put_item().table_name(table).set_item(Some(item));
                let put = under!(put, terms).set_return_consumed_capacity(wanted());
                ("PutItem", put.send().await.map_err(Failure::from)?.consumed_capacity)
            }
            Kind::Update(key, set) => {
                let update = self.sdk.update_item().table_name(table).set_key(Some(key));
                let update = under!(update.update_expression(set), terms);
                let update = update.set_return_consumed_capacity(wanted());
                ("UpdateItem", update.send().await.map_err(Failure::from)?.consumed_capacity)
            }
            Kind::Delete(key) => {
                let delete = self.sdk.delete_item().table_name(table).set_key(Some(key));
                let delete = under!(delete, terms).set_return_consumed_capacity(wanted());
                ("DeleteItem", delete.send().await.map_err(Failure::from)?.consumed_capacity)
            }
            Kind::Check(_) => {
                let message = "a condition alone is sent in a transaction only";
                return Err(Failure::Refused(Error::internal(message)));
            }
        };
        consumed(operation, units.as_slice());
        Ok(())
    }
}

/// A request that lacks something: a defect of ours.
pub(crate) fn incomplete(error: BuildError) -> Error {
    Error::internal("a request is not whole").with_source(error)
}
