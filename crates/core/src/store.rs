//! One place that keeps everything.

use std::sync::Arc;

use crate::{Capabilities, Journal, OffsetStore, ReadJournal, Result, SnapshotStore};

/// The four contracts over one place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// The events.
    pub journal: Arc<dyn Journal>,
    /// The snapshots.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// The events, across entities.
    pub read_journal: Arc<dyn ReadJournal>,
    /// The projections' offsets.
    pub offsets: Arc<dyn OffsetStore>,
}

impl Store {
    /// A store whose four contracts one value keeps.
    pub fn of<S: Journal + SnapshotStore + ReadJournal + OffsetStore>(store: Arc<S>) -> Self {
        Self {
            journal: store.clone(),
            snapshots: store.clone(),
            read_journal: store.clone(),
            offsets: store,
        }
    }

    /// Limits and abilities of the journal.
    pub fn capabilities(&self) -> Capabilities {
        self.journal.capabilities()
    }

    /// Ends the store in order; see [`Journal::close`].
    ///
    /// # Errors
    /// As [`Journal::close`].
    pub async fn close(&self) -> Result<()> {
        self.journal.close().await
    }
}
