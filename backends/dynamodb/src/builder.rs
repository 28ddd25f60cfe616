//! Opening a store.

use std::sync::Arc;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    AppName, BehaviorVersion, Builder, Region, SharedCredentialsProvider, SharedHttpClient,
    SharedInterceptor, StalledStreamProtectionConfig,
};

use crate::client::{Client, ClockWatch, WatchClock};
use crate::http;
use crate::settings::{ClientSettings, Credentials, Holes, Settings};
use crate::store::DynamoDb;

/// Opens a store on DynamoDB. Nothing is asked of the server before the first operation.
#[derive(Debug, Default)]
pub struct DynamoDbBuilder {
    settings: Settings,
    credentials_provider: Option<SharedCredentialsProvider>,
    http_client: Option<SharedHttpClient>,
}

impl DynamoDbBuilder {
    /// The same opening with these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The same opening, on the server at this URL.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.client.endpoint = Some(url.into());
        self
    }

    /// The same opening, in this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.settings.client.region = region.into();
        self
    }

    /// The same opening, with this key instead of the SDK's default chain.
    #[must_use]
    pub fn static_credentials(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client.credentials =
            Credentials::Static { access_key_id: id.into(), secret_access_key: secret.into() };
        self
    }

    /// The same opening, with what this provider gives.
    #[must_use]
    pub fn credentials_provider(mut self, provider: SharedCredentialsProvider) -> Self {
        self.credentials_provider = Some(provider);
        self
    }

    /// The same opening, in this journal table and this snapshot table.
    #[must_use]
    pub fn tables(mut self, journal: impl Into<String>, snapshots: impl Into<String>) -> Self {
        self.settings.journal_table = journal.into();
        self.settings.snapshot_table = snapshots.into();
        self
    }

    /// The same opening, with keys that begin with `name`.
    #[must_use]
    pub fn journal_name(mut self, name: impl Into<String>) -> Self {
        self.settings.journal_name = name.into();
        self
    }

    /// The same opening, with holes refused or skipped.
    #[must_use]
    pub fn holes(mut self, holes: Holes) -> Self {
        self.settings.holes = holes;
        self
    }

    /// The same opening, over this HTTP client: for proxies, and for tests of lost replies.
    #[must_use]
    pub fn http_client(mut self, http_client: SharedHttpClient) -> Self {
        self.http_client = Some(http_client);
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// `Invalid` for settings out of range, and for a proxy of the environment that is none; `Unsupported`
    /// for the default chain of credentials in a build without the feature `credentials-chain`.
    pub async fn open(self) -> Result<Arc<DynamoDb>> {
        self.settings.check()?;
        if self.settings.log_config {
            tracing::info!(settings = ?self.settings, "a DynamoDB store is opened");
        }
        let events = Arc::new(self.client(&self.settings.client).await?);
        let snapshots = match &self.settings.snapshot_client {
            Some(settings) if *settings != self.settings.client => {
                let client = self.client(settings).await;
                Arc::new(client.map_err(|error| error.context("the server of the snapshots"))?)
            }
            _ => events.clone(),
        };
        Ok(Arc::new(DynamoDb::new(events, snapshots, self.settings)))
    }

    async fn client(&self, settings: &ClientSettings) -> Result<Client> {
        let http = match &self.http_client {
            Some(http) => http.clone(),
            None => http::client(settings)?,
        };
        let provider = match &self.credentials_provider {
            Some(provider) => provider.clone(),
            None => provider(settings, &http).await?,
        };
        let clock = Arc::new(ClockWatch::default());
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(provider)
            .http_client(http)
            // The one place that retries is ours: a retry inside the SDK would hide that an earlier
            // attempt may have been stored.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(settings))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // Permanent: the SDK need not look before each step of a request whether it was disabled.
        config.push_interceptor(SharedInterceptor::permanent(WatchClock(clock.clone())));
        config.set_endpoint_url(settings.endpoint_url());
        if !settings.user_agent.is_empty() {
            let name = AppName::new(settings.user_agent.clone()).map_err(|error| {
                let name = &settings.user_agent;
                Error::invalid(format!("setting user-agent: {name:?} is no name"))
                    .with_source(error)
            })?;
            config.set_app_name(Some(name));
        }
        let sdk = aws_sdk_dynamodb::Client::from_conf(config.build());
        Ok(Client::new(sdk, clock, settings))
    }
}

fn timeouts(settings: &ClientSettings) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.request_timeout)
        .read_timeout(settings.socket_timeout)
        .build()
}

async fn provider(
    settings: &ClientSettings,
    http: &SharedHttpClient,
) -> Result<SharedCredentialsProvider> {
    match &settings.credentials {
        Credentials::Static { access_key_id, secret_access_key } => {
            Ok(SharedCredentialsProvider::new(aws_sdk_dynamodb::config::Credentials::new(
                access_key_id,
                secret_access_key,
                None,
                None,
                "settings",
            )))
        }
        Credentials::Chain => chain(settings, http).await,
    }
}

#[cfg(feature = "credentials-chain")]
async fn chain(
    settings: &ClientSettings,
    http: &SharedHttpClient,
) -> Result<SharedCredentialsProvider> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .http_client(http.clone())
        .load()
        .await;
    config.credentials_provider().ok_or_else(|| Error::invalid("the SDK has no credentials chain"))
}

#[cfg(not(feature = "credentials-chain"))]
async fn chain(_: &ClientSettings, _: &SharedHttpClient) -> Result<SharedCredentialsProvider> {
    Err(Error::unsupported(
        "this build has no default chain of credentials: build it with the feature `credentials-chain` of \
         annals-dynamodb, or give a key or a provider",
    ))
}
