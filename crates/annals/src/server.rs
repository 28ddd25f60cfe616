//! Stores on Cassandra: their URLs, and their tables.

use std::path::Path;

use annals_cassandra::CassandraStore;
use annals_core::{Error, Result};
use annals_pekko::config::{CassandraSections, Config, KeyState, StoreSections};

use crate::url::StoreUrl;

/// The tables of a store on Cassandra, which can be looked at before it can be opened.
#[derive(Debug)]
pub struct Schema {
    cassandra: annals_cassandra::CassandraBuilder,
}

impl Schema {
    /// The tables of the store at `url`.
    ///
    /// # Errors
    /// `Invalid` for a malformed URL, `Unsupported` for a store without tables, or one that this build
    /// does not have.
    pub fn of(url: &str) -> Result<Self> {
        let url = StoreUrl::parse(url)?;
        match url.scheme {
            "cassandra" => Ok(Self { cassandra: cassandra(url)? }),
            scheme => Err(Error::unsupported(format!(
                "{scheme}: stores have no tables that could be made or compared in this build"
            ))),
        }
    }

    /// The tables of the store that a service's `application.conf` names; `None` if it is of another kind.
    ///
    /// # Errors
    /// As [`open_config`](crate::open_config).
    pub fn of_config(path: impl AsRef<Path>) -> Result<Option<Self>> {
        match Config::load(path)?.store()? {
            StoreSections::Cassandra(sections) => {
                Ok(Some(Self { cassandra: cassandra_of_config(&sections)? }))
            }
            _ => Ok(None),
        }
    }

    /// The statements that make everything; nothing is run.
    ///
    /// # Errors
    /// `Invalid` where the settings do not say enough.
    pub fn statements(&self) -> Result<Vec<String>> {
        self.cassandra.schema()
    }

    /// What is missing, in words; empty if nothing is.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn missing(&self) -> Result<Vec<String>> {
        let report = self.cassandra.check_schema().await?;
        Ok([report.missing, report.missing_additions].concat())
    }

    /// Makes what is missing; gives the statements that were run.
    ///
    /// # Errors
    /// `Invalid` where the server refuses one; `Unavailable`, `OutcomeUnknown` (repeat it).
    pub async fn create(&self) -> Result<Vec<String>> {
        self.cassandra.create_schema().await
    }
}

/// The store at a `cassandra:` URL, every parameter of which takes effect.
pub(crate) fn cassandra(url: StoreUrl<'_>) -> Result<annals_cassandra::CassandraBuilder> {
    let (builder, reports) = crate::cassandra_settings::of_url(url)?;
    for report in reports {
        let key = report.key;
        match report.state {
            KeyState::Honoured => {}
            KeyState::NotHonoured(why) => {
                return Err(Error::invalid(format!("{key} would have no effect: {why}")));
            }
            KeyState::Unknown => {
                return Err(Error::invalid(format!(
                    "cassandra: stores have no setting named {key}"
                )));
            }
        }
    }
    Ok(builder)
}

/// The store of a configuration's sections.
pub(crate) fn cassandra_of_config(
    sections: &CassandraSections,
) -> Result<annals_cassandra::CassandraBuilder> {
    let (settings, _) = crate::cassandra_settings::of_config(sections)?;
    Ok(CassandraStore::builder(Vec::<String>::new()).settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_tables_says_so() {
        let error = Schema::of("memory:").unwrap_err();
        assert!(error.message().contains("memory: stores have no tables"), "{error}");
    }

    #[test]
    fn urls_of_cassandra_name_nodes_and_settings() {
        let builder = |url| cassandra(StoreUrl::parse(url).unwrap()).map(|_| ());
        let error = |url| builder(url).unwrap_err().message().to_owned();
        builder("cassandra://a:9042,b:9042?journal.keyspace=ks&fencing=off").unwrap();
        assert!(error("cassandra:").contains("names no node"));
        assert!(error("cassandra://a:1?journal.keyspces=x").contains("journal.keyspces"));
        assert!(error("cassandra://a:1?read-profile=x").contains("would have no effect"));
        assert!(error("cassandra://a:1?fencing=maybe").contains("lwt"));
    }
}
