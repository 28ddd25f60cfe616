//! Snapshots, by entity and number.

use annals_core::{
    Capabilities, Error, PersistenceId, Result, Snapshot, SnapshotCriteria, SnapshotInfo,
    SnapshotStore, Timestamp,
};
use annals_pekko::{ManifestNames, read_snapshot};
use async_trait::async_trait;
use bytes::Bytes;
use scylla::deserialize::row::{ColumnIterator, RawColumn};
use scylla::errors::DeserializationError;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;

use crate::end::seq_nr;
use crate::error;
use crate::inserts::meta_values;
use crate::pages::column;
use crate::row::{payload, read_column};
use crate::store::{CassandraStore, Inner};
use crate::value::Value;

/// How many infos a page of a listing has.
const INFO_ROWS: i32 = 1_000;

#[async_trait]
impl SnapshotStore for CassandraStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        let inner = &self.inner;
        let _request = inner.enter_to_write().await?;
        inner.capabilities.check_snapshot(&snapshot)?;
        let (id, state) = (snapshot.persistence_id.as_str(), &snapshot.payload);
        let mut values = vec![
            Value::Text(id),
            Value::BigInt(column(snapshot.seq_nr)),
            Value::BigInt(snapshot.timestamp.as_millis()),
            Value::Int(state.serializer.get()),
            Value::Text(&state.manifest),
            Value::Blob(&state.bytes),
        ];
        let statements = &inner.connection.statements;
        let statement = match &snapshot.metadata {
            None => &statements.snapshots.insert,
            Some(metadata) => {
                values.extend(meta_values(metadata));
                &statements.snapshots.insert_meta
            }
        };
        let what = || format!("saving the snapshot of {id} at {}", snapshot.seq_nr);
        inner.connection.write(statement, values, what).await
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        let _request = self.inner.enter().await?;
        loop {
            let infos = self.inner.snapshot_infos(id, criteria, 1).await?;
            let Some(info) = infos.first() else { return Ok(None) };
            // Deleted in between: look again.
            if let Some(snapshot) = self.inner.snapshot_at(id, info).await? {
                return Ok(Some(snapshot));
            }
        }
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let _request = self.inner.enter().await?;
        self.inner.snapshot_infos(id, criteria, infos_max).await
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        let inner = &self.inner;
        let _request = inner.enter_to_write().await?;
        let (connection, statements) = (&inner.connection, &inner.connection.statements);
        let what = || format!("deleting snapshots of {id}: repeat it");
        let timeless =
            criteria.min_timestamp == Timestamp::MIN && criteria.max_timestamp == Timestamp::MAX;
        if timeless {
            let range = (column(criteria.min_seq_nr), column(criteria.max_seq_nr));
            let values = (id.as_str(), range.0, range.1);
            return connection.write(&statements.snapshots.delete_range, values, what).await;
        }
        for info in inner.snapshot_infos(id, criteria, usize::MAX).await? {
            let values = (id.as_str(), column(info.seq_nr));
            connection.write(&statements.snapshots.delete, values, what).await?;
        }
        Ok(())
    }
}

/// The columns of a snapshot that make its state, whichever there are.
#[derive(Debug, Default)]
struct SnapshotRow {
    timestamp: Option<i64>,
    ser_id: Option<i32>,
    ser_manifest: Option<String>,
    snapshot_data: Option<Bytes>,
    /// The old form: all in one.
    snapshot: Option<Bytes>,
    meta_ser_id: Option<i32>,
    meta_ser_manifest: Option<String>,
    meta: Option<Bytes>,
}

impl SnapshotRow {
    fn take(&mut self, column: &RawColumn<'_, '_>) -> Result<(), DeserializationError> {
        match column.spec.name() {
            "timestamp" => self.timestamp = read_column(column)?,
            "ser_id" => self.ser_id = read_column(column)?,
            "ser_manifest" => self.ser_manifest = read_column(column)?,
            "snapshot_data" => self.snapshot_data = read_column(column)?,
            "snapshot" => self.snapshot = read_column(column)?,
            "meta_ser_id" => self.meta_ser_id = read_column(column)?,
            "meta_ser_manifest" => self.meta_ser_manifest = read_column(column)?,
            "meta" => self.meta = read_column(column)?,
            _ => {}
        }
        Ok(())
    }

    fn first(rows: &QueryRowsResult, what: impl Fn() -> String) -> Result<Option<Self>> {
        let columns = rows.maybe_first_row::<ColumnIterator<'_, '_>>();
        let columns = columns.map_err(|error| error::of_rows(what(), error))?;
        let Some(columns) = columns else { return Ok(None) };
        let mut row = Self::default();
        for column in columns {
            let column = column.map_err(|error| error::of_rows(what(), error))?;
            row.take(&column).map_err(|error| error::of_rows(what(), error))?;
        }
        Ok(Some(row))
    }
}

impl Inner {
    /// The snapshots that meet `criteria`, newest first: all bounds are honoured, also where times do not
    /// grow with the numbers.
    async fn snapshot_infos(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let what = || format!("listing the snapshots of {id}");
        let values = (id.as_str(), column(criteria.max_seq_nr), column(criteria.min_seq_nr));
        let rows_max = i32::try_from(infos_max).unwrap_or(i32::MAX).clamp(1, INFO_ROWS);
        let statement = &self.connection.statements.snapshots.select_infos;
        let mut infos = Vec::new();
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let found = self.connection.read_page(statement, values, rows_max, from, what).await?;
            let rows = found.rows.rows::<(i64, Option<i64>)>();
            for row in rows.map_err(|error| error::of_rows(what(), error))? {
                let (number, millis) = row.map_err(|error| error::of_rows(what(), error))?;
                let seq_nr = seq_nr(number);
                let timestamp = Timestamp::from_millis(millis.unwrap_or_default());
                if infos.len() == infos_max {
                    return Ok(infos);
                }
                if criteria.matches(seq_nr, timestamp) {
                    infos.push(SnapshotInfo { seq_nr, timestamp });
                }
            }
            page = found.next;
        }
        Ok(infos)
    }

    async fn snapshot_at(
        &self,
        id: &PersistenceId,
        info: &SnapshotInfo,
    ) -> Result<Option<Snapshot>> {
        let seq_nr = info.seq_nr;
        let what = || format!("the snapshot of {id} at {seq_nr}");
        let statement = &self.connection.statements.snapshots.select;
        let rows = self.connection.read(statement, (id.as_str(), column(seq_nr)), what).await?;
        let Some(row) = SnapshotRow::first(&rows, what)? else { return Ok(None) };
        let state = match (row.snapshot, row.ser_id, row.snapshot_data) {
            (Some(container), _, _) => read_snapshot(&container, ManifestNames::default())
                .map_err(|error| error.context(what()))?,
            (None, Some(ser_id), Some(data)) => payload(ser_id, row.ser_manifest, data),
            _ => {
                let message =
                    format!("{} has neither ser_id and snapshot_data nor snapshot", what());
                return Err(Error::corrupt(message));
            }
        };
        let metadata = row.meta_ser_id.zip(row.meta);
        let metadata = metadata.map(|(ser_id, meta)| payload(ser_id, row.meta_ser_manifest, meta));
        Ok(Some(Snapshot {
            persistence_id: id.clone(),
            seq_nr,
            timestamp: Timestamp::from_millis(row.timestamp.unwrap_or_default()),
            payload: state,
            metadata,
        }))
    }
}
