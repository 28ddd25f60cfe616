//! How a store is reached and laid out: data, with the names and defaults of Pekko's `reference.conf`.

use std::fmt;
use std::time::Duration;

use annals_core::{Error, Result, RetryPolicy};
use annals_pekko::ManifestNames;

/// Settings of a DynamoDB store. The first group has the names of `dynamodb-journal` and its sister
/// sections, dots and dashes as underscores; the second is ours.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How the server is reached.
    pub client: ClientSettings,
    /// How the server of the snapshots is reached. Default: as the journal's.
    pub snapshot_client: Option<ClientSettings>,
    /// The table of events and marks. Default `pekko-persistence`.
    pub journal_table: String,
    /// The table of snapshots. Default `pekko-persistence-snapshot`.
    pub snapshot_table: String,
    /// What every key begins with. Default `journal`. Part of the stored format.
    pub journal_name: String,
    /// What the keys of snapshots begin with. Default: the journal's name, as with Pekko.
    pub snapshot_journal_name: Option<String>,
    /// Over how many items the marks of an entity are spread. Default 10. May be raised, never lowered.
    pub sequence_shards: u32,
    /// How many partitions a replay reads at a time. Default 10.
    pub replay_parallelism: usize,
    /// The index that lists persistence ids. Default `persistence-ids-idx`.
    pub persistence_ids_index_name: String,
    /// `log-config`: whether opening the store logs the settings, at the level info. Default no.
    pub log_config: bool,
    /// `auto-migrate-manifest` of Pekko's snapshot stores, for snapshots in the old format.
    pub manifest_names: ManifestNames,

    /// The table of projections' offsets, which Pekko does not have. Default `annals-offsets`.
    pub offset_table: String,
    /// How ids are listed. Default [`IdListing::Auto`].
    pub ids: IdListing,
    /// How soon readers that wait look again, after something was found. Default 100 ms.
    pub poll_first: Duration,
    /// How long they wait at most. Default 3 s.
    pub poll_max: Duration,
    /// What a replay does about numbers without an event. Default [`Holes::Refuse`].
    pub holes: Holes,
    /// Whether an append also checks that nobody deleted its numbers, so that a writer that slept through
    /// a delete *by Pekko* meets a `Conflict`: Pekko removes the keys of deleted events, which annals
    /// keeps. It makes each append one transaction that looks at all low marks: as many requests, but
    /// `2 + 2 × sequence-shards` write units for an event of up to 1 KB, where a plain put takes one.
    /// Default no.
    pub check_deletes: bool,
}

/// How a server is reached, by whom, and how patiently: what Pekko's sections for events and for
/// snapshots each have. The names are those of `aws-client-config` and its neighbours where they exist.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClientSettings {
    /// Where the server is, as a URL; `None` is AWS's own endpoint of the region.
    pub endpoint: Option<String>,
    /// The region. Default `us-east-1`, the only one that Pekko's plugin knows.
    pub region: String,
    /// Who we are.
    pub credentials: Credentials,
    /// `aws-api-limits`.
    pub limits: ApiLimits,
    /// How often and how fast a request is repeated. Default: 10 retries, from 10 ms up to 1 s.
    pub retry: RetryPolicy,
    /// How long one attempt of a request may take. Default 10 s.
    pub request_timeout: Duration,
    /// How long all attempts of a request together may take, waiting included. Default 60 s.
    pub operation_timeout: Duration,
    /// How long nothing may come of an answer. Default 10 s.
    pub socket_timeout: Duration,
    /// After how long an idle connection is closed. Default 60 s.
    pub idle_timeout: Duration,
    /// Whether an endpoint without a scheme is spoken to in plain HTTP. Default no.
    pub plain_http: bool,
    /// The proxy that requests go through. Default: the one that the environment names (`HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY`, but for hosts in `NO_PROXY`), unless the endpoint is this machine.
    pub proxy: Proxy,
    /// What the user agent of requests names beside the SDK; letters and digits. Default nothing.
    pub user_agent: String,
    /// How long making a connection may take. Default 3 s.
    pub connect_timeout: Duration,
    /// The most requests in flight at a time; throttling lowers it for a while. Default 256.
    pub requests_max: usize,
}

/// The most shards that an append can check: half of the items of a transaction.
const CHECKED_SHARDS_MAX: u32 = 50;

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

/// How ids are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IdListing {
    /// By the index, if there is one; otherwise by a scan.
    #[default]
    Auto,
    /// By a scan of the whole table, which also finds ids whose events Pekko deleted.
    Scan,
}

