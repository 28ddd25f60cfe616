//! Which store a configuration names, and the sections that say how it is set.

use std::sync::Mutex;

use annals_core::{Error, Result};

use super::Config;
use super::node::Node;
use super::section::{Section, Tree};

/// The sections of the store that a configuration names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreSections {
    /// Pekko's (or Akka's) DynamoDB plugin.
    DynamoDb(DynamoDbSections),
    /// Pekko's (or Akka's) Cassandra plugin.
    Cassandra(CassandraSections),
}

/// The settings of the DynamoDB plugin.
#[derive(Debug, Clone)]
pub struct DynamoDbSections {
    /// The journal (`dynamodb-journal` or a copy of it), over `journal-plugin-fallback`.
    pub journal: Section,
    /// The snapshot store (`dynamodb-snapshot-store` or a copy), over `snapshot-store-plugin-fallback`.
    /// `None` if the configuration names none.
    pub snapshot_store: Option<Section>,
    /// The read journal (`dynamodb-read-journal`, or the one copy of it under another name).
    pub read_journal: Section,
}

/// The settings of the Cassandra plugin.
#[derive(Debug, Clone)]
pub struct CassandraSections {
    /// All of the plugin (`pekko.persistence.cassandra` or a copy of it): `journal.keyspace`,
    /// `query.refresh-interval` …; its `journal` is over `journal-plugin-fallback`, its `snapshot` over
    /// `snapshot-store-plugin-fallback`.
    pub plugin: Section,
    /// Whether the configuration names a snapshot store.
    pub has_snapshot_store: bool,
    /// The driver (`datastax-java-driver`, or what `datastax-java-driver-config` names).
    pub driver: Section,
}

/// What a plugin's class says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    DynamoDb,
    Cassandra,
}

impl Config {
    /// The store that `pekko.persistence.journal.plugin` and `….snapshot-store.plugin` name.
    ///
    /// # Errors
    /// `Invalid` if no journal is named, or there is no such section; `Unsupported` if it is another
    /// plugin's, or if the snapshots are in another store.
    pub fn store(&self) -> Result<StoreSections> {
        let named = |what: &str| {
            let keys = [self.flavour.root(), "persistence", what, "plugin"];
            self.values.get(keys).and_then(Node::as_text).filter(|id| !id.is_empty())
        };
        let Some(journal) = named("journal") else {
            return Err(Error::invalid(format!(
                "the configuration {} does not say which journal is meant: {}.persistence.journal.plugin is not set",
                self.name,
                self.flavour.root()
            )));
        };
        self.store_of(journal, named("snapshot-store"))
    }

