//! What was done to a target, as it is told at the end.

use serde_json::json;

use crate::output::Row;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) events_present: u64,
    pub(crate) events_deleted: u64,
    pub(crate) snapshots: u64,
    pub(crate) snapshots_present: u64,
    pub(crate) entities: u64,
}

impl Counts {
    pub(crate) fn row(&self) -> Row {
        let cells = [
            ("events_imported", self.events),
            ("events_present", self.events_present),
            ("events_deleted", self.events_deleted),
            ("snapshots_imported", self.snapshots),
            ("snapshots_present", self.snapshots_present),
            ("entities_deleted", self.entities),
        ];
        Row {
            json: cells.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect(),
            cells: cells.iter().map(|(name, count)| (*name, count.to_string())).collect(),
        }
    }
}
