//! Reading a service's `application.conf` as it is: HOCON, over the defaults of Pekko's plugins.
//!
//! ```text
//! application.conf ─┐
//!  its includes     ├─ resolved as one ─ which plugin? ─ its sections ─ typed keys, a report of each
//!  our defaults   ──┘
//! ```
//!
//! * Everything of HOCON that such files use: includes, `${a.b}`, `${?VARIABLE}`, merging, `+=`. The
//!   defaults are part of the resolution, so that `my-journal = ${dynamodb-journal} { … }` works.
//! * What the file says about other libraries is left alone, also where it refers to their defaults;
//!   only a key that is read must be resolved.
//! * Akka's names are read as well: `akka.persistence…`, with Akka's defaults.
//! * Secrets are in no `Debug`, error or report.
//!
//! A configuration is trusted as the program itself is: it can include any file, and substitutions can
//! unfold it to more than fits into memory. What would exhaust the stack is refused.
//!
//! ```
//! use annals_pekko::config::{Config, StoreSections};
//!
//! let config = Config::parse(r#"
//!     pekko.persistence.journal.plugin = "my-dynamodb-journal"
//!     pekko.persistence.snapshot-store.plugin = "my-dynamodb-snapshot-store"
//!     my-dynamodb-journal = ${dynamodb-journal} { journal-table = events, endpoint = ${?ENDPOINT} }
//!     my-dynamodb-snapshot-store = ${dynamodb-snapshot-store} { snapshot-table = states }
//! "#)?;
//! let StoreSections::DynamoDb(sections) = config.store()? else { panic!("it is DynamoDB") };
//! assert_eq!(sections.journal.get_str("journal-table")?, Some("events"));
//! assert_eq!(sections.journal.get_usize("sequence-shards")?, Some(10));
//! for key in sections.journal.report().iter().filter(|key| key.is_notable()) {
//!     eprintln!("{key}");
//! }
//! # Ok::<(), annals_core::Error>(())
//! ```

mod hocon;
mod limits;
mod node;
mod reference;
mod report;
mod secret;
mod section;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use annals_core::Result;

pub use report::{KeyReport, KeyState};
pub use secret::Secret;
pub use section::{Section, Span};
pub use store::{CassandraSections, DynamoDbSections, StoreSections};

use hocon::Source;
use node::Node;
use reference::{Flavour, defaults};

/// A service's configuration over the defaults of Pekko's plugins, or of Akka's.
pub struct Config {
    name: String,
    flavour: Flavour,
    values: Node,
    defaults: Node,
}

impl Config {
    /// The file at `path`, with the process's environment variables.
    ///
    /// # Errors
    /// `Invalid` if it cannot be read, is no HOCON, or is too large (1 MiB).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::of(&Source::file(path.as_ref())?)
    }

    /// The file at `path`, with `variables` for the environment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(path: impl AsRef<Path>, variables: HashMap<String, String>) -> Result<Self> {
        Self::of(&Source { environment: Some(variables), ..Source::file(path.as_ref())? })
    }

    /// The text `text`, without environment variables.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self> {
        Self::of(&Source {
            text: text.to_owned(),
            name: "text".to_owned(),
            directory: None,
            environment: Some(HashMap::new()),
        })
    }

    fn of(source: &Source) -> Result<Self> {
        let mut flavour = Flavour::Pekko;
        let mut values = source.resolve(&defaults(flavour))?;
        if Flavour::of(&values) == Flavour::Akka {
            flavour = Flavour::Akka;
            values = source.resolve(&defaults(flavour))?;
        }
        let none = Source {
            text: String::new(),
            name: "defaults".to_owned(),
            directory: None,
            environment: Some(HashMap::new()),
        };
        let defaults = none.resolve(&defaults(flavour))?;
        Ok(Self { name: source.name.clone(), flavour, values, defaults })
    }

    /// The section at `path`, keys with dots in quotes; `None` if there is none.
    pub fn section(&self, path: &str) -> Option<Section> {
        let keys = || path.split('.');
        let values = self.values.get(keys()).filter(|node| matches!(node, Node::Object(_)))?;
        let defaults = self.defaults.get(keys()).cloned().unwrap_or(Node::EMPTY);
        Some(Section::new(path, values.clone(), defaults))
    }

    /// What Pekko Persistence itself is set to: `pekko.persistence` (or `akka.persistence`).
    pub fn persistence(&self) -> Section {
        let path = format!("{}.persistence", self.flavour.root());
        self.section(&path).unwrap_or_else(|| Section::empty(&path))
    }
}

/// Names the file; its values may be secrets of anyone's.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("name", &self.name).finish_non_exhaustive()
    }
}