    /// The store of the journal plugin `journal` and the snapshot store plugin `snapshots`, for
    /// configurations that set several.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_of(&self, journal: &str, snapshots: Option<&str>) -> Result<StoreSections> {
        let kind = self.kind(journal)?;
        if let Some(snapshots) = snapshots {
            let other = self.kind(snapshots)?;
            if other != kind {
                return Err(Error::unsupported(format!(
                    "the journal {journal} is in {kind:?} and the snapshot store {snapshots} in {other:?}: \
                     one store holds both here"
                )));
            }
        }
        match kind {
            Kind::DynamoDb => self.dynamodb(journal, snapshots).map(StoreSections::DynamoDb),
            Kind::Cassandra => self.cassandra(journal, snapshots).map(StoreSections::Cassandra),
        }
    }

    fn dynamodb(&self, journal: &str, snapshots: Option<&str>) -> Result<DynamoDbSections> {
        let journal_defaults = "dynamodb-journal";
        let read_journal = self.read_journal();
        Ok(DynamoDbSections {
            journal: self.plugin(journal, journal_defaults, Some("journal-plugin-fallback"))?,
            snapshot_store: snapshots
                .map(|id| {
                    let fallback = Some("snapshot-store-plugin-fallback");
                    self.plugin(id, "dynamodb-snapshot-store", fallback)
                })
                .transpose()?,
            read_journal: self.plugin(read_journal, READ_JOURNAL, None)?,
        })
    }

    /// No setting names the read journal, code does: the one copy of its section, if there is one.
    fn read_journal(&self) -> &str {
        let Node::Object(root) = &self.values else { return READ_JOURNAL };
        let mut copies = root.iter().filter(|(name, section)| {
            let class = section.get(["class"]).and_then(Node::as_text);
            *name != READ_JOURNAL
                && class.is_some_and(|class| class.ends_with(".DynamoDBReadJournalProvider"))
        });
        match (copies.next(), copies.next()) {
            (Some((name, _)), None) => name,
            _ => READ_JOURNAL,
        }
    }

    fn cassandra(&self, journal: &str, snapshots: Option<&str>) -> Result<CassandraSections> {
        let path = parent(journal)?;
        let defaults_path = format!("{}.persistence.cassandra", self.flavour.root());
        let mut values = self.at(path)?.clone();
        if let Some(snapshots) = snapshots
            && parent(snapshots)? != path
        {
            let other = self.at(parent(snapshots)?)?;
            if driver_path(other) != driver_path(&values) {
                return Err(Error::unsupported(format!(
                    "{journal} and {snapshots} are on different clusters: one store holds both here"
                )));
            }
            let snapshot = self.at(snapshots)?.clone();
            values = nested("snapshot", snapshot).over(values);
        }
        let mut defaults =
            self.defaults.get(defaults_path.split('.')).cloned().unwrap_or(Node::EMPTY);
        for (key, fallback) in
            [("journal", "journal-plugin-fallback"), ("snapshot", "snapshot-store-plugin-fallback")]
        {
            values = values.over(nested(key, self.fallback(&self.values, fallback)));
            defaults = defaults.over(nested(key, self.fallback(&self.defaults, fallback)));
        }
        let driver_path = driver_path(&values).to_owned();
        let driver_values = self.at(&driver_path)?.clone();
        let driver_defaults = self.defaults.get([DRIVER]).cloned().unwrap_or(Node::EMPTY);
        Ok(CassandraSections {
            plugin: Section::new(path, values, defaults),
            has_snapshot_store: snapshots.is_some(),
            driver: Section::of(Tree {
                values: driver_values.over(driver_defaults.clone()),
                defaults: driver_defaults,
                others: Some("the driver here has no such setting"),
                path: driver_path,
                remembered: Mutex::default(),
            }),
        })
    }

    /// The section of plugin `id`, a copy of the defaults at `of`, over what applies to all plugins.
    fn plugin(&self, id: &str, of: &str, fallback: Option<&str>) -> Result<Section> {
        let mut values = self.at(id)?.clone();
        let mut defaults = self.defaults.get(of.split('.')).cloned().unwrap_or(Node::EMPTY);
        if let Some(fallback) = fallback {
            values = values.over(self.fallback(&self.values, fallback));
            defaults = defaults.over(self.fallback(&self.defaults, fallback));
        }
        Ok(Section::new(id, values, defaults))
    }

    fn fallback(&self, values: &Node, name: &str) -> Node {
        let keys = [self.flavour.root(), "persistence", name];
        values.get(keys).cloned().unwrap_or(Node::EMPTY)
    }

    fn kind(&self, id: &str) -> Result<Kind> {
        let section = self.at(id)?;
        let class = section.get(["class"]).and_then(Node::as_text).unwrap_or_default();
        match class.rsplit_once('.').map_or(class, |(_, name)| name) {
            "DynamoDBJournal" | "DynamoDBSnapshotStore" => Ok(Kind::DynamoDb),
            "CassandraJournal" | "CassandraSnapshotStore" => Ok(Kind::Cassandra),
            _ => Err(Error::unsupported(format!(
                "the plugin {id} is of class {class:?}; the stores that can be opened are those of \
                 pekko-persistence-dynamodb and pekko-persistence-cassandra"
            ))),
        }
    }

    fn at(&self, path: &str) -> Result<&Node> {
        match self.values.get(path.split('.')) {
            Some(node @ Node::Object(_)) => Ok(node),
            Some(Node::Unresolved) => Err(Error::invalid(format!(
                "the section {path} of the configuration {} holds a substitution that nothing resolves",
                self.name
            ))),
            _ => Err(Error::invalid(format!(
                "the configuration {} has no section {path}",
                self.name
            ))),
        }
    }
}

const READ_JOURNAL: &str = "dynamodb-read-journal";
const DRIVER: &str = "datastax-java-driver";

fn driver_path(plugin: &Node) -> &str {
    plugin.get(["datastax-java-driver-config"]).and_then(Node::as_text).unwrap_or(DRIVER)
}

fn nested(key: &str, node: Node) -> Node {
    Node::Object([(key.to_owned(), node)].into())
}

/// The section that holds all of a Cassandra plugin: its id names the journal or the snapshots in it.
fn parent(id: &str) -> Result<&str> {
    id.rsplit_once('.').map(|(parent, _)| parent).ok_or_else(|| {
        Error::invalid(format!("the plugin {id} of Cassandra stands in no section of its own"))
    })
}