/// A proxy that speaks HTTP. Its password is never printed.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Proxy {
    /// Where it is; empty without one.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who asks it, if it wants to know.
    pub username: String,
    /// With which password.
    pub password: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.is_empty() {
            return f.write_str("None");
        }
        let user = if self.username.is_empty() { "" } else { "…@" };
        write!(f, "{user}{}:{}", self.host, self.port)
    }
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
            client: ClientSettings::default(),
            snapshot_client: None,
            journal_table: "pekko-persistence".to_owned(),
            snapshot_table: "pekko-persistence-snapshot".to_owned(),
            journal_name: "journal".to_owned(),
            snapshot_journal_name: None,
            sequence_shards: 10,
            replay_parallelism: 10,
            persistence_ids_index_name: "persistence-ids-idx".to_owned(),
            log_config: false,
            manifest_names: ManifestNames::default(),
            offset_table: "annals-offsets".to_owned(),
            ids: IdListing::default(),
            poll_first: Duration::from_millis(100),
            poll_max: Duration::from_secs(3),
            holes: Holes::default(),
            check_deletes: false,
        }
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            credentials: Credentials::default(),
            limits: ApiLimits::default(),
            retry: RetryPolicy {
                first: Duration::from_millis(10),
                max: Duration::from_secs(1),
                retries_max: 10,
            },
            request_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(60),
            socket_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            plain_http: false,
            proxy: Proxy::default(),
            user_agent: String::new(),
            connect_timeout: Duration::from_secs(3),
            requests_max: 256,
        }
    }
}

impl Settings {
    /// Forgets that the snapshots are reached as the journal is: as Pekko's sections do, each of which stands
    /// for itself. What is set of the snapshots then begins at the defaults, in the journal's region.
    pub fn separate_snapshots(&mut self) {
        let region = self.client.region.clone();
        self.snapshot_client = Some(ClientSettings { region, ..ClientSettings::default() });
    }

    /// How the server of the snapshots is reached.
    pub(crate) fn snapshots(&self) -> &ClientSettings {
        self.snapshot_client.as_ref().unwrap_or(&self.client)
    }

    /// Checks what has a range.
    pub(crate) fn check(&self) -> Result<()> {
        let positive = [
            ("sequence-shards", self.sequence_shards == 0),
            ("replay-parallelism", self.replay_parallelism == 0),
        ];
        not_zero(&positive)?;
        if self.check_deletes && self.sequence_shards > CHECKED_SHARDS_MAX {
            return Err(Error::invalid(format!(
                "setting check-deletes goes with up to {CHECKED_SHARDS_MAX} sequence-shards, since each append \
                 looks at all of them in one transaction; there are {}",
                self.sequence_shards
            )));
        }
        let texts = [
            ("journal-table", &self.journal_table),
            ("snapshot-table", &self.snapshot_table),
            ("offset-table", &self.offset_table),
            ("journal-name", &self.journal_name),
        ];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.is_empty()) {
            return Err(Error::invalid(format!("setting {name} is empty")));
        }
        self.client.check()?;
        match &self.snapshot_client {
            Some(client) => client.check().map_err(|error| error.context("of the snapshots")),
            None => Ok(()),
        }
    }
}

impl ClientSettings {
    /// Where requests go, if it is not AWS's own endpoint.
    pub(crate) fn endpoint_url(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        let scheme = if self.plain_http { "http" } else { "https" };
        match endpoint.contains("://") {
            true => Some(endpoint.clone()),
            false => Some(format!("{scheme}://{endpoint}")),
        }
    }

    fn check(&self) -> Result<()> {
        let positive = [
            ("aws-api-limits.max-batch-get", self.limits.max_batch_get == 0),
            ("aws-api-limits.max-batch-write", self.limits.max_batch_write == 0),
            ("requests-max", self.requests_max == 0),
        ];
        not_zero(&positive)?;
        if let Credentials::Static { access_key_id, secret_access_key } = &self.credentials
            && (access_key_id.is_empty() || secret_access_key.is_empty())
        {
            return Err(Error::invalid(
                "of aws-access-key-id and aws-secret-access-key one is set: set both, or neither for the SDK's \
                 default chain of credentials",
            ));
        }
        Ok(())
    }
}

fn not_zero(settings: &[(&str, bool)]) -> Result<()> {
    match settings.iter().find(|(_, is_zero)| *is_zero) {
        Some((name, _)) => {
            Err(Error::invalid(format!("setting {name} is 0: it must be at least 1")))
        }
        None => Ok(()),
    }
}
