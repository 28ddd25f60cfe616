//! The bare driver: the statements that the store sends, without a library around them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlTimeuuid, CqlValue, Row};

use crate::Result;
use crate::driver::{Entity, Target};

/// What an insert of an event fills in.
const COLUMNS: &str = "persistence_id, partition_nr, sequence_nr, timestamp, timebucket, writer_uuid, \
                       ser_id, ser_manifest, event_manifest, event, tags";
/// All runs stay within the first partition of an entity.
const PARTITION: i64 = 0;
const BUCKET: &str = "20261125T08";
/// Bytes, to Pekko's serialization.
const SERIALIZER: i32 = 4;

pub(super) async fn connect(address: &str) -> Result<Session> {
    Ok(SessionBuilder::new().known_node(address).build().await?)
}

/// Times of 100 ns since 1582, each once.
#[derive(Debug)]
struct TimeUuids(AtomicU64);

impl TimeUuids {
    fn new() -> Self {
        // A moment of 2025; what time it is does not matter here.
        Self(AtomicU64::new(0x01f0_0000_0000_0000))
    }

    fn draw(&self) -> CqlTimeuuid {
        let ticks = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [high, above, mid, low, a, b, c, d] = ticks;
        let version = (high & 0x0f) | 0x10;
        let node = [0x80, 0, 0, 0, 0, 0, 0, 1];
        let [n0, n1, n2, n3, n4, n5, n6, n7] = node;
        CqlTimeuuid::from_bytes([
            a, b, c, d, mid, low, version, above, n0, n1, n2, n3, n4, n5, n6, n7,
        ])
    }
}

/// Inserts rows as Pekko does.
#[derive(Debug)]
pub(super) struct Plain {
    session: Session,
    insert: PreparedStatement,
    uuids: TimeUuids,
}

impl Plain {
    pub(super) async fn new(address: &str, keyspace: &str) -> Result<Self> {
        let session = connect(address).await?;
        let marks = vec!["?"; COLUMNS.split(',').count()].join(", ");
        let cql = format!("INSERT INTO {keyspace}.messages ({COLUMNS}) VALUES ({marks})");
        let mut insert = session.prepare(cql).await?;
        insert.set_consistency(Consistency::Quorum);
        insert.set_is_idempotent(true);
        Ok(Self { session, insert, uuids: TimeUuids::new() })
    }
}

impl Target for Plain {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        let values = (
            entity.id.as_str(),
            PARTITION,
            i64::try_from(seq_nr)?,
            self.uuids.draw(),
            BUCKET,
            entity.writer.as_str(),
            SERIALIZER,
            "",
            "",
            &*payload,
            Vec::<&str>::new(),
        );
        self.session.execute_unpaged(&self.insert, values).await?;
        Ok(())
    }
}

/// Inserts rows in a conditional batch over the static column that the store adds.
pub(super) struct Conditional {
    session: Session,
    batch: Batch,
    uuids: TimeUuids,
}

impl Conditional {
    pub(super) async fn new(address: &str, keyspace: &str) -> Result<Self> {
        let session = connect(address).await?;
        let table = format!("{keyspace}.messages");
        let update = format!(
            "UPDATE {table} SET annals_head = ? WHERE persistence_id = ? AND partition_nr = ? \
             IF annals_head = ?"
        );
        let marks = vec!["?"; COLUMNS.split(',').count() + 2].join(", ");
        let insert = format!("INSERT INTO {table} ({COLUMNS}, idx, cnt) VALUES ({marks})");
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.append_statement(session.prepare(update).await?);
        batch.append_statement(session.prepare(insert).await?);
        batch.set_consistency(Consistency::Quorum);
        batch.set_serial_consistency(Some(SerialConsistency::Serial));
        Ok(Self { session, batch, uuids: TimeUuids::new() })
    }
}

impl Target for Conditional {
    async fn append(&self, entity: &Entity, seq_nr: u64, payload: Bytes) -> Result<()> {
        let id = entity.id.as_str();
        let head = format!("open:{seq_nr}");
        let old = (seq_nr > 1).then(|| format!("open:{}", seq_nr - 1));
        let condition = (head.as_str(), id, PARTITION, old.as_deref());
        let row = (
            id,
            PARTITION,
            i64::try_from(seq_nr)?,
            self.uuids.draw(),
            BUCKET,
            entity.writer.as_str(),
            SERIALIZER,
            "",
            "",
            &*payload,
            Vec::<&str>::new(),
            0_i32,
            0_i32,
        );
        let answer = self.session.batch(&self.batch, (condition, row)).await?;
        let applied = answer.into_rows_result()?.first_row::<Row>()?;
        match applied.columns.first() {
            Some(Some(CqlValue::Boolean(true))) => Ok(()),
            _ => Err("the condition did not hold".into()),
        }
    }
}
