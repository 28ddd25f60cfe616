//! The statements of the plugin, and ours beside them. The names in the comments are those of Pekko's
//! catalogue: J the journal, T tags, S snapshots.

use annals_core::Result;
use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::OnceCell;

use crate::error;
use crate::profiles::{Profile, Profiles};
use crate::settings::CassandraSettings;
use crate::tags::RebuildStatements;

/// A statement that is prepared when it is first used; one that failed to prepare is tried again.
#[derive(Debug)]
pub(crate) struct Statement {
    cql: String,
    profile: Profile,
    prepared: OnceCell<PreparedStatement>,
}

impl Statement {
    /// The same insertion at a time of the caller's, in microseconds since 1970, which is the last value.
    pub(crate) fn at_time(self) -> Self {
        Self::new(self.profile, format!("{} USING TIMESTAMP ?", self.cql))
    }

    pub(crate) fn new(profile: Profile, cql: String) -> Self {
        Self { cql, profile, prepared: OnceCell::new() }
    }

    pub(crate) async fn prepare(
        &self,
        session: &Session,
        profiles: &Profiles,
    ) -> Result<&PreparedStatement> {
        let prepare = || async {
            let prepared = session.prepare(self.cql.as_str()).await;
            let mut prepared = prepared.map_err(|error| error::of_prepare(&self.cql, error))?;
            profiles.set(self.profile, &mut prepared);
            Ok(prepared)
        };
        self.prepared.get_or_try_init(prepare).await
    }
}

/// All statements of one store.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) events: EventStatements,
    pub(crate) heads: HeadStatements,
    pub(crate) entities: EntityStatements,
    pub(crate) tags: TagStatements,
    pub(crate) tag_rebuild: RebuildStatements,
    pub(crate) snapshots: SnapshotStatements,
}

impl Statements {
    /// `has_head`: whether the table of events has our static column.
    pub(crate) fn new(settings: &CassandraSettings, has_head: bool) -> Self {
        let keyspace = &settings.journal.keyspace;
        let of = |table: &str| format!("{keyspace}.{table}");
        let messages = of(&settings.journal.table);
        let metadata = of(&settings.journal.metadata_table);
        let ids = of(&settings.journal.all_persistence_ids_table);
        let snapshots = format!("{}.{}", settings.snapshot.keyspace, settings.snapshot.table);
        let tag_views = of(&settings.events_by_tag.table);
        let (progress, scanning) = (of("tag_write_progress"), of("tag_scanning"));
        Self {
            events: EventStatements::new(&messages),
            heads: HeadStatements::new(&messages, has_head),
            entities: EntityStatements::new(&metadata, &ids, &messages),
            tags: TagStatements::new(&tag_views, &progress, &scanning),
            tag_rebuild: RebuildStatements::new(&tag_views, &progress, &scanning),
            snapshots: SnapshotStatements::new(&snapshots),
        }
    }
}

/// Of the table of events.
#[derive(Debug)]
pub(crate) struct EventStatements {
    /// J1, without and with metadata, and both with idx and cnt.
    pub(crate) insert: Statement,
    pub(crate) insert_meta: Statement,
    pub(crate) insert_fenced: Statement,
    pub(crate) insert_fenced_meta: Statement,
    /// J3, and the same downwards; all columns, so that read repair mends whole rows.
    pub(crate) select: Statement,
    pub(crate) select_down: Statement,
    /// The same of every replica.
    pub(crate) select_down_all: Statement,
    pub(crate) select_serial: Statement,
    /// J7
    pub(crate) delete: Statement,
}

/// The columns of J1 in the order of their values.
const EVENT_COLUMNS: &str = "persistence_id, partition_nr, sequence_nr, timestamp, timebucket, \
                             writer_uuid, ser_id, ser_manifest, event_manifest, event, tags";
const FENCED_COLUMNS: &str = "idx, cnt";
const META_COLUMNS: &str = "meta_ser_id, meta_ser_manifest, meta";
/// The key of a partition of events.
const PARTITION: &str = "persistence_id = ? AND partition_nr = ?";

/// An insertion of these columns.
pub(crate) fn insert(profile: Profile, table: &str, columns: &[&str]) -> Statement {
    let columns = columns.join(", ");
    let values = vec!["?"; columns.split(',').count()].join(", ");
    Statement::new(profile, format!("INSERT INTO {table} ({columns}) VALUES ({values})"))
}

