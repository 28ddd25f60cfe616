//! Projection offsets, in a table of their own: hash `journal` (which journal table and journal name),
//! range `name` (the projection).
//!
//! | attribute | type | |
//! | --- | --- | --- |
//! | `journal`, `name` | S, S | the key |
//! | `revision` | N | how often it was saved: what a save compares |
//! | `offset` | B | where the projection resumes |
//! | `save` | B | who saved it, drawn for each save: a save whose answer got lost finds itself by it |

use annals_core::{
    AppendId, Error, Offset, OffsetRevision, OffsetSave, OffsetStore, Result, SeqNr, StoredOffset,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::client::{Change, ItemPage, Write, queried};
use crate::item::{Item, number, number_of};
use crate::store::{DynamoDb, Inner};

const JOURNAL: &str = "journal";
const NAME: &str = "name";
const REVISION: &str = "revision";
const OFFSET: &str = "offset";
const SAVE: &str = "save";

/// Nothing is saved yet, or what is saved stands at a revision. `name`, `offset` and the like are words
/// of DynamoDB's own, so they are written `#…`.
const NEVER_SAVED: &str = "attribute_not_exists(#journal)";
const STANDS_AT: &str = "#revision = :expected";

#[async_trait]
impl OffsetStore for DynamoDb {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        let _running = self.inner.enter().await?;
        let what = format!("loading the offset of {name}");
        let key = self.inner.offset_key(name);
        let found = self.inner.client.get(what, &self.inner.settings.offset_table, key).await?;
        found.map(|item| stored(&item)).transpose()
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        let _running = self.inner.enter().await?;
        let mut offsets = Vec::new();
        let mut after: Option<Item> = None;
        loop {
            let ItemPage { items, next } = self.inner.offset_page(after).await?;
            for item in &items {
                offsets.push(stored(item)?);
            }
            if next.is_none() {
                return Ok(offsets);
            }
            after = next;
        }
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        let _running = self.inner.enter().await?;
        self.limits().check_offset_name(name)?;
        self.inner.positions.check_event(&offset)?;
        let save = OffsetSave { name: name.to_owned(), expected, offset };
        self.inner.save_offset(&save, AppendId::new(rand::random())).await
    }
}

impl Inner {
    async fn save_offset(&self, save: &OffsetSave, by: AppendId) -> Result<OffsetRevision> {
        let what = format!("saving the offset of {}", save.name);
        let written =
            self.client.change(what, &self.settings.offset_table, || self.offset_put(save, by));
        match written.await? {
            Write::Done => Ok(save.expected.next()),
            Write::Condition(found) if was_saved_by(found.as_ref(), by) => Ok(save.expected.next()),
            Write::Condition(found) => Err(moved(save, found.as_ref())?),
            Write::Cancelled(_) => Err(Error::internal("a put answered as a transaction does")),
        }
    }

    /// The save by `by`, under the condition that the offset stands where it was expected.
    pub(crate) fn offset_put(&self, save: &OffsetSave, by: AppendId) -> Change {
        let put = Change::put(&self.settings.offset_table, self.offset_item(save, by));
        match save.expected {
            OffsetRevision::NONE => put.only_if(NEVER_SAVED).naming("#journal", JOURNAL),
            expected => put
                .only_if(STANDS_AT)
                .naming("#revision", REVISION)
                .with(":expected", number(expected.get())),
        }
    }

    fn offset_item(&self, save: &OffsetSave, by: AppendId) -> Item {
        let binary = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
        let mut item = self.offset_key(&save.name);
        item.insert(REVISION.to_owned(), number(save.expected.next().get()));
        item.insert(OFFSET.to_owned(), binary(save.offset.as_bytes()));
        item.insert(SAVE.to_owned(), binary(&by.get().to_be_bytes()));
        item
    }

    fn offset_key(&self, name: &str) -> Item {
        let text = |text: String| AttributeValue::S(text);
        Item::from([
            (JOURNAL.to_owned(), text(self.offset_journal())),
            (NAME.to_owned(), text(name.to_owned())),
        ])
    }

    /// A table's name has no slash, so this is unambiguous.
    fn offset_journal(&self) -> String {
        format!("{}/{}", self.settings.journal_table, self.keys.journal())
    }

    async fn offset_page(&self, after: Option<Item>) -> Result<ItemPage> {
        let journal = self.offset_journal();
        self.client
            .read("listing the offsets", &self.settings.offset_table, || {
                let query = self
                    .client
                    .sdk()
                    .query()
                    .table_name(&self.settings.offset_table)
                    .consistent_read(true)
                    .key_condition_expression("#journal = :journal")
                    .expression_attribute_names("#journal", JOURNAL)
                    .expression_attribute_values(":journal", AttributeValue::S(journal.clone()))
                    .set_exclusive_start_key(after.clone());
                queried(query)
            })
            .await
    }
}

/// Whether the save `by` is the one that stands there.
fn was_saved_by(found: Option<&Item>, by: AppendId) -> bool {
    let save = found.and_then(|item| item.get(SAVE));
    matches!(save, Some(AttributeValue::B(blob)) if blob.as_ref() == by.get().to_be_bytes())
}

/// The conflict about an offset that stands elsewhere.
fn moved(save: &OffsetSave, found: Option<&Item>) -> Result<Error> {
    let revision = found.map(|item| number_of::<u64>(item, REVISION)).transpose()?.flatten();
    let revision = SeqNr::new(revision.unwrap_or(0)).unwrap_or(SeqNr::MAX);
    let message = format!(
        "the offset of {} stands at revision {revision}, not at {}: another instance saved it",
        save.name,
        save.expected.get()
    );
    Ok(Error::conflict(revision, message))
}

fn stored(item: &Item) -> Result<StoredOffset> {
    let damaged =
        |name: &str| Error::corrupt(format!("a saved offset has no {name} that can be read"));
    let Some(AttributeValue::S(name)) = item.get(NAME) else { return Err(damaged(NAME)) };
    let Some(AttributeValue::B(offset)) = item.get(OFFSET) else { return Err(damaged(OFFSET)) };
    let revision = number_of(item, REVISION)?.ok_or_else(|| damaged(REVISION))?;
    Ok(StoredOffset {
        name: name.clone(),
        offset: Offset::from_bytes(offset.as_ref().to_vec()),
        revision: OffsetRevision::new(revision),
    })
}
