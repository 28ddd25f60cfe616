//! The defaults of Pekko's plugins, and of Akka's, which differ in names alone.

use super::node::Node;

const PERSISTENCE: &str = include_str!("reference/persistence.conf");
const DYNAMODB: &str = include_str!("reference/dynamodb.conf");
const CASSANDRA: &str = include_str!("reference/cassandra.conf");

/// Whose names a configuration uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Pekko,
    Akka,
}

impl Flavour {
    /// The one whose journal is named; Pekko's if both are, or none.
    pub(super) fn of(values: &Node) -> Self {
        let names = |flavour: Self| {
            let plugin = values.get([flavour.root(), "persistence", "journal", "plugin"]);
            plugin.is_some_and(|plugin| plugin.as_text() != Some(""))
        };
        if !names(Self::Pekko) && names(Self::Akka) { Self::Akka } else { Self::Pekko }
    }

    /// The key at the top that everything of it stands under.
    pub(super) fn root(self) -> &'static str {
        match self {
            Self::Pekko => "pekko",
            Self::Akka => "akka",
        }
    }
}

/// The defaults as text.
pub(super) fn defaults(flavour: Flavour) -> String {
    let pekko = [PERSISTENCE, DYNAMODB, CASSANDRA].concat();
    match flavour {
        Flavour::Pekko => pekko,
        // Keyspaces, tables, profiles and paths have Akka's name where they have Pekko's.
        Flavour::Akka => pekko.replace("org.apache.pekko", "akka").replace("pekko", "akka"),
    }
}
