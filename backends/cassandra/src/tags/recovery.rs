//! Tag recovery: what an interrupted writer, ours or the JVM's, left out is written before the counters go
//! on. Numbers, timestamps and counters are those that an undisturbed run would have given.

use annals_core::{Bounds, Error, PersistenceId, Result, SeqNr, SeqRange, Tag};

use super::TagState;
use super::counters::{Counters, Epoch, Progress, TaggedEvent};
use crate::claims::Claim;
use crate::end::seq_nr;
use crate::error;
use crate::replay::EntityReader;
use crate::store::Inner;

impl Inner {
    /// Recovers the tags of `id`, whose history has `bounds`, unless they are known under this claim.
    pub(crate) async fn begin_tags(
        &self,
        id: &PersistenceId,
        bounds: Bounds,
        claim: Option<Claim>,
    ) -> Result<()> {
        let off = !self.settings.events_by_tag.enabled || self.is_read_only();
        if off || bounds.highest.is_zero() {
            return Ok(());
        }
        let state = self.entities.tags(id);
        let mut state = state.lock().await;
        state.under(claim);
        if state.known_to == Some(bounds.highest) {
            return Ok(());
        }
        self.recover_tags(id, bounds.highest, &mut state).await
    }

    /// Brings the tags of `id` up to event `to`: reads the stored progress, and writes the rows of all
    /// later events from `tag_scanning` on.
    pub(super) async fn recover_tags(
        &self,
        id: &PersistenceId,
        to: SeqNr,
        state: &mut TagState,
    ) -> Result<()> {
        state.known_to = None;
        (state.counters, state.epoch) = self.stored_progress(id).await?;
        if to.is_zero() {
            state.known_to = Some(to);
            return Ok(());
        }
        let deleted_to = self.stored_deleted_to(id).await?.map_or(SeqNr::ZERO, seq_nr);
        // The scanned event itself once more: its progress may be what was lost.
        let (scanned, written) = self.stored_scanning(id).await?;
        state.epoch = state.epoch.max(Epoch(written));
        let from = scanned.unwrap_or(SeqNr::FIRST).max(SeqNr::FIRST);
        let bounds = Bounds { deleted_to, highest: to };
        let mut reader = EntityReader::new(self, id, SeqRange::new(from, to), bounds);
        while let Some(rows) = reader.next(self).await? {
            let events: Vec<TaggedEvent> = rows.into_iter().map(TaggedEvent::from).collect();
            let Some(last) = events.last().map(|event| event.seq_nr) else { continue };
            let recovering = self.recovering(id, &events, &state.counters).await?;
            self.write_missing(id, &events, last, state).await?;
            drop(recovering);
        }
        state.known_to = Some(to);
        self.backlog.covered(id, to, state.epoch);
        Ok(())
    }

    async fn stored_progress(&self, id: &PersistenceId) -> Result<(Counters, Epoch)> {
        let what = || format!("reading the tag progress of {id}");
        let statement = &self.connection.statements.tags.select_progress;
        let rows = self.connection.read(statement, (id.as_str(),), what).await?;
        let (mut counters, mut epoch) = (Counters::default(), Epoch::default());
        // What is on its way to the table is newer than what is in it.
        let rows = rows.rows::<(String, i64, i64, Option<i64>)>();
        for row in rows.map_err(|error| error::of_rows(what(), error))? {
            let (tag, number, counter, written) =
                row.map_err(|error| error::of_rows(what(), error))?;
            epoch = epoch.max(Epoch(written.unwrap_or_default()));
            let progress = Progress { seq_nr: seq_nr(number), counter, timestamp: None };
            counters.set(Tag::new(tag).map_err(|error: Error| error.context(what()))?, progress);
        }
        for (tag, progress) in self.backlog.pending_progress(id) {
            if counters.get(&tag).is_none_or(|stored| stored.seq_nr < progress.seq_nr) {
                counters.set(tag, progress);
            }
        }
        Ok((counters, epoch))
    }
}
