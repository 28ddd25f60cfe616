//! How a store is reached and laid out: data, with the names and defaults of Pekko's `reference.conf`.

use std::fmt;
use std::time::Duration;

use annals_core::{Error, Result, RetryPolicy};

/// Settings of a DynamoDB store. The first group has the names of `dynamodb-journal` and its sister
/// sections, dots and dashes as underscores; the second is ours.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Where the server is, as a URL; `None` is AWS's own endpoint of the region.
    pub endpoint: Option<String>,
    /// The table of events and marks. Default `pekko-persistence`.
    pub journal_table: String,
    /// The table of snapshots. Default `pekko-persistence-snapshot`.
    pub snapshot_table: String,
    /// What every key begins with. Default `journal`. Part of the stored format.
    pub journal_name: String,
    /// Over how many items the marks of an entity are spread. Default 10. May be raised, never lowered.
    pub sequence_shards: u32,
    /// How many partitions a replay reads at a time. Default 10.
    pub replay_parallelism: usize,
    /// The index that lists persistence ids. Default `persistence-ids-idx`.
    pub persistence_ids_index_name: String,
    /// `aws-api-limits`.
    pub limits: ApiLimits,

    /// The region. Default `us-east-1`, the only one that Pekko's plugin knows.
    pub region: String,
    /// Who we are.
    pub credentials: Credentials,
    /// What a replay does about numbers without an event. Default [`Holes::Refuse`].
    pub holes: Holes,
    /// How often and how fast a request is repeated. Default: 10 retries, from 10 ms up to 1 s.
    pub retry: RetryPolicy,
    /// How long one attempt of a request may take. Default 10 s.
    pub request_timeout: Duration,
    /// How long making a connection may take. Default 3 s.
    pub connect_timeout: Duration,
    /// The most requests in flight at a time; throttling lowers it for a while. Default 256.
    pub requests_max: usize,
}

/// `aws-api-limits`: how much one request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// Keys in one `BatchGetItem`. Default 100.
    pub max_batch_get: usize,
    /// Items in one `BatchWriteItem`. Default 25.
    pub max_batch_write: usize,
    /// The largest item, in bytes. Default 400,000.
    pub max_item_size: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self { max_batch_get: 100, max_batch_write: 25, max_item_size: 400_000 }
    }
}

/// What a replay does about numbers without an event. Pekko's plugin leaves such holes where an event
/// was rejected, and where it crashed in the middle of a `persistAll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Holes {
    /// The replay fails as `Corrupt`: annals itself leaves no hole.
    #[default]
    Refuse,
    /// The replay goes on behind it, as Pekko's does, and counts it.
    Skip,
}

/// Who we are. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// The SDK's default chain: environment, profiles, web identity, containers, instances.
    #[default]
    Chain,
    /// A key that never expires.
    Static {
        /// `aws-access-key-id`.
        access_key_id: String,
        /// `aws-secret-access-key`.
        secret_access_key: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "Chain",
            Self::Static { .. } => "Static(…)",
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            journal_table: "pekko-persistence".to_owned(),
            snapshot_table: "pekko-persistence-snapshot".to_owned(),
            journal_name: "journal".to_owned(),
            sequence_shards: 10,
            replay_parallelism: 10,
            persistence_ids_index_name: "persistence-ids-idx".to_owned(),
            limits: ApiLimits::default(),
            region: "us-east-1".to_owned(),
            credentials: Credentials::default(),
            holes: Holes::default(),
            retry: RetryPolicy {
                first: Duration::from_millis(10),
                max: Duration::from_secs(1),
                retries_max: 10,
            },
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            requests_max: 256,
        }
    }
}

impl Settings {
    /// Checks what has a range.
    pub(crate) fn check(&self) -> Result<()> {
        let positive = [
            ("sequence-shards", self.sequence_shards == 0),
            ("replay-parallelism", self.replay_parallelism == 0),
            ("aws-api-limits.max-batch-get", self.limits.max_batch_get == 0),
            ("aws-api-limits.max-batch-write", self.limits.max_batch_write == 0),
            ("requests-max", self.requests_max == 0),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::invalid(format!("setting {name} is 0: it must be at least 1")));
        }
        let texts = [
            ("journal-table", &self.journal_table),
            ("snapshot-table", &self.snapshot_table),
            ("journal-name", &self.journal_name),
        ];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.is_empty()) {
            return Err(Error::invalid(format!("setting {name} is empty")));
        }
        Ok(())
    }
}
