//! How far an entity is deleted, where Pekko keeps it: `metadata.deleted_to`.

use annals_core::{PersistenceId, Result, SeqNr};

use crate::connection::Connection;
use crate::end::seq_nr;
use crate::error;
use crate::pages::column;

impl Connection {
    /// The column, and when it was written, in microseconds since 1970; neither without a row.
    pub(crate) async fn recorded_deleted_to(
        &self,
        id: &PersistenceId,
    ) -> Result<(Option<i64>, Option<i64>)> {
        let what = || format!("reading how far {id} is deleted");
        let statement = &self.statements.entities.select_deleted_to;
        let rows = self.read(statement, (id.as_str(),), what).await?;
        let row = rows.maybe_first_row::<(Option<i64>, Option<i64>)>();
        Ok(row.map_err(|error| error::of_rows(what(), error))?.unwrap_or_default())
    }

    /// Records that `id` is deleted up to `to`, unless it is further.
    ///
    /// A number that replaces another is written as of that one's time: the larger of the two counts then,
    /// on whichever server's clock. It is the history's end where all of it is deleted, and must not go back.
    pub(crate) async fn record_deleted_to(
        &self,
        id: &PersistenceId,
        to: SeqNr,
        what: impl Fn() -> String,
    ) -> Result<()> {
        let (recorded, written) = self.recorded_deleted_to(id).await?;
        if recorded.map_or(SeqNr::ZERO, seq_nr) >= to {
            return Ok(());
        }
        let statements = &self.statements.entities;
        match written {
            Some(time) => {
                let values = (id.as_str(), column(to), time);
                self.write(&statements.insert_deleted_to_as_of, values, what).await
            }
            None => {
                self.write(&statements.insert_deleted_to, (id.as_str(), column(to)), what).await
            }
        }
    }
}
