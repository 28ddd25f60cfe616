//! The snapshot store: Pekko's table, read by number.
//!
//! Pekko's plugin takes the snapshot of the greatest *time* for the newest one, by the index `ts-idx`; here
//! it is the one of the greatest number (S1), which the table's own order gives, and bounds of time are
//! honoured page after page. A save is one unconditional put: it replaces the snapshot of the same number
//! whole or not at all (S3), so repeating it is safe.

use std::fmt;

use annals_core::{
    Capabilities, Error, ErrorKind, PersistenceId, Result, SeqNr, Snapshot, SnapshotCriteria,
    SnapshotInfo, SnapshotStore, Timestamp,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::client::{Change, Failure, ItemPage, Write, queried};
use crate::item::number;
use crate::snapshot_item::{self, Item, PAR, SEQ, TS};
use crate::store::{DynamoDb, Inner};

/// Deletes that are under way together.
const DELETES_MAX: usize = 16;

#[async_trait]
impl SnapshotStore for DynamoDb {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        let _running = self.inner.enter().await?;
        self.limits().check_snapshot(&snapshot).map_err(|error| {
            error.context(format_args!("{}: nothing was written", saving(&snapshot)))
        })?;
        self.inner.save(&snapshot).await
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        let _running = self.inner.enter().await?;
        let mut pages = Pages::new(&self.inner, id, criteria, Wanted::Newest);
        while let Some(items) = pages.next().await? {
            if let Some(item) = items.first() {
                return snapshot_item::decode(id, item, self.inner.settings.manifest_names)
                    .map(Some);
            }
        }
        Ok(None)
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let _running = self.inner.enter().await?;
        let mut pages = Pages::new(&self.inner, id, criteria, Wanted::Infos(infos_max));
        let mut infos = Vec::new();
        while infos.len() < infos_max
            && let Some(items) = pages.next().await?
        {
            for item in items.iter().take(infos_max - infos.len()) {
                infos.push(snapshot_item::info(id, item)?);
            }
        }
        Ok(infos)
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        let _running = self.inner.enter().await?;
        if has_no_time(criteria) && criteria.min_seq_nr == criteria.max_seq_nr {
            return self.inner.delete(id, criteria.min_seq_nr, None).await;
        }
        let mut pages = Pages::new(&self.inner, id, criteria, Wanted::Infos(usize::MAX));
        while let Some(items) = pages.next().await? {
            let infos: Vec<SnapshotInfo> =
                items.iter().map(|item| snapshot_item::info(id, item)).collect::<Result<_>>()?;
            // One that was saved anew since the page was read may have another time, and is kept then.
            let time = |info: &SnapshotInfo| (!has_no_time(criteria)).then_some(info.timestamp);
            stream::iter(infos)
                .map(|info| self.inner.delete(id, info.seq_nr, time(&info)))
                .buffer_unordered(DELETES_MAX)
                .try_collect::<()>()
                .await?;
        }
        Ok(())
    }
}

fn has_no_time(criteria: &SnapshotCriteria) -> bool {
    criteria.min_timestamp == Timestamp::MIN && criteria.max_timestamp == Timestamp::MAX
}

impl Inner {
    async fn save(&self, snapshot: &Snapshot) -> Result<()> {
        let snapshot_table = &self.settings.snapshot_table;
        let limits = self.settings.snapshots().limits;
        let item = snapshot_item::encode(self.snapshots_name(), snapshot, limits.max_item_size)?;
        let what = saving(snapshot);
        let put = || Change::put(snapshot_table, item.clone());
        let written = self.snapshots.change(what, snapshot_table, put);
        let written = written.await.map_err(|error| match error.kind() {
            ErrorKind::Invalid => error.context(
                "a table whose index ts-idx holds all attributes takes snapshots of half the size only (see \
                 `annals schema check`)",
            ),
            _ => error,
        });
        done(written?)
    }

