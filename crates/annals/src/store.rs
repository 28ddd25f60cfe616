//! Opening a store by URL, and what can be built on it.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use annals_core::{Codec, Error, Result};
#[cfg(feature = "embedded")]
use annals_embedded::EmbeddedStore;
use annals_entity::{Components, EntitiesBuilder, EventSourced};
use annals_memory::MemoryStore;
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
use annals_pekko::config::{Config, KeyReport, StoreSections};
use annals_query::{Projection, Query, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::event_codec;
use crate::environment::System;
use crate::url::StoreUrl;

/// A store: the four contracts ([`annals_core::Store`]), with what is built on them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    contracts: annals_core::Store,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<EmbeddedStore>>,
    #[cfg(feature = "dynamodb")]
    dynamodb: Option<Arc<annals_dynamodb::DynamoDb>>,
    #[cfg(feature = "cassandra")]
    cassandra: Option<annals_cassandra::CassandraStore>,
}

impl Store {
    /// A region of the entities of `B`, in the environment of a real program ([`System`]), whose
    /// events are stored as JSON ([`event_codec`]); [`Store::entities_as`] takes another codec.
    pub fn entities<B>(&self) -> EntitiesBuilder<B>
    where
        B: EventSourced,
        B::Event: Serialize + DeserializeOwned,
    {
        self.entities_as(event_codec::<B>())
    }

    /// A region of the entities of `B`, whose events `codec` writes and reads.
    pub fn entities_as<B: EventSourced>(
        &self,
        codec: Arc<dyn Codec<B::Event>>,
    ) -> EntitiesBuilder<B> {
        let system = Arc::new(System::new());
        let components = Components { clock: system.clone(), ids: system.clone(), sleep: system };
        EntitiesBuilder::new(self.contracts.clone(), codec, components)
    }

    /// Queries across entities: by tag, by slices, all events, all ids.
    pub fn query(&self) -> Query {
        Query::new(self.contracts.read_journal.clone())
    }

    /// The projection `name` of the events of `source`, in the environment of a real program
    /// ([`System`]); see [`annals_query`](crate::query).
    pub fn projection(&self, name: impl Into<String>, source: Source) -> Projection {
        let system = Arc::new(System::new());
        let components =
            annals_query::Components { clock: system.clone(), ids: system.clone(), sleep: system };
        Projection::new(name, source, self.contracts.clone(), components)
    }

    /// The embedded store, if it is one: its counters, and [`EmbeddedStore::verify`].
    #[cfg(feature = "embedded")]
    pub fn embedded(&self) -> Option<&Arc<EmbeddedStore>> {
        self.embedded.as_ref()
    }

    /// The DynamoDB store, if it is one: its tables ([`DynamoDb::check_schema`] and so on).
    ///
    /// [`DynamoDb::check_schema`]: annals_dynamodb::DynamoDb::check_schema
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(&self) -> Option<&Arc<annals_dynamodb::DynamoDb>> {
        self.dynamodb.as_ref()
    }

    /// The store on Cassandra, if it is one: its tables, and its tools.
    #[cfg(feature = "cassandra")]
    pub fn cassandra(&self) -> Option<&annals_cassandra::CassandraStore> {
        self.cassandra.as_ref()
    }

    /// The contracts alone.
    pub fn into_contracts(self) -> annals_core::Store {
        self.contracts
    }
}

impl From<annals_core::Store> for Store {
    /// A store of any implementation, also one that [`open`] does not know.
    fn from(contracts: annals_core::Store) -> Self {
        Self {
            contracts,
            #[cfg(feature = "embedded")]
            embedded: None,
            #[cfg(feature = "dynamodb")]
            dynamodb: None,
            #[cfg(feature = "cassandra")]
            cassandra: None,
        }
    }
}

impl Deref for Store {
    type Target = annals_core::Store;

    fn deref(&self) -> &Self::Target {
        &self.contracts
    }
}

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadWrite,
    ReadOnly,
}

/// Opens the store at `url` for reading and writing, and creates it if nothing is there yet.
///
/// # Errors
/// `Invalid` for a malformed URL or an unknown setting, `Unsupported` for a store that this build does
/// not have; otherwise what the store answers (an embedded one: `Unavailable` while another process
/// has it open, `Corrupt` if it is damaged).
pub async fn open(url: &str) -> Result<Store> {
    open_as(url, Access::ReadWrite).await
}

