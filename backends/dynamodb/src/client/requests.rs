//! Reading, and writes without a condition.

use std::fmt;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest,
};

use super::capacity::{consumed, wanted};
use super::change::incomplete;
use super::failure::THROTTLED;
use super::{Client, Failure};
use crate::item::Item;

/// A page of a query or a scan, and where the next one starts.
#[derive(Debug, Default)]
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<Item>,
}

/// What a query asks of one partition key of the journal table.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) table: String,
    pub(crate) par: String,
    /// The lowest and the highest range key.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) backwards: bool,
    pub(crate) items_max: Option<i32>,
    pub(crate) projection: Option<&'static str>,
}

impl Query {
    pub(crate) fn new(table: &str, par: String, from: u64, to: u64) -> Self {
        Self {
            table: table.to_owned(),
            par,
            from,
            to,
            backwards: false,
            items_max: None,
            projection: None,
        }
    }

    pub(crate) fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }

    pub(crate) fn items_max(mut self, items_max: i32) -> Self {
        self.items_max = Some(items_max);
        self
    }

    pub(crate) fn projection(mut self, projection: &'static str) -> Self {
        self.projection = Some(projection);
        self
    }
}

impl Client {
    /// The SDK's client, for requests that are made nowhere else.
    pub(crate) fn sdk(&self) -> &aws_sdk_dynamodb::Client {
        &self.sdk
    }

    /// One page of a strongly consistent query.
    pub(crate) async fn query(
        &self,
        what: impl fmt::Display,
        query: &Query,
        after: Option<Item>,
    ) -> Result<ItemPage> {
        let number = |value: u64| AttributeValue::N(value.to_string());
        self.read(what, &query.table, || {
            let request = self
                .sdk
                .query()
                .table_name(&query.table)
                .consistent_read(true)
                .key_condition_expression("par = :par AND num BETWEEN :from AND :to")
                .expression_attribute_values(":par", AttributeValue::S(query.par.clone()))
                .expression_attribute_values(":from", number(query.from))
                .expression_attribute_values(":to", number(query.to))
                .scan_index_forward(!query.backwards)
                .set_limit(query.items_max)
                .set_projection_expression(query.projection.map(str::to_owned))
                .set_exclusive_start_key(after.clone());
            queried(request)
        })
        .await
    }

    /// The item at `key`, strongly consistent.
    pub(crate) async fn get(
        &self,
        what: impl fmt::Display,
        table: &str,
        key: Item,
    ) -> Result<Option<Item>> {
        self.read(what, table, || {
            let request = self
                .sdk
                .get_item()
                .set_return_consumed_capacity(wanted())
                .table_name(table)
                .consistent_read(true)
                .set_key(Some(key.clone()));
            async {
                let answer = request.send().await.map_err(Failure::from)?;
                consumed("GetItem", answer.consumed_capacity.as_slice());
                Ok(answer.item)
            }
        })
        .await
    }

    /// The items at `keys`, strongly consistent, in any order; what the server did not process is asked
    /// for again.
    pub(crate) async fn get_all(
        &self,
        what: impl fmt::Display,
        table: &str,
        keys: Vec<Item>,
        projection: &str,
        keys_max: usize,
    ) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        let mut rest = keys;
        let mut retry = self.retry.start(self.jitter.clone());
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(keys_max));
            let (items, unprocessed) = self.get_some(&what, table, &rest, projection).await?;
            let progress = unprocessed.len() < rest.len();
            found.extend(items);
            if !unprocessed.is_empty() {
                self.throttled();
                match retry.next_delay() {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None if progress => {}
                    None => return Err(never_done(self.at(what, table))),
                }
            }
            rest = [unprocessed, later].concat();
        }
        Ok(found)
    }

    async fn get_some(
        &self,
        what: impl fmt::Display,
        table: &str,
        keys: &[Item],
        projection: &str,
    ) -> Result<(Vec<Item>, Vec<Item>)> {
        self.read(what, table, || {
            let asked = KeysAndAttributes::builder()
                .set_keys(Some(keys.to_vec()))
                .projection_expression(projection)
                .consistent_read(true);
            let request = asked.build().map(|asked| {
                self.sdk
                    .batch_get_item()
                    .set_return_consumed_capacity(wanted())
                    .request_items(table.to_owned(), asked)
            });
            async {
                let answer = request
                    .map_err(|error| Failure::Refused(incomplete(error)))?
                    .send()
                    .await
                    .map_err(Failure::from)?;
                consumed("BatchGetItem", answer.consumed_capacity());
                let items = answer.responses.and_then(|mut tables| tables.remove(table));
                let rest = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table));
                Ok((items.unwrap_or_default(), rest.map(|rest| rest.keys).unwrap_or_default()))
            }
        })
        .await
    }

    /// Performs all `writes`, in requests of at most `writes_max`, none of which has a condition; what
    /// the server did not process is sent again. They must bear being repeated.
    pub(crate) async fn write_all(
        &self,
        what: impl fmt::Display,
        table: &str,
        writes: Vec<WriteRequest>,
        writes_max: usize,
    ) -> Result<()> {
        let mut rest = writes;
        let mut retry = self.retry.start(self.jitter.clone());
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(writes_max));
            let unprocessed = self.write_some(&what, table, &rest).await?;
            if !unprocessed.is_empty() {
                self.throttled();
                match retry.next_delay() {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None if unprocessed.len() < rest.len() => {}
                    None => return Err(never_done(self.at(what, table))),
                }
            }
            rest = [unprocessed, later].concat();
        }
        Ok(())
    }

    async fn write_some(
        &self,
        what: impl fmt::Display,
        table: &str,
        writes: &[WriteRequest],
    ) -> Result<Vec<WriteRequest>> {
        self.work(what, table, || {
            let request = self
                .sdk
                .batch_write_item()
                .set_return_consumed_capacity(wanted())
                .request_items(table.to_owned(), writes.to_vec());
            async {
                let answer = request.send().await.map_err(Failure::from)?;
                consumed("BatchWriteItem", answer.consumed_capacity());
                let rest = answer.unprocessed_items.and_then(|mut tables| tables.remove(table));
                Ok(rest.unwrap_or_default())
            }
        })
        .await
    }
}

/// A put of a batch, which has no condition.
pub(crate) fn batched_put(item: Item) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// A removal of a batch, which has no condition.
pub(crate) fn batched_delete(key: Item) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

/// What a query answers.
pub(crate) async fn queried(query: QueryFluentBuilder) -> Result<ItemPage, Failure> {
    let query = query.set_return_consumed_capacity(wanted());
    let page = query.send().await.map_err(Failure::from)?;
    consumed("Query", page.consumed_capacity.as_slice());
    Ok(ItemPage { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
}

/// What a scan answers.
pub(crate) async fn scanned(scan: ScanFluentBuilder) -> Result<ItemPage, Failure> {
    let scan = scan.set_return_consumed_capacity(wanted());
    let page = scan.send().await.map_err(Failure::from)?;
    consumed("Scan", page.consumed_capacity.as_slice());
    Ok(ItemPage { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
}

/// The error of a batch that the server did not get to, time after time.
fn never_done(at: impl fmt::Display) -> Error {
    Error::unavailable(format!(
        "{at}: a part of it was not done, and it can be repeated: {THROTTLED}"
    ))
}
