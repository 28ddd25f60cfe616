//! The servers that the tests of a process share.

use std::sync::OnceLock;

use crate::{Cassandra, CassandraOptions, DynamoDb, Result, Storage};

/// Names a DynamoDB that runs already: `http://127.0.0.1:PORT`.
pub const ANNALS_DYNAMODB: &str = "ANNALS_DYNAMODB";
/// Names a Cassandra node that runs already: `127.0.0.1:PORT`.
pub const ANNALS_CASSANDRA: &str = "ANNALS_CASSANDRA";

/// The endpoint of the shared DynamoDB, `http://127.0.0.1:PORT`. Tests tell their data apart by table names.
///
/// # Panics
/// The server does not start: a test that needs it fails, and is never skipped.
pub fn dynamodb() -> &'static str {
    static SHARED: Shared<DynamoDb> = Shared::new();
    SHARED.address(ANNALS_DYNAMODB, || DynamoDb::start(Storage::Memory), DynamoDb::endpoint)
}

/// The address of the shared Cassandra node, `127.0.0.1:PORT`. Tests tell their data apart by keyspaces
/// (few: each takes a second to make) or by ids.
///
/// # Panics
/// The server does not start: a test that needs it fails, and is never skipped.
pub fn cassandra() -> &'static str {
    static SHARED: Shared<Cassandra> = Shared::new();
    let start = || Cassandra::start(&CassandraOptions::default());
    SHARED.address(ANNALS_CASSANDRA, start, Cassandra::address)
}

/// A server of this process, or the address of one that was there before. Statics are not dropped: the
/// server ends when the process does, since its guard then finds the pipe closed.
struct Shared<S>(OnceLock<Result<Found<S>>>);

enum Found<S> {
    There(String),
    Started(S),
}

impl<S> Shared<S> {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn address(
        &self,
        variable: &str,
        start: impl FnOnce() -> Result<S>,
        address: impl FnOnce(&S) -> &str,
    ) -> &str {
        let found = self.0.get_or_init(|| match std::env::var(variable) {
            Ok(address) if !address.is_empty() => Ok(Found::There(address)),
            _ => start().map(Found::Started),
        });
        match found {
            Ok(Found::There(address)) => address,
            Ok(Found::Started(server)) => address(server),
            Err(error) => panic!("{error} (or name a running one in {variable})"),
        }
    }
}
