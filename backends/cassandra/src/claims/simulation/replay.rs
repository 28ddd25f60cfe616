//! A replay against the simulated server.

use annals_core::{AppendId, PersistenceId, Result, SeqNr};

use super::server::Server;
use crate::claims::driver::Claims;
use crate::claims::history::{History, Next};
use crate::claims::tables::{Strength, Tables};
use crate::pages::Asked;

/// What a reader got.
pub(super) struct Read {
    pub(super) deleted_to: SeqNr,
    pub(super) events: Vec<(SeqNr, AppendId)>,
    pub(super) end: SeqNr,
    /// Whether nothing is left that may still become void.
    pub(super) complete: bool,
}

/// Reads an entity as a replay does.
pub(super) async fn read(claims: &Claims<Server>, id: &PersistenceId) -> Result<Read> {
    let tables = claims.tables();
    'again: loop {
        let row = tables.read_claim(id, Strength::Quorum).await?;
        let deleted_to = row.deleted_to;
        let mut history = History::after(row.clone(), deleted_to, deleted_to);
        loop {
            match history.take(tables.rows(id, history.next(), Asked::Quorum).await?) {
                Next::More => {}
                Next::End | Next::Earlier(_) => break,
                Next::Outdated => continue 'again,
            }
        }
        let stands = claims.stands(id, &row).await?;
        let now = tables.read_claim(id, Strength::Quorum).await?;
        if row.claim.is_none() && !now.claim.is_none() || history.end() < now.deleted_to {
            continue;
        }
        let mut rows = history.permanent();
        if stands {
            rows.extend(history.doubtful());
        }
        let end = history.end();
        let events = rows.into_iter().map(|row| (row.mark.seq_nr, row.event)).collect();
        return Ok(Read { deleted_to, events, end, complete: stands });
    }
}