/// Opens the store at `url` for reading, and never creates one: an embedded store also beside the
/// process that writes to it, whose acknowledged events are seen at once.
///
/// # Errors
/// As [`open`]; `Invalid` if nothing is there.
pub async fn open_read_only(url: &str) -> Result<Store> {
    open_as(url, Access::ReadOnly).await
}

async fn open_as(url: &str, access: Access) -> Result<Store> {
    let url = StoreUrl::parse(url)?;
    match url.scheme {
        "memory" => memory(&url, access).map(Store::from),
        "embedded" => embedded(url, access).await,
        // On the heap: the futures of the SDK are large.
        "dynamodb" => Box::pin(dynamodb(url)).await,
        "cassandra" => Box::pin(cassandra(url, access)).await,
        scheme => Err(Error::invalid(format!(
            "{scheme}: is no kind of store: expected memory:, embedded:PATH, dynamodb://HOST:PORT or \
             cassandra://HOST:PORT"
        ))),
    }
}

#[cfg(feature = "cassandra")]
async fn cassandra(url: StoreUrl<'_>, access: Access) -> Result<Store> {
    open_cassandra(crate::server::cassandra(url)?, access).await
}

#[cfg(feature = "cassandra")]
async fn open_cassandra(
    builder: annals_cassandra::CassandraBuilder,
    access: Access,
) -> Result<Store> {
    let store = match access {
        Access::ReadWrite => builder.open().await?,
        Access::ReadOnly => builder.open_read_only().await?,
    };
    let contracts = store.store();
    Ok(Store { cassandra: Some(store), ..Store::from(contracts) })
}