impl EventStatements {
    fn new(messages: &str) -> Self {
        use Profile::{Conditional, Read, ReadAll, Serial, Write};
        let fenced = [EVENT_COLUMNS, FENCED_COLUMNS];
        let fenced_meta = [EVENT_COLUMNS, FENCED_COLUMNS, META_COLUMNS];
        let range = "sequence_nr >= ? AND sequence_nr <= ?";
        let select = format!("SELECT * FROM {messages} WHERE {PARTITION} AND {range}");
        let down = format!("{select} ORDER BY sequence_nr DESC");
        Self {
            insert: insert(Write, messages, &[EVENT_COLUMNS]),
            insert_meta: insert(Write, messages, &[EVENT_COLUMNS, META_COLUMNS]),
            insert_fenced: insert(Conditional, messages, &fenced),
            insert_fenced_meta: insert(Conditional, messages, &fenced_meta),
            select_down: Statement::new(Read, down.clone()),
            select_down_all: Statement::new(ReadAll, down),
            select: Statement::new(Read, select),
            select_serial: Statement::new(
                Serial,
                format!(
                    "SELECT sequence_nr, timestamp FROM {messages} WHERE {PARTITION} \
                     AND sequence_nr = ?"
                ),
            ),
            delete: Statement::new(
                Write,
                format!(
                    "DELETE FROM {messages} WHERE {PARTITION} AND sequence_nr >= 0 \
                     AND sequence_nr <= ?"
                ),
            ),
        }
    }
}

/// Of the end of a partition, and its head.
#[derive(Debug)]
pub(crate) struct HeadStatements {
    /// J4 and the head.
    pub(crate) select: Statement,
    pub(crate) select_serial: Statement,
    pub(crate) update: Statement,
}

impl HeadStatements {
    fn new(messages: &str, has_head: bool) -> Self {
        let end = format!(
            "SELECT sequence_nr, timestamp, annals_head FROM {messages} WHERE {PARTITION} \
             ORDER BY sequence_nr DESC LIMIT 1"
        );
        let plain = if has_head { end.clone() } else { end.replace(", annals_head", "") };
        let update =
            format!("UPDATE {messages} SET annals_head = ? WHERE {PARTITION} IF annals_head = ?");
        Self {
            select: Statement::new(Profile::Read, plain),
            select_serial: Statement::new(Profile::Serial, end),
            update: Statement::new(Profile::Conditional, update),
        }
    }
}

/// Of the tables with a row for each entity.
#[derive(Debug)]
pub(crate) struct EntityStatements {
    /// J5, with when it was written
    pub(crate) select_deleted_to: Statement,
    /// J6
    pub(crate) insert_deleted_to: Statement,
    pub(crate) insert_deleted_to_as_of: Statement,
    pub(crate) raise_deleted_to: Statement,
    /// J2
    pub(crate) insert_id: Statement,
    /// J11
    pub(crate) select_ids: Statement,
    pub(crate) select_ids_from: Statement,
    /// Whether an id is listed.
    pub(crate) select_id: Statement,
    /// J12
    pub(crate) scan_partitions: Statement,
    pub(crate) scan_deleted_to: Statement,
}

impl EntityStatements {
    fn new(metadata: &str, ids: &str, messages: &str) -> Self {
        use Profile::{Conditional, Read, Write};
        let deleted_to = "persistence_id, deleted_to";
        let all = format!("SELECT persistence_id, token(persistence_id) FROM {ids}");
        let from = format!("{all} WHERE token(persistence_id) >= token(?)");
        Self {
            select_deleted_to: Statement::new(
                Read,
                format!(
                    "SELECT deleted_to, WRITETIME(deleted_to) FROM {metadata} WHERE persistence_id = ?"
                ),
            ),
            insert_deleted_to: insert(Write, metadata, &[deleted_to]),
            insert_deleted_to_as_of: insert(Write, metadata, &[deleted_to]).at_time(),
            raise_deleted_to: Statement::new(
                Conditional,
                format!(
                    "UPDATE {metadata} SET deleted_to = ? WHERE persistence_id = ? \
                     IF deleted_to = ?"
                ),
            ),
            insert_id: insert(Write, ids, &["persistence_id"]),
            select_ids: Statement::new(Read, all),
            select_ids_from: Statement::new(Read, from),
            select_id: Statement::new(
                Read,
                format!("SELECT persistence_id FROM {ids} WHERE persistence_id = ?"),
            ),
            scan_partitions: Statement::new(
                Read,
                format!("SELECT DISTINCT persistence_id, partition_nr FROM {messages}"),
            ),
            scan_deleted_to: Statement::new(
                Read,
                format!("SELECT persistence_id, deleted_to FROM {metadata}"),
            ),
        }
    }
}

