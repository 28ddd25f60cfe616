//! Opening a store.

use std::sync::Arc;

use annals_core::{Error, Result};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    AppName, BehaviorVersion, Builder, Region, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};

use crate::client::{Client, ClockWatch, WatchClock};
use crate::settings::{Credentials, Holes, Proxy, Settings};
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
        self.settings.endpoint = Some(url.into());
        self
    }

    /// The same opening, in this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// The same opening, with this key instead of the SDK's default chain.
    #[must_use]
    pub fn static_credentials(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.credentials =
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
    /// `Invalid` for settings out of range; `Unsupported` for the default chain of credentials in a
    /// build without the feature `credentials-chain`.
    pub async fn open(self) -> Result<Arc<DynamoDb>> {
        self.settings.check()?;
        let http = match self.http_client {
            Some(http) => http,
            None => http(&self.settings)?,
        };
        if self.settings.log_config {
            tracing::info!(settings = ?self.settings, "a DynamoDB store is opened");
        }
        let provider = match self.credentials_provider {
            Some(provider) => provider,
            None => provider(&self.settings, &http).await?,
        };
        let clock = Arc::new(ClockWatch::default());
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.settings.region.clone()))
            .credentials_provider(provider)
            .http_client(http)
            .interceptor(WatchClock(clock.clone()))
            // The one place that retries is ours: a retry inside the SDK would hide that an earlier
            // attempt may have been stored.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(&self.settings))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.settings.endpoint_url());
        if !self.settings.user_agent.is_empty() {
            let name = AppName::new(self.settings.user_agent.clone()).map_err(|error| {
                let name = &self.settings.user_agent;
                Error::invalid(format!("setting user-agent: {name:?} is no name"))
                    .with_source(error)
            })?;
            config.set_app_name(Some(name));
        }
        let sdk = aws_sdk_dynamodb::Client::from_conf(config.build());
        let client = Client::new(sdk, clock, &self.settings);
        Ok(Arc::new(DynamoDb::new(client, self.settings)))
    }
}

/// The addresses that credentials of machines and containers come from, which no proxy knows.
const NEVER_PROXIED: &str = "169.254.169.254,169.254.170.2,localhost,127.0.0.1";

const TLS: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);

fn http(settings: &Settings) -> Result<SharedHttpClient> {
    let builder = aws_smithy_http_client::Builder::new().pool_idle_timeout(settings.idle_timeout);
    if settings.proxy.host.is_empty() {
        return Ok(builder.tls_provider(TLS).build_https());
    }
    let Proxy { host, port, username, password } = &settings.proxy;
    let mut proxy = ProxyConfig::all(format!("http://{host}:{port}")).map_err(|error| {
        Error::invalid("settings proxy-host and proxy-port name no proxy").with_source(error)
    })?;
    if !username.is_empty() {
        proxy = proxy.with_basic_auth(username.as_str(), password.as_str());
    }
    let proxy = proxy.no_proxy(NEVER_PROXIED);
    Ok(builder.build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(TLS).build()
    }))
}

fn timeouts(settings: &Settings) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.request_timeout)
        .read_timeout(settings.socket_timeout)
        .build()
}

async fn provider(
    settings: &Settings,
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
async fn chain(settings: &Settings, http: &SharedHttpClient) -> Result<SharedCredentialsProvider> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .http_client(http.clone())
        .load()
        .await;
    config.credentials_provider().ok_or_else(|| Error::invalid("the SDK has no credentials chain"))
}

#[cfg(not(feature = "credentials-chain"))]
async fn chain(_: &Settings, _: &SharedHttpClient) -> Result<SharedCredentialsProvider> {
    Err(Error::unsupported(
        "this build has no default chain of credentials: build it with the feature `credentials-chain` of \
         annals-dynamodb, or give a key or a provider",
    ))
}
