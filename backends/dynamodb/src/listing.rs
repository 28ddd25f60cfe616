//! Listing persistence ids: by the index `persistence-ids-idx` in either variant, or by a scan.
//!
//! ```text
//!   index, hash num, range par   num = 1 AND begins_with(par, J-P-)    by name
//!   index, hash num              num = 1, filtered by par              in no order
//!   scan                         num = 1 or a low mark, filtered       in no order; the whole table
//! ```
//!
//! An id is listed by its event 1, or by the tombstone that a delete of annals leaves there. Pekko's
//! deletes leave nothing; a scan finds such an id by its low marks, the index cannot. An index is read
//! eventually consistent, as every global one is: an id may appear in it a moment after its first event.

use annals_core::{Error, IdEntry, IdPage, PersistenceId, Result};
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TableDescription};

use crate::client::{self, Failure, ItemPage, queried};
use crate::id_key::{IdKeys, Listed};
use crate::item::{self, Item, names};
use crate::position::{Listing, Place};
use crate::settings::IdListing;
use crate::store::Inner;
use crate::table::{self, NUM, PAR};

/// The most keys that one request to an index looks at.
const KEYS_MAX: usize = 1_000;

impl Inner {
    /// How ids are listed; found out once.
    pub(crate) async fn id_listing(&self) -> Result<Listing> {
        match self.settings.ids {
            IdListing::Scan => Ok(Listing::Scan),
            IdListing::Auto => self.listing.get_or_try_init(|| self.find_index()).await.copied(),
        }
    }

    /// Up to `ids_max` ids behind `after`.
    pub(crate) async fn list_ids(
        &self,
        listing: Listing,
        after: Option<Place>,
        ids_max: usize,
    ) -> Result<IdPage> {
        let keys = IdKeys::new(self.keys.journal());
        let ItemPage { items, next: last } = match listing {
            Listing::Scan => self.scanned(&keys, after).await?,
            _ => self.indexed(&keys, listing, after, ids_max).await?,
        };
        let mut ids: Vec<IdEntry> = Vec::new();
        let mut cut = false;
        for found in items {
            let Some(place) = place(&found) else { continue };
            let Some(persistence_id) = self.listed(&keys, &place).await? else { continue };
            if ids.len() == ids_max {
                cut = true;
                break;
            }
            ids.push(IdEntry { offset: self.positions.id(listing, &place), persistence_id });
        }
        let last_id = ids.last().map(|entry| entry.offset.clone());
        let last = last.as_ref().and_then(place).filter(|_| !cut);
        let at_end = last.is_none() && !cut;
        let next = last.map(|place| self.positions.id(listing, &place)).or(last_id);
        Ok(IdPage { ids, next, at_end })
    }

    async fn find_index(&self) -> Result<Listing> {
        let table = &self.settings.journal_table;
        let what = format!("describing the table {table} to find its index of ids");
        let found = self.client.read(what, table, || {
            let request = self.client.sdk().describe_table().table_name(table);
            async { Ok(request.send().await.map_err(Failure::from)?.table) }
        });
        let found = found.await?.unwrap_or_else(|| TableDescription::builder().build());
        let name = &self.settings.persistence_ids_index_name;
        let indexes = found.global_secondary_indexes();
        let Some(index) = indexes.iter().find(|index| index.index_name() == Some(name)) else {
            return Ok(Listing::Scan);
        };
        let there = table::described(&found, index.key_schema());
        if there == NUM.to_string() {
            return Ok(Listing::Index);
        }
        if there == format!("{NUM}, {PAR}") {
            return Ok(Listing::NamedIndex);
        }
        Err(Error::invalid(format!(
            "the index {name} of the table {table} has the key {there} instead of {NUM}, or {NUM} with \
             {PAR}: name another index (persistence-ids-index-name), or list ids by scanning (ids=scan)"
        )))
    }

