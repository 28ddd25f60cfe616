//! The statements of a rebuild.

use crate::profiles::Profile;
use crate::statements::Statement;

/// What a rebuild asks of the tables of tags, and writes into them.
#[derive(Debug)]
pub(crate) struct RebuildStatements {
    /// The rows of one entity in a bucket, at these times.
    pub(super) select_views_at: Statement,
    /// The keys of all rows, and of which event each is.
    pub(super) scan_views: Statement,
    /// T9
    pub(super) delete_view: Statement,
    /// All of the progress, and when it was written.
    pub(super) select_progress_written: Statement,
    /// As of a time of the caller's.
    pub(super) delete_progress_at: Statement,
    pub(super) delete_scanning_at: Statement,
}

impl RebuildStatements {
    pub(crate) fn new(tag_views: &str, progress: &str, scanning: &str) -> Self {
        use Profile::{Read, Write};
        let bucket = "tag_name = ? AND timebucket = ?";
        Self {
            select_views_at: Statement::new(
                Read,
                format!(
                    "SELECT * FROM {tag_views} WHERE {bucket} AND timestamp IN ? \
                     AND persistence_id = ?"
                ),
            ),
            scan_views: Statement::new(
                Read,
                format!(
                    "SELECT tag_name, timebucket, timestamp, persistence_id, tag_pid_sequence_nr, \
                     sequence_nr FROM {tag_views}"
                ),
            ),
            delete_view: Statement::new(
                Write,
                format!(
                    "DELETE FROM {tag_views} WHERE {bucket} AND timestamp = ? \
                     AND persistence_id = ? AND tag_pid_sequence_nr = ?"
                ),
            ),
            select_progress_written: Statement::new(
                Read,
                format!(
                    "SELECT tag, sequence_nr, tag_pid_sequence_nr, offset, \
                     WRITETIME(tag_pid_sequence_nr) FROM {progress} WHERE persistence_id = ?"
                ),
            ),
            delete_progress_at: Statement::new(
                Write,
                format!(
                    "DELETE FROM {progress} USING TIMESTAMP ? WHERE persistence_id = ? AND tag = ?"
                ),
            ),
            delete_scanning_at: Statement::new(
                Write,
                format!("DELETE FROM {scanning} USING TIMESTAMP ? WHERE persistence_id = ?"),
            ),
        }
    }
}
