//! What the handle asks of a running projection.

use std::ops::ControlFlow;

use annals_core::{Error, ErrorKind, Offset, PersistenceId, Result};

use super::super::handle::{Command, ProjectionPhase};
use super::super::lot::read_again;
use super::Run;

/// What the asker is told; the projection itself goes on.
type Told = Result<()>;

impl Run<'_> {
    /// Does what is asked. Who asked may be gone already, so that an answer may reach nobody.
    pub(super) async fn obey(&mut self, command: Command) -> Result<ControlFlow<()>> {
        match command {
            Command::Stop => return Ok(ControlFlow::Break(())),
            Command::Pause(answer) => {
                self.save().await?;
                self.paused = true;
                self.board.show(ProjectionPhase::Paused);
                let _ = answer.send(Ok(()));
            }
            Command::Resume(answer) => {
                self.paused = false;
                self.board.show(ProjectionPhase::Running);
                let _ = answer.send(Ok(()));
            }
            Command::Rewind(to, answer) => {
                let _ = answer.send(self.rewind(to).await?);
            }
            Command::Parked(answer) => {
                let _ = answer.send(Ok(self.lot.list()));
            }
            Command::RetryParked(id, answer) => {
                let ids = id.map_or_else(|| self.lot.ids(), |id| vec![id]);
                let mut told = Ok(());
                for id in ids {
                    // The first that fails is told; the others are tried all the same.
                    told = told.and(self.retry_parked(&id).await?);
                }
                let _ = answer.send(told);
            }
            Command::SkipParked(id, answer) => {
                let _ = answer.send(self.skip_parked(&id).await?);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn rewind(&mut self, to: Option<Offset>) -> Result<Told> {
        self.save().await?;
        if let Some(offset) = &to {
            let journal = &self.keeper.store.read_journal;
            let valid = journal.page(&self.plan.scope, Some(offset), None, 1).await;
            match valid {
                Err(error) if error.kind() == ErrorKind::Invalid => return Ok(Err(error)),
                read => read?,
            };
            self.save_as(&self.plan.key, offset).await?;
            self.board.change(|status| status.saved = to.clone());
        }
        self.end_group();
        (self.page, self.index) = (None, 0);
        (self.retry, self.read_retry, self.back_off) = (None, None, None);
        self.reached.clone_from(&to);
        self.looked_at.clone_from(&to);
        self.read_on();
        self.drop_ahead().await?;
        let parked = self.lot.len();
        self.board.change(|status| {
            status.reached = to;
            status.parked = parked;
        });
        if !self.paused {
            self.board.show(ProjectionPhase::Running);
        }
        Ok(Ok(()))
    }

    /// Handles the parked events of `id`, until one fails again.
    async fn retry_parked(&mut self, id: &PersistenceId) -> Result<Told> {
        if !self.lot.holds(id) {
            return Ok(Ok(()));
        }
        // From here on the offset is durable behind all that is parked, so that none is met again.
        self.save().await?;
        while let Some(event) = self.lot.first(id).cloned() {
            let Some(key) = self.lot.progress_key(id) else { break };
            let (seq_nr, offset) = (event.seq_nr, &event.offset);
            let envelope = match read_again(self.keeper, &event).await {
                Ok(Some(envelope)) => envelope,
                Ok(None) => {
                    let message = format!("event {seq_nr} of {id} was deleted: skip it");
                    return Ok(Err(Error::invalid(message)));
                }
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = self.handle(&key, &[envelope], offset).await {
                let message = format!("event {seq_nr} of {id} stays parked: {error}");
                return Ok(Err(Error::unavailable(message).with_source(error)));
            }
            if !self.work.commits() {
                self.save_as(&key, offset).await?;
            }
            self.lot.settle(id, offset);
            let parked = self.lot.len();
            self.board.handled(1, None);
            self.board.change(|status| status.parked = parked);
        }
        self.lot.done(self.keeper, id).await?;
        Ok(Ok(()))
    }

    async fn skip_parked(&mut self, id: &PersistenceId) -> Result<Told> {
        let Some(event) = self.lot.first(id).cloned() else {
            return Ok(Err(Error::invalid(format!("no event of {id} is parked"))));
        };
        self.save().await?;
        self.lot.drop_event(self.keeper, id, event.seq_nr).await?;
        let parked = self.lot.len();
        self.board.change(|status| {
            status.skipped += 1;
            status.parked = parked;
        });
        self.retry_parked(id).await
    }
}
