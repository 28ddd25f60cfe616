//! What the application holds of a running projection.

use std::time::Duration;

use annals_core::{Error, Offset, PersistenceId, Result, Scope, Store, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use super::Share;
use super::lot::ParkedEvent;
use super::settings::Components;

/// What a projection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProjectionPhase {
    /// It was not polled yet, or loads its offset.
    #[default]
    Starting,
    /// It handles events, or waits for some.
    Running,
    /// Its handler or the store failed, and is tried again after a while.
    BackingOff,
    /// It was paused.
    Paused,
    /// It was stopped, or its future was dropped.
    Stopped,
    /// It ended with an error.
    Failed,
}

/// How a projection stands. What is counted begins when it is run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProjectionStatus {
    /// What it is doing.
    pub phase: ProjectionPhase,
    /// How many events were handled.
    pub handled: u64,
    /// How many were skipped.
    pub skipped: u64,
    /// How many events are parked now.
    pub parked: usize,
    /// Up to where everything was handled, skipped or parked.
    pub reached: Option<Offset>,
    /// The offset that is saved: where it resumes after a crash.
    pub saved: Option<Offset>,
    /// When the event that was handled last happened.
    pub handled_timestamp: Option<Timestamp>,
    /// What failed last.
    pub error: Option<String>,
}

/// How far a projection is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lag {
    /// How many events wait.
    pub events: usize,
    /// Whether there are more than that; they were not counted.
    pub more: bool,
    /// How long ago the oldest of them happened; zero when none waits.
    pub age: Duration,
}

/// What is asked of the runner.
#[derive(Debug)]
pub(crate) enum Command {
    Stop,
    Pause(Answer<()>),
    Resume(Answer<()>),
    Rewind(Option<Offset>, Answer<()>),
    Parked(Answer<Vec<ParkedEvent>>),
    RetryParked(Option<PersistenceId>, Answer<()>),
    SkipParked(PersistenceId, Answer<()>),
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T>>;

/// Steers a projection and looks at it. Cheap to clone; dropping it stops nothing.
#[derive(Debug, Clone)]
pub struct ProjectionHandle {
    pub(crate) key: String,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) status: watch::Receiver<ProjectionStatus>,
    pub(crate) store: Store,
    pub(crate) scope: Scope,
    pub(crate) share: Share,
    pub(crate) components: Components,
}

impl ProjectionHandle {
    /// The name under which its offset is saved.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it stands.
    pub fn status(&self) -> ProjectionStatus {
        let mut status = self.status.borrow().clone();
        let ended = self.status.has_changed().is_err();
        if ended && status.phase != ProjectionPhase::Failed {
            status.phase = ProjectionPhase::Stopped;
        }
        status
    }

    /// Waits until its status meets `condition`.
    ///
    /// # Errors
    /// `Closed` if it ended before.
    pub async fn wait_for(
        &self,
        condition: impl FnMut(&ProjectionStatus) -> bool,
    ) -> Result<ProjectionStatus> {
        let mut status = self.status.clone();
        let found = status.wait_for(condition).await;
        found.map(|status| status.clone()).map_err(|_| self.ended())
    }

    /// Stops it after the event in hand; its offset is saved, and its future ends with `Ok`.
    pub async fn stop(&self) {
        // One that has ended needs no stop.
        let _ = self.commands.send(Command::Stop).await;
    }

    /// Handles nothing more until it is resumed. Not remembered when it is run anew.
    ///
    /// # Errors
    /// `Closed` if it ended; what the store answers to saving the offset.
    pub async fn pause(&self) -> Result<()> {
        self.ask(Command::Pause).await
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// `Closed` if it ended.
    pub async fn resume(&self) -> Result<()> {
        self.ask(Command::Resume).await
    }

    /// Goes on behind `offset`, or from the beginning without; paused or not. Events in between are
    /// handled again, also by an exactly-once projection. The new offset is saved at once; from the
    /// beginning, with the first event. Parked events that lie ahead then wait no more.
    ///
    /// # Errors
    /// `Invalid` for an offset of another store, and it goes on as before; `Closed` if it ended.
    pub async fn rewind(&self, offset: Option<Offset>) -> Result<()> {
        self.ask(|answer| Command::Rewind(offset, answer)).await
    }

    /// The parked events, by entity, in order.
    ///
    /// # Errors
    /// `Closed` if it ended.
    pub async fn parked(&self) -> Result<Vec<ParkedEvent>> {
        self.ask(Command::Parked).await
    }

    /// Handles the parked events of `id` (of all entities without), in order. When all are handled,
    /// the entity's new events are handled as usual.
    ///
    /// # Errors
    /// `Unavailable` if the handler fails again: that event and what waits for it stay parked;
    /// `Invalid` if the event was deleted meanwhile (skip it); `Closed` if the projection ended.
    pub async fn retry_parked(&self, id: Option<PersistenceId>) -> Result<()> {
        self.ask(|answer| Command::RetryParked(id, answer)).await
    }

    /// Leaves out the first parked event of `id`, and handles those that wait for it.
    ///
    /// # Errors
    /// As [`ProjectionHandle::retry_parked`], of the events that follow; `Invalid` if none is parked.
    pub async fn skip_parked(&self, id: PersistenceId) -> Result<()> {
        self.ask(|answer| Command::SkipParked(id, answer)).await
    }

    /// How far it is behind, counting up to `events_max` events. It reads them, so it is as dear as
    /// `events_max` is large; 1 is enough for the age.
    ///
    /// # Errors
    /// What the store answers to a read.
    pub async fn lag(&self, events_max: usize) -> Result<Lag> {
        let events_max = events_max.max(1);
        let mut after = self.status().reached;
        let mut lag = Lag::default();
        loop {
            let journal = &self.store.read_journal;
            let page_max = events_max.min(1_000);
            let page = journal.page(&self.scope, after.as_ref(), None, page_max).await?;
            let own = page.events().iter().filter(|envelope| self.share.holds(envelope));
            for envelope in own {
                if lag.events == events_max {
                    lag.more = true;
                    return Ok(lag);
                }
                if lag.events == 0 {
                    let now = self.components.clock.now().as_millis();
                    let age = now.saturating_sub(envelope.event.timestamp.as_millis());
                    lag.age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
                }
                lag.events += 1;
            }
            if page.at_end() || page.next().is_none() {
                return Ok(lag);
            }
            after = page.next().cloned();
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> Error {
        let cause = self.status.borrow().error.clone().map(|error| format!(": {error}"));
        let cause = cause.unwrap_or_default();
        Error::closed(format!("the projection {} is not running{cause}", self.key))
    }
}