    async fn indexed(
        &self,
        keys: &IdKeys,
        listing: Listing,
        after: Option<Place>,
        ids_max: usize,
    ) -> Result<ItemPage> {
        let limit = i32::try_from(ids_max.min(KEYS_MAX)).unwrap_or(i32::MAX);
        let what = "listing the persistence ids by their index";
        self.client
            .read(what, &self.settings.journal_table, || {
                let request = self
                    .client
                    .sdk()
                    .query()
                    .table_name(&self.settings.journal_table)
                    .index_name(&self.settings.persistence_ids_index_name)
                    .projection_expression("par, num")
                    .expression_attribute_values(":one", item::number(1))
                    .expression_attribute_values(":events", text(keys.events()))
                    .set_exclusive_start_key(after.as_ref().map(key))
                    .limit(limit);
                let begins = "begins_with(par, :events)";
                let request = match listing {
                    Listing::NamedIndex => {
                        request.key_condition_expression(format!("num = :one AND {begins}"))
                    }
                    _ => request.key_condition_expression("num = :one").filter_expression(begins),
                };
                queried(request)
            })
            .await
    }

    /// A scan of the journal's table that sees every write that was answered.
    pub(crate) fn scan_journal(&self) -> ScanFluentBuilder {
        let scan = self.client.sdk().scan();
        scan.table_name(&self.settings.journal_table).consistent_read(true)
    }

    async fn scanned(&self, keys: &IdKeys, after: Option<Place>) -> Result<ItemPage> {
        let what = "listing the persistence ids by scanning the journal's table";
        self.client
            .read(what, &self.settings.journal_table, || {
                let request = self
                    .scan_journal()
                    .projection_expression("par, num")
                    .filter_expression(
                        "(num = :one AND begins_with(par, :events)) OR \
                         (num = :zero AND begins_with(par, :marks))",
                    )
                    .expression_attribute_values(":one", item::number(1))
                    .expression_attribute_values(":zero", item::number(0))
                    .expression_attribute_values(":events", text(keys.events()))
                    .expression_attribute_values(":marks", text(keys.low_marks()))
                    .set_exclusive_start_key(after.as_ref().map(key));
                client::scanned(request)
            })
            .await
    }

    /// The id that the item at `place` lists, if it lists one.
    async fn listed(&self, keys: &IdKeys, place: &Place) -> Result<Option<PersistenceId>> {
        if place.num != 0 {
            return match keys.first_event(&place.par) {
                Listed::Nothing => Ok(None),
                Listed::Id(id) => Ok(Some(id)),
                Listed::Ambiguous(id) => self.owned(id, place).await,
            };
        }
        let (Listed::Id(id) | Listed::Ambiguous(id), shard) = keys.low_mark(&place.par) else {
            return Ok(None);
        };
        // Event 1 lists the id, if it is there; else the mark of the lowest shard does, and only that.
        let first = item::key(keys.first_partition(&id), 1);
        let below = self.keys.low_marks(&id).take(usize::try_from(shard).unwrap_or(usize::MAX));
        let others = below.map(|par| item::key(par, 0));
        let asked: Vec<Item> = std::iter::once(first).chain(others).collect();
        let what = format!("listing {id}");
        let table = &self.settings.journal_table;
        let found = self.client.get_all(
            what,
            table,
            asked,
            names::PAR,
            self.settings.client.limits.max_batch_get,
        );
        Ok(found.await?.is_empty().then_some(id))
    }

    /// `id`, unless the item at `place` says that it is another one's.
    async fn owned(&self, id: PersistenceId, place: &Place) -> Result<Option<PersistenceId>> {
        let what = format!("listing {id}");
        let found = self.client.get(what, &self.settings.journal_table, key(place)).await?;
        let foreign = found
            .as_ref()
            .and_then(|found| found.get(names::PERSISTENCE_ID))
            .is_some_and(|owner| matches!(owner, AttributeValue::S(owner) if owner != id.as_str()));
        Ok((!foreign).then_some(id))
    }
}

fn place(found: &Item) -> Option<Place> {
    match (found.get(names::PAR)?, found.get(names::NUM)?) {
        (AttributeValue::S(par), AttributeValue::N(num)) => {
            Some(Place { par: par.clone(), num: num.parse().ok()? })
        }
        _ => None,
    }
}

fn key(place: &Place) -> Item {
    item::key(place.par.clone(), place.num.into())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
