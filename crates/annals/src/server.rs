//! Stores on Cassandra: their URLs, and their tables.

use annals_core::{Error, Result};

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

/// `cassandra://HOST:PORT[,HOST:PORT …][?KEY=VALUE …]`.
pub(crate) fn cassandra(mut url: StoreUrl<'_>) -> Result<annals_cassandra::CassandraBuilder> {
    use annals_cassandra::{CassandraSettings, CassandraStore, Taken};

    let nodes = url.place.strip_prefix("//").unwrap_or_default();
    let nodes: Vec<&str> = nodes.split(',').filter(|node| !node.is_empty()).collect();
    if nodes.is_empty() {
        return Err(Error::invalid("cassandra: names no node: expected cassandra://HOST:PORT"));
    }
    let mut settings = CassandraSettings::new();
    for (key, value) in url.take_all() {
        match settings.set(key, value)? {
            Taken::Honoured => {}
            Taken::Without(why) => {
                return Err(Error::invalid(format!("{key} would have no effect: {why}")));
            }
            Taken::Unknown => {
                return Err(Error::invalid(format!(
                    "cassandra: stores have no setting named {key}"
                )));
            }
        }
    }
    Ok(CassandraStore::builder(nodes).settings(settings))
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
