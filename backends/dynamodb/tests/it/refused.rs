//! What cannot work is told in words that help: what is wrong, and that nothing was written.

use annals_core::{Error, ErrorKind, JournalExt, SeqRange, Store};
use annals_dynamodb::{DynamoDb, Settings};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as ProvidedCredentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

use crate::support::{append, fresh, id, journal, runtime, sdk, settings};
use crate::wire::error;

async fn plain(settings: Settings) -> Store {
    DynamoDb::builder().settings(settings).open().await.unwrap().store()
}

/// The errors of a write and of a read.
async fn errors(store: &Store) -> [Error; 2] {
    let write = store.journal.append(append("first", &id("a"), 0, 1)).await.unwrap_err();
    let read = store.journal.read_all(&id("a"), SeqRange::ALL).await.unwrap_err();
    [write, read]
}

fn expect(errors: [Error; 2], kind: ErrorKind, words: &str) {
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{words:?} is not in {error}");
        assert!(error.message().contains("test|a"), "the entity is not in {error}");
    }
}

#[test]
fn a_missing_table_is_named_as_the_reason() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.journal_table = fresh("missing");
        let errors = errors(&plain(settings).await).await;
        expect(errors, ErrorKind::Unavailable, "annals schema create");
    });
}

#[test]
fn a_table_with_other_keys_is_named_as_the_reason() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.journal_table = fresh("other");
        let id = AttributeDefinition::builder().attribute_name("id");
        let id = id.attribute_type(ScalarAttributeType::S).build().unwrap();
        let hash = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let table = sdk().create_table().table_name(&settings.journal_table);
        let table = table.attribute_definitions(id).key_schema(hash.build().unwrap());
        table.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
        expect(errors(&plain(settings).await).await, ErrorKind::Invalid, "`num` (N)");
    });
}

#[test]
fn a_server_that_is_gone_is_told_so() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.client.retry.retries_max = 1;
        // Nobody listens there.
        settings.client.endpoint = Some("http://127.0.0.1:9".to_owned());
        let errors = errors(&plain(settings).await).await;
        expect(errors, ErrorKind::Unavailable, "DynamoDB cannot be reached");
    });
}

/// A wrong region, or a host that is mistyped: a write was certainly not done.
#[test]
fn a_host_that_nobody_knows_is_told_so() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.client.retry.retries_max = 0;
        // A name that never exists, by RFC 2606.
        settings.client.endpoint = Some("http://dynamodb.xx-nowhere-1.invalid".to_owned());
        let errors = errors(&plain(settings).await).await;
        expect(errors, ErrorKind::Unavailable, "the endpoint, the region");
    });
}

#[test]
fn a_table_that_cannot_have_its_name_is_told_so() {
    runtime().block_on(async {
        let mut settings = settings();
        settings.journal_table = "ev".to_owned();
        let errors = errors(&plain(settings).await).await;
        expect(errors, ErrorKind::Invalid, "cannot have the name");
    });
}

#[test]
fn refused_credentials_are_named_as_the_reason() {
    runtime().block_on(async {
        for (name, words) in [
            ("ExpiredTokenException", "the credentials have expired"),
            ("UnrecognizedClientException", "refuses the credentials"),
            ("AccessDeniedException", "lack a right"),
        ] {
            let (_, over, wire) = journal().await;
            wire.follow(move |_, _| error(400, name));
            expect(errors(&over).await, ErrorKind::Unavailable, words);
            // Nobody hammers a server that refuses us.
            assert_eq!(wire.operations().len(), 2);
        }
    });
}

/// A provider that has nothing to give.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> ProvidedCredentials<'a>
    where
        Self: 'a,
    {
        ProvidedCredentials::ready(Err(CredentialsError::not_loaded("nobody is here")))
    }
}

#[test]
fn missing_credentials_are_named_as_the_reason() {
    runtime().block_on(async {
        let builder = DynamoDb::builder().settings(settings());
        let builder = builder.credentials_provider(SharedCredentialsProvider::new(Nobody));
        let errors = errors(&builder.open().await.unwrap().store()).await;
        expect(errors, ErrorKind::Unavailable, "there are no credentials");
    });
}
