//! Making the tables, checking those that are there, and telling what they are like.

use std::time::Duration;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::types::{
    CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, IndexStatus, TableDescription,
    TableStatus,
};

use crate::client::{Client, Failure, incomplete};
use crate::settings::Settings;
use crate::store::{DynamoDb, Inner};
use crate::table::{Billing, Difference, IdIndex, Reach, Table};

/// How often a table that is being made is looked at, and for how long at most.
const WAIT: Duration = Duration::from_millis(500);
const WAITS_MAX: u32 = 600;

/// How new tables are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SchemaOptions {
    /// How their capacity is paid for. Default: by request.
    pub billing: Billing,
    /// The index of persistence ids. Default: [`IdIndex::Alphabetical`].
    pub id_index: IdIndex,
}

impl SchemaOptions {
    /// The same, paid for by `billing`.
    #[must_use]
    pub fn with_billing(mut self, billing: Billing) -> Self {
        self.billing = billing;
        self
    }

    /// The same, with this index of persistence ids.
    #[must_use]
    pub fn with_id_index(mut self, id_index: IdIndex) -> Self {
        self.id_index = id_index;
        self
    }
}

/// What a table is like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub purpose: &'static str,
    /// `ACTIVE`, `CREATING` and so on; `None` if there is no such table.
    pub status: Option<String>,
    /// Its key, as `par (text), num (number)`.
    pub key: String,
    /// Its indexes, each with its key.
    pub indexes: Vec<String>,
    /// `PAY_PER_REQUEST` or `PROVISIONED`.
    pub billing: String,
    /// How many items there were some hours ago, which is all that the service tells.
    pub items: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// A statement that makes something that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// The table.
    pub table: String,
    /// The command of AWS's command line that does the same.
    pub text: String,
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Table(Table),
    Index(Table),
}

impl DynamoDb {
    /// What is missing of the tables and the index, as the statements that make it.
    ///
    /// # Errors
    /// `Unavailable` if the server refuses or cannot be reached.
    pub async fn missing_schema(&self, options: SchemaOptions) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        for table in tables(&self.inner.settings, options.id_index) {
            let (text, step) = match self.inner.described(&table).await? {
                None => (table.statement(options.billing), Step::Table(table.clone())),
                Some(found) => match &table.index {
                    Some(index)
                        if index.reach == Reach::Global && !has_index(&found, &index.name) =>
                    {
                        (table.index_statement(options.billing), Step::Index(table.clone()))
                    }
                    _ => continue,
                },
            };
            statements.push(Statement { table: table.name, text, step });
        }
        Ok(statements)
    }

    /// Makes what `statement` says, and waits until it can be used.
    ///
    /// # Errors
    /// `Unavailable` if the server refuses, or is not done within five minutes; an index of a large
    /// table takes longer, and is made all the same.
    pub async fn create(&self, statement: &Statement, options: SchemaOptions) -> Result<()> {
        match &statement.step {
            Step::Table(table) => {
                self.inner.create_table(table, options.billing).await?;
                self.inner.wait_until_active(table).await
            }
            Step::Index(table) => {
                self.inner.create_index(table, options.billing).await?;
                self.inner.wait_until_active(table).await
            }
        }
    }

    /// Makes everything that is missing, with default options.
    ///
    /// # Errors
    /// As [`DynamoDb::create`].
    pub async fn create_tables(&self) -> Result<()> {
        let options = SchemaOptions::default();
        for statement in self.missing_schema(options).await? {
            self.create(&statement, options).await?;
        }
        Ok(())
    }

    /// What differs from the tables as they should be.
    ///
    /// # Errors
    /// As [`DynamoDb::missing_schema`].
    pub async fn check_schema(&self) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for table in tables(&self.inner.settings, IdIndex::default()) {
            match self.inner.described(&table).await? {
                Some(found) => differences.extend(table.differences(&found)),
                None => differences.push(table.absent()),
            }
        }
        Ok(differences)
    }

    /// What the tables are like.
    ///
    /// # Errors
    /// As [`DynamoDb::missing_schema`].
    pub async fn show_schema(&self) -> Result<Vec<TableInfo>> {
        let mut infos = Vec::new();
        for table in tables(&self.inner.settings, IdIndex::default()) {
            infos.push(table.info(self.inner.described(&table).await?.as_ref()));
        }
        Ok(infos)
    }
}

