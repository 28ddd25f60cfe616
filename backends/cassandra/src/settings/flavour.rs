//! What servers that speak Cassandra's protocol do differently. Of others than Cassandra this is what their
//! documentation says: none of them was tested.
//!
//! | | ScyllaDB | Amazon Keyspaces |
//! | --- | --- | --- |
//! | fencing | as Cassandra | `off`: it has no conditional batches and no serial reads |
//! | consistency | as Cassandra | `local-quorum` alone |
//! | an append of several events | as Cassandra | a logged batch, since others are not atomic there |
//! | tables | without `unchecked_tombstone_compaction` | made by hand: they are there some time after the statement |

use annals_core::{Error, Result};

use super::{CassandraSettings, ConsistencyLevel, Fencing};

/// Statements of a batch, and bytes of a row and of a batch, that Keyspaces takes in any case: below its
/// quotas of 1 MB a row and 4 MB a batch, which count keys and columns in ways of their own.
const KEYSPACES_STATEMENTS_MAX: usize = 30;
const KEYSPACES_ROW_BYTES_MAX: usize = 900_000;
const KEYSPACES_BATCH_BYTES_MAX: usize = 3_500_000;

/// Whose servers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavour {
    /// Apache Cassandra. The default.
    #[default]
    Cassandra,
    /// ScyllaDB; not tested.
    Scylla,
    /// Amazon Keyspaces; not tested.
    Keyspaces,
}

impl Flavour {
    /// The name, as in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cassandra => "cassandra",
            Self::Scylla => "scylla",
            Self::Keyspaces => "keyspaces",
        }
    }

    /// The flavour `name`.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn of_name(name: &str) -> Result<Self> {
        let all = [Self::Cassandra, Self::Scylla, Self::Keyspaces];
        all.into_iter().find(|flavour| flavour.name() == name).ok_or_else(|| {
            Error::invalid(format!("flavour is cassandra, scylla or keyspaces, not {name:?}"))
        })
    }

    /// Refuses to make tables where that is not done when the statement is answered.
    pub(crate) fn check_creation(self) -> Result<()> {
        if self != Self::Keyspaces {
            return Ok(());
        }
        Err(Error::unsupported(
            "Amazon Keyspaces makes tables some time after it is told to: run the statements of `schema show` \
             there, and open the store when all tables are active",
        ))
    }

    /// Whether the servers know this option of a compaction strategy.
    pub(crate) fn has_compaction_option(self, option: &str) -> bool {
        self != Self::Scylla || option != "unchecked_tombstone_compaction"
    }

    /// The most events of an append, the most bytes of one, and of an event or a snapshot.
    pub(crate) fn limits(self) -> (usize, usize, usize) {
        match self {
            Self::Cassandra | Self::Scylla => (usize::MAX, usize::MAX, usize::MAX),
            Self::Keyspaces => {
                (KEYSPACES_STATEMENTS_MAX, KEYSPACES_BATCH_BYTES_MAX, KEYSPACES_ROW_BYTES_MAX)
            }
        }
    }
}

/// The settings as these servers take them.
///
/// # Errors
/// `Invalid` and `Unsupported` for what they refuse.
pub(crate) fn fitted(mut settings: CassandraSettings) -> Result<CassandraSettings> {
    if settings.flavour != Flavour::Keyspaces {
        return Ok(settings);
    }
    for (name, level) in [
        ("consistency", settings.consistency),
        ("snapshot.consistency", settings.snapshot.consistency),
    ] {
        if level != ConsistencyLevel::LocalQuorum {
            return Err(Error::invalid(format!(
                "{name} is {}, and Amazon Keyspaces writes at LOCAL_QUORUM alone: set it to local-quorum",
                level.name()
            )));
        }
    }
    let fencing = *settings.fencing.get_or_insert(Fencing::Off);
    if fencing != Fencing::Off {
        return Err(Error::unsupported(format!(
            "fencing = {} needs conditional batches or serial reads, which Amazon Keyspaces does not have: with \
             fencing = off it is the application that guarantees one writer of each entity",
            fencing.name()
        )));
    }
    let batch = &mut settings.events_by_tag.max_message_batch_size;
    *batch = (*batch).min(KEYSPACES_STATEMENTS_MAX);
    // A batch of several partitions costs more there than it saves.
    settings.group_writes = false;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

    #[test]
    fn flavours_have_names() {
        for name in ["cassandra", "scylla", "keyspaces"] {
            assert_eq!(Flavour::of_name(name).unwrap().name(), name);
        }
        assert_eq!(Flavour::of_name("mysql").unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn keyspaces_writes_at_one_level_and_fences_nothing() {
        let mut settings = CassandraSettings::new();
        settings.set("flavour", "keyspaces").unwrap();
        let refused = fitted(settings.clone()).unwrap_err();
        assert!(refused.message().starts_with("consistency is QUORUM"), "{refused}");
        settings.set("consistency", "local-quorum").unwrap();
        let refused = fitted(settings.clone()).unwrap_err();
        assert!(refused.message().starts_with("snapshot.consistency is QUORUM"), "{refused}");
        settings.set("snapshot.consistency", "local-quorum").unwrap();
        let taken = fitted(settings.clone()).unwrap();
        assert_eq!(taken.fencing, Some(Fencing::Off));
        assert_eq!(taken.events_by_tag.max_message_batch_size, KEYSPACES_STATEMENTS_MAX);
        for fencing in [Fencing::Lwt, Fencing::Claims] {
            let refused = fitted(settings.clone().with_fencing(fencing)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
        }
    }
}