    async fn delete(
        &self,
        id: &PersistenceId,
        seq_nr: SeqNr,
        taken: Option<Timestamp>,
    ) -> Result<()> {
        let key = snapshot_item::key(self.snapshots_name(), id, seq_nr);
        let what = format!("deleting the snapshot of {id} at {seq_nr}");
        let written = self.snapshots.change(what, &self.settings.snapshot_table, || {
            let delete = Change::delete(&self.settings.snapshot_table, key.clone());
            match taken {
                Some(taken) => delete.only_if("ts = :ts").with(":ts", number(taken)),
                None => delete,
            }
        });
        match written.await? {
            // Another one stands there by now, or none.
            Write::Condition(_) => Ok(()),
            written => done(written),
        }
    }
}

fn saving(snapshot: &Snapshot) -> impl fmt::Display + '_ {
    let Snapshot { persistence_id, seq_nr, .. } = snapshot;
    fmt::from_fn(move |f| write!(f, "saving the snapshot of {persistence_id} at {seq_nr}"))
}

fn done(written: Write) -> Result<()> {
    match written {
        Write::Done => Ok(()),
        other => Err(Error::internal(format!("a write without a condition answered {other:?}"))),
    }
}

/// What is wanted of the items of a query.
#[derive(Clone, Copy)]
enum Wanted {
    /// All of the newest.
    Newest,
    /// Number and time of up to so many.
    Infos(usize),
}

/// The items of one id that meet some criteria, newest by number first, page by page.
struct Pages<'a> {
    inner: &'a Inner,
    id: &'a PersistenceId,
    criteria: &'a SnapshotCriteria,
    wanted: Wanted,
    after: Option<Item>,
    at_end: bool,
}

impl<'a> Pages<'a> {
    fn new(
        inner: &'a Inner,
        id: &'a PersistenceId,
        criteria: &'a SnapshotCriteria,
        wanted: Wanted,
    ) -> Self {
        let at_end = criteria.min_seq_nr > criteria.max_seq_nr
            || criteria.min_timestamp > criteria.max_timestamp;
        Self { inner, id, criteria, wanted, after: None, at_end }
    }

    /// The next page, which may be empty before the end; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Item>>> {
        if self.at_end {
            return Ok(None);
        }
        let ItemPage { items, next } = self
            .inner
            .snapshots
            .read(self.what(), &self.inner.settings.snapshot_table, || self.request())
            .await?;
        self.at_end = next.is_none();
        self.after = next;
        Ok(Some(items))
    }

    fn what(&self) -> String {
        format!("reading the snapshots of {}", self.id)
    }

    fn request(&self) -> impl Future<Output = Result<ItemPage, Failure>> + use<> {
        let Self { inner, criteria, .. } = self;
        let number = |value: &dyn std::fmt::Display| AttributeValue::N(value.to_string());
        let par = snapshot_item::par(inner.snapshots_name(), self.id);
        let mut request = inner
            .snapshots
            .sdk()
            .query()
            .table_name(&inner.settings.snapshot_table)
            .consistent_read(true)
            .scan_index_forward(false)
            .key_condition_expression(format!("{PAR} = :par AND {SEQ} BETWEEN :from AND :to"))
            .expression_attribute_values(":par", AttributeValue::S(par))
            .expression_attribute_values(":from", number(&criteria.min_seq_nr))
            .expression_attribute_values(":to", number(&criteria.max_seq_nr))
            .set_exclusive_start_key(self.after.clone());
        let timed = !has_no_time(criteria);
        if timed {
            request = request
                .filter_expression(format!("{TS} BETWEEN :earliest AND :latest"))
                .expression_attribute_values(":earliest", number(&criteria.min_timestamp))
                .expression_attribute_values(":latest", number(&criteria.max_timestamp));
        }
        request = match self.wanted {
            // The limit counts before the filter, so with one it must not be 1.
            Wanted::Newest => request.set_limit((!timed).then_some(1)),
            Wanted::Infos(infos_max) => request
                .projection_expression(format!("{SEQ}, {TS}"))
                .set_limit(i32::try_from(infos_max).ok().filter(|max| !timed && *max > 0)),
        };
        queried(request)
    }
}