#[cfg(not(feature = "cassandra"))]
async fn cassandra(_: StoreUrl<'_>, _: Access) -> Result<Store> {
    Err(Error::unsupported(
        "cassandra: stores need the feature `cassandra` of annals, which this program was built without",
    ))
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(url: StoreUrl<'_>) -> Result<Store> {
    let (settings, reports) = crate::dynamodb_settings::of_url(url)?;
    let unknown =
        reports.iter().filter(|report| report.state == annals_pekko::config::KeyState::Unknown);
    let unknown: Vec<&str> = unknown.map(|report| report.key.as_str()).collect();
    if !unknown.is_empty() {
        let message = format!("dynamodb: stores have no setting named {}", unknown.join(", "));
        return Err(Error::invalid(message));
    }
    open_dynamodb(settings).await
}

#[cfg(feature = "dynamodb")]
async fn open_dynamodb(settings: annals_dynamodb::Settings) -> Result<Store> {
    let store = annals_dynamodb::DynamoDb::builder().settings(settings).open().await?;
    let contracts = store.store();
    Ok(Store { dynamodb: Some(store), ..Store::from(contracts) })
}

#[cfg(not(feature = "dynamodb"))]
async fn dynamodb(_: StoreUrl<'_>) -> Result<Store> {
    Err(Error::unsupported(
        "dynamodb: stores need the feature `dynamodb` of annals, which this program was built without",
    ))
}

/// Opens the store that a service's `application.conf` names (`pekko.persistence.journal.plugin`), as
/// Pekko's plugin would. What the file sets and does not take effect is told by [`check_config`].
///
/// # Errors
/// `Invalid` if the file cannot be read, names no journal, or holds values of the wrong kind; `Unsupported`
/// for other plugins, and for stores that this build does not have.
pub async fn open_config(path: impl AsRef<Path>) -> Result<Store> {
    open_config_as(path.as_ref(), Access::ReadWrite).await
}

/// Opens the store that a service's `application.conf` names for reading; nothing is made or repaired.
///
/// # Errors
/// As [`open_config`].
pub async fn open_config_read_only(path: impl AsRef<Path>) -> Result<Store> {
    open_config_as(path.as_ref(), Access::ReadOnly).await
}

async fn open_config_as(path: &Path, access: Access) -> Result<Store> {
    Box::pin(opened_config(path, access))
        .await
        .map_err(|error| error.context(format_args!("the configuration {}", path.display())))
}

#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
async fn opened_config(path: &Path, access: Access) -> Result<Store> {
    let config = Config::load(path)?;
    match config.store()? {
        #[cfg(feature = "dynamodb")]
        StoreSections::DynamoDb(sections) => {
            let (settings, _) = crate::dynamodb_settings::of_config(&config, &sections)?;
            // A store on DynamoDB makes nothing when it is opened.
            let _ = access;
            open_dynamodb(settings).await
        }
        #[cfg(feature = "cassandra")]
        StoreSections::Cassandra(sections) => {
            open_cassandra(crate::server::cassandra_of_config(&sections)?, access).await
        }
        other => Err(not_in_this_build(&other)),
    }
}

#[cfg(not(any(feature = "cassandra", feature = "dynamodb")))]
async fn opened_config(_: &Path, _: Access) -> Result<Store> {
    Err(Error::unsupported(
        "a configuration names a server's store, which needs the feature `cassandra` or `dynamodb` of annals",
    ))
}

#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
fn not_in_this_build(sections: &StoreSections) -> Error {
    let feature = match sections {
        StoreSections::DynamoDb(_) => "dynamodb",
        StoreSections::Cassandra(_) => "cassandra",
        _ => return Error::unsupported("it names a store that annals does not have"),
    };
    Error::unsupported(format!(
        "it names a {feature}: store, which needs the feature `{feature}` of annals"
    ))
}

/// What becomes of each setting of a store's URL; secrets are left out.
///
/// # Errors
/// As [`open`], without opening anything.
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
pub fn check_url(url: &str) -> Result<Vec<KeyReport>> {
    let url = StoreUrl::parse(url)?;
    match url.scheme {
        #[cfg(feature = "dynamodb")]
        "dynamodb" => Ok(crate::dynamodb_settings::of_url(url)?.1),
        #[cfg(feature = "cassandra")]
        "cassandra" => Ok(crate::cassandra_settings::of_url(url)?.1),
        scheme => Err(Error::unsupported(format!("{scheme}: stores have no settings of a server"))),
    }
}

/// What becomes of each key in the sections of the store that a configuration names; secrets are left out.
///
/// # Errors
/// As [`open_config`], without opening anything.
#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
pub fn check_config(path: impl AsRef<Path>) -> Result<Vec<KeyReport>> {
    let config = Config::load(path)?;
    match config.store()? {
        #[cfg(feature = "dynamodb")]
        StoreSections::DynamoDb(sections) => {
            Ok(crate::dynamodb_settings::of_config(&config, &sections)?.1)
        }
        #[cfg(feature = "cassandra")]
        StoreSections::Cassandra(sections) => {
            Ok(crate::cassandra_settings::of_config(&sections)?.1)
        }
        other => Err(not_in_this_build(&other)),
    }
}

fn memory(url: &StoreUrl<'_>, access: Access) -> Result<annals_core::Store> {
    url.finish()?;
    if !url.place.is_empty() {
        let message = format!("memory: stores have no place, but the URL names {:?}", url.place);
        return Err(Error::invalid(message));
    }
    match access {
        Access::ReadWrite => Ok(MemoryStore::new().store()),
        Access::ReadOnly => Err(Error::unsupported(
            "a memory: store begins empty and nobody else can write to it, so there is nothing to \
             open read-only",
        )),
    }
}

#[cfg(feature = "embedded")]
async fn embedded(mut url: StoreUrl<'_>, access: Access) -> Result<Store> {
    let mut settings = annals_embedded::Settings::default();
    if let Some(segment_bytes) = url.take_parsed("segment-bytes")? {
        settings = settings.with_segment_bytes(segment_bytes);
    }
    if let Some(direct) = url.take_parsed("direct")? {
        settings = settings.with_direct(direct);
    }
    url.finish()?;
    if url.place.is_empty() {
        return Err(Error::invalid("embedded: names no directory: expected embedded:PATH"));
    }
    let builder = EmbeddedStore::builder(url.place).settings(settings);
    // Recovery reads the log: not a thing to do on a thread that serves others.
    let opened = tokio::task::spawn_blocking(move || match access {
        Access::ReadWrite => builder.open(),
        Access::ReadOnly => builder.open_read_only(),
    });
    let store = opened
        .await
        .map_err(|error| Error::internal("opening the store panicked").with_source(error))??;
    let contracts = store.store();
    Ok(Store { embedded: Some(store), ..Store::from(contracts) })
}

#[cfg(not(feature = "embedded"))]
async fn embedded(url: StoreUrl<'_>, _: Access) -> Result<Store> {
    Err(Error::unsupported(format!(
        "embedded:{} cannot be opened: annals was built without its feature `embedded`",
        url.place
    )))
}
