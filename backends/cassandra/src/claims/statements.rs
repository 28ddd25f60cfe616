//! The statements of claims. All plain ones are idempotent.

use crate::profiles::Profile;
use crate::settings::CassandraSettings;
use crate::statements::Statement;

/// The newest claim of each entity.
pub(crate) const CLAIMS_TABLE: &str = "annals_claims";
/// The processes, and which of their claims are revoked.
pub(crate) const WRITERS_TABLE: &str = "annals_writers";

/// The tables that claims add, each with its columns.
pub(crate) const TABLES: [(&str, &str); 2] = [
    (
        CLAIMS_TABLE,
        "persistence_id text PRIMARY KEY, claim bigint, writer text, from_seq bigint, \
         deleted_to bigint",
    ),
    (
        WRITERS_TABLE,
        "writer text, persistence_id text, claim bigint, \
         PRIMARY KEY (writer, persistence_id, claim)",
    ),
];

#[derive(Debug)]
pub(crate) struct Statements {
    pub(super) select_claim: Statement,
    pub(super) select_claim_serial: Statement,
    pub(super) first_claim: Statement,
    pub(super) next_claim: Statement,
    pub(super) raise_deleted_to: Statement,
    /// Also says that a process is alive: entity `''`, claim 0.
    pub(super) insert_revocation: Statement,
    pub(super) select_revocations: Statement,
    pub(super) select_revocations_of: Statement,
    /// A row by its full key.
    pub(super) delete_row: Statement,
    /// All processes; whose each claim is.
    pub(super) scan_processes: Statement,
    pub(super) scan_claimants: Statement,
    /// All rows of a process: later than every insertion.
    pub(super) delete_process: Statement,
}

impl Statements {
    pub(crate) fn new(settings: &CassandraSettings) -> Self {
        use Profile::{Conditional, Read, Serial, Write};
        let keyspace = &settings.journal.keyspace;
        let claims = format!("{keyspace}.{CLAIMS_TABLE}");
        let messages = format!("{keyspace}.{}", settings.journal.table);
        let writers = format!("{keyspace}.{WRITERS_TABLE}");
        let columns = "claim, writer, from_seq, deleted_to";
        let select = format!("SELECT {columns} FROM {claims} WHERE persistence_id = ?");
        let revocations = format!("SELECT persistence_id, claim FROM {writers} WHERE writer = ?");
        Self {
            select_claim: Statement::new(Read, select.clone()),
            select_claim_serial: Statement::new(Serial, select),
            first_claim: Statement::new(
                Conditional,
                format!(
                    "INSERT INTO {claims} (persistence_id, {columns}) VALUES (?, ?, ?, ?, 0) \
                     IF NOT EXISTS"
                ),
            ),
            next_claim: Statement::new(
                Conditional,
                format!(
                    "UPDATE {claims} SET claim = ?, writer = ?, from_seq = ? \
                     WHERE persistence_id = ? IF claim = ? AND deleted_to = ?"
                ),
            ),
            raise_deleted_to: Statement::new(
                Conditional,
                format!(
                    "UPDATE {claims} SET deleted_to = ? WHERE persistence_id = ? \
                     IF claim = ? AND deleted_to < ?"
                ),
            ),
            insert_revocation: Statement::new(
                Write,
                format!(
                    "INSERT INTO {writers} (writer, persistence_id, claim) VALUES (?, ?, ?) \
                     USING TIMESTAMP 1"
                ),
            ),
            select_revocations: Statement::new(Read, revocations.clone()),
            select_revocations_of: Statement::new(
                Read,
                format!("{revocations} AND persistence_id IN ?"),
            ),
            delete_row: Statement::new(
                Write,
                format!(
                    "DELETE FROM {messages} WHERE persistence_id = ? AND partition_nr = ? \
                     AND sequence_nr = ? AND timestamp = ?"
                ),
            ),
            scan_processes: Statement::new(Read, format!("SELECT DISTINCT writer FROM {writers}")),
            scan_claimants: Statement::new(Read, format!("SELECT writer FROM {claims}")),
            delete_process: Statement::new(
                Write,
                format!("DELETE FROM {writers} USING TIMESTAMP 2 WHERE writer = ?"),
            ),
        }
    }
}
