//! Where a runner tells how it stands. What changes with each event is told for many events at once, and
//! whenever the runner is about to wait.

use annals_core::{Offset, Timestamp};
use tokio::sync::watch;

use super::handle::{ProjectionPhase, ProjectionStatus};
use super::measures::Measures;

/// How many events are handled before it is told.
const EVENTS_MAX: u64 = 256;

/// What a runner tells of itself. What is not told yet is told when it is dropped.
#[derive(Debug)]
pub(crate) struct Board<'a> {
    status: &'a watch::Sender<ProjectionStatus>,
    measures: &'a Measures,
    /// What was handled since it was told last, and when the newest of it happened.
    handled: u64,
    handled_timestamp: Option<Timestamp>,
    reached: Option<Offset>,
}

impl<'a> Board<'a> {
    pub(crate) fn new(status: &'a watch::Sender<ProjectionStatus>, measures: &'a Measures) -> Self {
        Self { status, measures, handled: 0, handled_timestamp: None, reached: None }
    }

    /// So many events were handled, the newest of which happened then.
    pub(crate) fn handled(&mut self, events: usize, timestamp: Option<Timestamp>) {
        self.handled += u64::try_from(events).unwrap_or(u64::MAX);
        self.handled_timestamp = timestamp.or(self.handled_timestamp);
        if self.handled >= EVENTS_MAX {
            self.tell();
        }
    }

    /// Everything up to `offset` is dealt with.
    pub(crate) fn reached(&mut self, offset: Offset) {
        self.reached = Some(offset);
    }

    /// Tells what was not told yet.
    pub(crate) fn tell(&mut self) {
        if self.handled > 0 || self.reached.is_some() {
            self.change(|_| {});
        }
    }

    /// Changes what is told, together with what was not told yet.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut ProjectionStatus)) {
        let handled = std::mem::take(&mut self.handled);
        let timestamp = self.handled_timestamp.take();
        let (reached, measures) = (self.reached.take(), self.measures);
        if handled > 0 {
            measures.handled(handled, timestamp);
        }
        self.status.send_modify(|status| {
            if handled > 0 {
                status.handled += handled;
                status.handled_timestamp = timestamp.or(status.handled_timestamp);
            }
            if reached.is_some() {
                status.reached = reached;
            }
            let (skipped, parked) = (status.skipped, status.parked);
            change(status);
            measures.given_up(status.skipped - skipped, (parked, status.parked));
        });
    }

    pub(crate) fn show(&mut self, phase: ProjectionPhase) {
        self.change(|status| status.phase = phase);
    }
}

impl Drop for Board<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}