fn tables(settings: &Settings, id_index: IdIndex) -> [Table; 3] {
    [
        Table::journal(&settings.journal_table, &settings.persistence_ids_index_name, id_index),
        Table::snapshots(&settings.snapshot_table),
        Table::offsets(&settings.offset_table),
    ]
}

fn has_index(found: &TableDescription, name: &str) -> bool {
    found.global_secondary_indexes().iter().any(|index| index.index_name() == Some(name))
}

impl Inner {
    /// To the server that `table` is on.
    fn client_of(&self, table: &Table) -> &Client {
        match table.holds_snapshots() {
            true => &self.snapshots,
            false => &self.client,
        }
    }

    /// The table, if it is there.
    async fn described(&self, table: &Table) -> Result<Option<TableDescription>> {
        let what = format!("describing the table {}", table.name);
        let client = self.client_of(table);
        client
            .read(what, &table.name, || {
                let request = client.sdk().describe_table().table_name(&table.name);
                async {
                    match request.send().await {
                        Ok(answer) => Ok(answer.table),
                        Err(error) => {
                            let absent = error
                                .as_service_error()
                                .is_some_and(|error| error.is_resource_not_found_exception());
                            if absent { Ok(None) } else { Err(Failure::from(error)) }
                        }
                    }
                }
            })
            .await
    }

    async fn create_table(&self, table: &Table, billing: Billing) -> Result<()> {
        let what = format!("creating the table {}", table.name);
        let client = self.client_of(table);
        client
            .work(what, &table.name, || {
                let index = table.index.as_ref();
                let request = client
                    .sdk()
                    .create_table()
                    .table_name(&table.name)
                    .set_attribute_definitions(Some(table.attributes()))
                    .set_key_schema(Some(table.keys()))
                    .set_global_secondary_indexes(
                        index.and_then(|index| index.global(billing)).map(|index| vec![index]),
                    )
                    .set_local_secondary_indexes(
                        index.and_then(|index| index.local()).map(|index| vec![index]),
                    )
                    .billing_mode(billing.mode())
                    .set_provisioned_throughput(billing.throughput());
                async {
                    match request.send().await {
                        Ok(_) => Ok(()),
                        Err(error) => {
                            // Another one made it meanwhile, or an attempt whose answer got lost.
                            let there = error
                                .as_service_error()
                                .is_some_and(|error| error.is_resource_in_use_exception());
                            if there { Ok(()) } else { Err(Failure::from(error)) }
                        }
                    }
                }
            })
            .await
    }

    async fn create_index(&self, table: &Table, billing: Billing) -> Result<()> {
        let what = format!("creating the index of ids of the table {}", table.name);
        let Some(index) = &table.index else { return Ok(()) };
        let action = CreateGlobalSecondaryIndexAction::builder()
            .index_name(&index.name)
            .set_key_schema(Some(index.keys()))
            .set_projection(index.global(billing).and_then(|index| index.projection))
            .set_provisioned_throughput(billing.throughput())
            .build()
            .map_err(incomplete)?;
        let update = GlobalSecondaryIndexUpdate::builder().create(action).build();
        self.client
            .work(what, &table.name, || {
                let request = self
                    .client
                    .sdk()
                    .update_table()
                    .table_name(&table.name)
                    .set_attribute_definitions(Some(table.attributes()))
                    .global_secondary_index_updates(update.clone());
                async { request.send().await.map(|_| ()).map_err(Failure::from) }
            })
            .await
    }

    async fn wait_until_active(&self, table: &Table) -> Result<()> {
        for _ in 0..WAITS_MAX {
            if let Some(found) = self.described(table).await?
                && found.table_status() == Some(&TableStatus::Active)
                && found
                    .global_secondary_indexes()
                    .iter()
                    .all(|index| index.index_status() == Some(&IndexStatus::Active))
            {
                return Ok(());
            }
            tokio::time::sleep(WAIT).await;
        }
        Err(Error::unavailable(format!(
            "the table {} is still being made; look again with `annals schema show`",
            table.name
        )))
    }
}