/// Of the three tables of tags.
#[derive(Debug)]
pub(crate) struct TagStatements {
    /// T1
    pub(crate) insert_view: Statement,
    pub(crate) insert_view_meta: Statement,
    /// T2, as of a time
    pub(crate) insert_progress: Statement,
    /// T3, as of a time
    pub(crate) insert_scanning: Statement,
    /// T4
    pub(crate) select_progress: Statement,
    /// T6
    pub(crate) select_scanning: Statement,
    /// T7
    pub(crate) select_views: Statement,
    /// T8
    pub(crate) select_counters: Statement,
}

const TAG_VIEW_COLUMNS: &str = "tag_name, timebucket, timestamp, tag_pid_sequence_nr, \
                                persistence_id, sequence_nr, writer_uuid, ser_id, ser_manifest, \
                                event_manifest, event";

impl TagStatements {
    fn new(tag_views: &str, progress: &str, scanning: &str) -> Self {
        use Profile::{Read, Write};
        let bucket = "tag_name = ? AND timebucket = ?";
        let progress_columns = "persistence_id, tag, sequence_nr, tag_pid_sequence_nr, offset";
        Self {
            insert_view: insert(Write, tag_views, &[TAG_VIEW_COLUMNS]),
            insert_view_meta: insert(Write, tag_views, &[TAG_VIEW_COLUMNS, META_COLUMNS]),
            insert_progress: insert(Write, progress, &[progress_columns]).at_time(),
            insert_scanning: insert(Write, scanning, &["persistence_id, sequence_nr"]).at_time(),
            select_progress: Statement::new(
                Read,
                format!(
                    "SELECT tag, sequence_nr, tag_pid_sequence_nr, WRITETIME(sequence_nr) \
                     FROM {progress} WHERE persistence_id = ?"
                ),
            ),
            select_scanning: Statement::new(
                Read,
                format!(
                    "SELECT sequence_nr, WRITETIME(sequence_nr) FROM {scanning} \
                     WHERE persistence_id = ?"
                ),
            ),
            select_views: Statement::new(
                Read,
                format!(
                    "SELECT * FROM {tag_views} WHERE {bucket} AND timestamp > ? AND timestamp < ? \
                     ORDER BY timestamp ASC"
                ),
            ),
            select_counters: Statement::new(
                Read,
                format!(
                    "SELECT persistence_id, tag_pid_sequence_nr FROM {tag_views} \
                     WHERE {bucket} AND timestamp > ? AND timestamp <= ?"
                ),
            ),
        }
    }
}

/// Of the table of snapshots.
#[derive(Debug)]
pub(crate) struct SnapshotStatements {
    /// S1
    pub(crate) insert: Statement,
    pub(crate) insert_meta: Statement,
    /// S2
    pub(crate) select: Statement,
    /// S3
    pub(crate) select_infos: Statement,
    /// S4
    pub(crate) delete: Statement,
    /// S5
    pub(crate) delete_range: Statement,
}

const SNAPSHOT_COLUMNS: &str =
    "persistence_id, sequence_nr, timestamp, ser_id, ser_manifest, snapshot_data";

impl SnapshotStatements {
    fn new(snapshots: &str) -> Self {
        use Profile::{SnapshotRead, SnapshotWrite};
        let one = "persistence_id = ? AND sequence_nr = ?";
        let columns = [SNAPSHOT_COLUMNS, META_COLUMNS];
        Self {
            insert: insert(SnapshotWrite, snapshots, &[SNAPSHOT_COLUMNS]),
            insert_meta: insert(SnapshotWrite, snapshots, &columns),
            select: Statement::new(SnapshotRead, format!("SELECT * FROM {snapshots} WHERE {one}")),
            select_infos: Statement::new(
                SnapshotRead,
                format!(
                    "SELECT sequence_nr, timestamp FROM {snapshots} WHERE persistence_id = ? \
                     AND sequence_nr <= ? AND sequence_nr >= ?"
                ),
            ),
            delete: Statement::new(SnapshotWrite, format!("DELETE FROM {snapshots} WHERE {one}")),
            delete_range: Statement::new(
                SnapshotWrite,
                format!(
                    "DELETE FROM {snapshots} WHERE persistence_id = ? AND sequence_nr >= ? \
                     AND sequence_nr <= ?"
                ),
            ),
        }
    }
}
