//! The two tables, as Pekko's plugin expects them.

use annals_core::{Error, Result};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType,
};

use crate::store::DynamoDb;

impl DynamoDb {
    /// Creates the two tables that do not exist, paid by request; leaves the others as they are.
    ///
    /// # Errors
    /// `Unavailable`, if the server refuses or cannot be reached.
    pub async fn create_tables(&self) -> Result<()> {
        let settings = &self.inner.settings;
        let sdk = self.inner.client.sdk();
        let journal = sdk
            .create_table()
            .table_name(&settings.journal_table)
            .attribute_definitions(attribute("par", ScalarAttributeType::S)?)
            .attribute_definitions(attribute("num", ScalarAttributeType::N)?)
            .key_schema(key("par", KeyType::Hash)?)
            .key_schema(key("num", KeyType::Range)?)
            .billing_mode(BillingMode::PayPerRequest);
        created(&settings.journal_table, journal.send().await)?;
        let by_time = LocalSecondaryIndex::builder()
            .index_name("ts-idx")
            .key_schema(key("par", KeyType::Hash)?)
            .key_schema(key("ts", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()
            .map_err(incomplete)?;
        let snapshots = sdk
            .create_table()
            .table_name(&settings.snapshot_table)
            .attribute_definitions(attribute("par", ScalarAttributeType::S)?)
            .attribute_definitions(attribute("seq", ScalarAttributeType::N)?)
            .attribute_definitions(attribute("ts", ScalarAttributeType::N)?)
            .key_schema(key("par", KeyType::Hash)?)
            .key_schema(key("seq", KeyType::Range)?)
            .local_secondary_indexes(by_time)
            .billing_mode(BillingMode::PayPerRequest);
        created(&settings.snapshot_table, snapshots.send().await)
    }
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition> {
    let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
    attribute.build().map_err(incomplete)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(incomplete)
}

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::internal("a request is not whole").with_source(error)
}

fn created<T>(
    table: &str,
    answer: Result<
        T,
        aws_sdk_dynamodb::error::SdkError<
            aws_sdk_dynamodb::operation::create_table::CreateTableError,
            aws_sdk_dynamodb::config::http::HttpResponse,
        >,
    >,
) -> Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) =>
        {
            Ok(())
        }
        Err(error) => {
            Err(Error::unavailable(format!("table {table} could not be created"))
                .with_source(error))
        }
    }
}
