//! Groups of events: how they are made, handled, and what follows when that fails.

use annals_core::{Envelope, Error, Offset, Result};

use super::super::handle::ProjectionPhase;
use super::super::handler::HandlerError;
use super::super::settings::GiveUp;
use super::Run;

const WAITS: &str = "waits for an earlier event of its entity";

impl Run<'_> {
    fn group_max(&self) -> usize {
        if self.work.groups() { self.plan.settings.group_events_max.max(1) } else { 1 }
    }

    /// Whether the group is to be handled now.
    pub(super) fn is_ready(&self) -> bool {
        !self.paused
            && self.back_off.is_none()
            && !self.group.is_empty()
            && (self.ripe
                || self.singly
                || self.group.len() >= self.group_max()
                || self.plan.settings.group_within.is_zero())
    }

    /// Takes events from the page into the group, and deals with those that are not to be handled.
    pub(super) async fn fill(&mut self) -> Result<()> {
        if self.paused || self.back_off.is_some() || self.singly || self.ripe {
            return Ok(());
        }
        let group_max = self.group_max();
        while self.group.len() < group_max {
            let Some(page) = &self.page else { break };
            let Some(envelope) = page.events().get(self.index) else {
                self.page = None;
                break;
            };
            let offset = envelope.offset.clone();
            if !self.plan.share.holds(envelope) {
                self.pass(offset.clone());
            } else if !self.lot.holds(&envelope.persistence_id) {
                self.group.push(envelope.clone());
                self.group_end = Some(offset.clone());
            } else if self.group.is_empty() {
                let envelope = envelope.clone();
                self.park(&envelope, WAITS.to_owned()).await?;
                self.reach(offset.clone(), 1);
            } else {
                // What is parked must lie behind what is handled.
                self.ripe = true;
                break;
            }
            self.looked_at = Some(offset);
            self.index += 1;
            if self.unsaved >= self.plan.settings.save_after_events {
                self.save().await?;
            }
        }
        if !self.group.is_empty() && self.group_due.is_none() && !self.is_ready() {
            self.group_due = Some(self.sleep(self.plan.settings.group_within));
        }
        Ok(())
    }

    /// Leaves out an event that is not this projection's.
    fn pass(&mut self, offset: Offset) {
        if self.group.is_empty() {
            self.reach(offset, 1);
        } else {
            self.group_end = Some(offset);
        }
    }

    /// Everything up to `offset` is dealt with: `events` more than before.
    fn reach(&mut self, offset: Offset, events: usize) {
        self.board.reached(offset.clone());
        self.reached = Some(offset);
        self.unsaved += events;
        if self.save_due.is_none() {
            self.save_due = Some(self.sleep(self.plan.settings.save_after));
        }
    }

    /// Saves how far it came, and what was made on the way.
    pub(super) async fn save(&mut self) -> Result<()> {
        self.save_due = None;
        let Some(offset) = self.reached.clone().filter(|_| self.unsaved > 0) else { return Ok(()) };
        let saved = self.save_as(&self.plan.key, &offset).await;
        saved.map_err(|error| error.context("its offset was not saved"))?;
        self.saved(offset);
        Ok(())
    }

    fn saved(&mut self, offset: Offset) {
        self.unsaved = 0;
        self.save_due = None;
        self.board.change(|status| status.saved = Some(offset));
    }

    /// Handles the group, or the first event of one that failed.
    pub(super) async fn act(&mut self) -> Result<()> {
        let count = if self.singly { 1 } else { self.group.len() };
        let events = self.group.get(..count).unwrap_or_default();
        let offset = if count == self.group.len() {
            self.group_end.clone()
        } else {
            events.last().map(|event| event.offset.clone())
        };
        let offset = offset.expect("a group that is ready holds an event");
        if let Some(event) = events.first().filter(|_| self.singly).cloned()
            && self.lot.holds(&event.persistence_id)
        {
            // An earlier event of its entity was parked since the group was made.
            self.park(&event, WAITS.to_owned()).await?;
            self.take_out(1);
            self.reach(offset, 1);
            return Ok(());
        }
        match self.handle_group(count, &offset).await {
            Ok(()) => self.handled(count, offset).await,
            Err(error) => self.failed(count, offset, error).await,
        }
    }

    async fn handled(&mut self, count: usize, offset: Offset) -> Result<()> {
        let last = count.checked_sub(1).and_then(|last| self.group.get(last));
        let timestamp = last.map(|event| event.event.timestamp);
        self.take_out(count);
        self.reach(offset.clone(), count);
        self.board.handled(count, timestamp);
        if self.work.commits() {
            self.saved(offset);
        } else if self.unsaved >= self.plan.settings.save_after_events {
            self.save().await?;
        }
        Ok(())
    }

    /// The first `count` events of the group are dealt with.
    fn take_out(&mut self, count: usize) {
        self.group.drain(..count.min(self.group.len()));
        self.retry = None;
        if self.group.is_empty() {
            self.end_group();
        }
    }

    pub(super) fn end_group(&mut self) {
        self.group.clear();
        self.group_end = None;
        (self.singly, self.ripe) = (false, false);
        self.group_due = None;
    }

    /// Tries again after a while; then finds the event at fault; then gives it up.
    async fn failed(&mut self, count: usize, offset: Offset, error: HandlerError) -> Result<()> {
        let on_failure = self.plan.settings.on_failure;
        let ids = self.keeper.components.ids.clone();
        let retry = self.retry.get_or_insert_with(|| on_failure.retry.start(ids));
        if let Some(delay) = retry.next_delay() {
            self.measures.retried();
            self.back_off(delay, error.to_string());
            return Ok(());
        }
        self.retry = None;
        if count > 1 {
            self.singly = true;
            return Ok(());
        }
        let Some(event) = self.group.first().cloned() else { return Ok(()) };
        match on_failure.give_up {
            GiveUp::Stop => {
                // What came before it is saved if possible; otherwise it is handled again.
                let _ = self.save().await;
                return Err(gave_up(&event, error));
            }
            GiveUp::Skip => self.board.change(|status| {
                status.skipped += 1;
                status.error = Some(error.to_string());
            }),
            GiveUp::Park => self.park(&event, error.to_string()).await?,
        }
        self.take_out(1);
        self.reach(offset, 1);
        self.board.show(ProjectionPhase::Running);
        Ok(())
    }

    async fn park(&mut self, event: &Envelope, reason: String) -> Result<()> {
        let events_max = self.plan.settings.parked_events_max;
        if self.lot.len() >= events_max {
            return Err(Error::unavailable(format!(
                "{events_max} events are parked already, and event {} of {} would be one more: retry or skip \
                 them",
                event.event.seq_nr, event.persistence_id
            )));
        }
        self.lot.park(self.keeper, event, reason.clone()).await?;
        let parked = self.lot.len();
        self.board.change(|status| {
            status.parked = parked;
            status.error = Some(reason);
        });
        Ok(())
    }
}

fn gave_up(event: &Envelope, error: HandlerError) -> Error {
    let (seq_nr, id) = (event.event.seq_nr, &event.persistence_id);
    Error::unavailable(format!(
        "its handler keeps failing on event {seq_nr} of {id}, and its offset stands before it: {error}"
    ))
    .with_source(error)
}
