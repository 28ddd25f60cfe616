//! The timers of one entity, by key. Pure: the driver lets the time pass, and tells which timer is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Envelope, Output};
use crate::EventSourced;
use crate::effect::{Timer, TimerStep};

/// One start of a timer; a later start under the same key is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimerId(u64);

struct Entry<B: EventSourced> {
    id: TimerId,
    timer: Timer,
    command: B::Command,
}

/// The timers that run. Costs no allocation while none does.
pub(super) struct Timers<B: EventSourced> {
    by_key: BTreeMap<Arc<str>, Entry<B>>,
    started: u64,
}

impl<B: EventSourced> Timers<B> {
    pub(super) fn new() -> Self {
        Self { by_key: BTreeMap::new(), started: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Starts or cancels a timer; one that ran under the same key is cancelled.
    pub(super) fn change(&mut self, step: TimerStep<B>, out: &mut Vec<Output<B>>) {
        let TimerStep { key, start } = step;
        self.cancel(&key, out);
        let Some((timer, command)) = start else { return };
        let id = self.fresh();
        out.push(Output::StartTimer(id, timer.after()));
        self.by_key.insert(key, Entry { id, timer, command });
    }

    /// The time of `id` has passed: its key and command, if it was not cancelled meanwhile. One that
    /// is periodic begins anew.
    pub(super) fn passed(
        &mut self,
        id: TimerId,
        out: &mut Vec<Output<B>>,
    ) -> Option<(Arc<str>, Envelope<B>)> {
        let (key, entry) = self.by_key.iter_mut().find(|(_, entry)| entry.id == id)?;
        let key = key.clone();
        let envelope = Envelope::of_timer(entry.command.clone(), key.clone());
        match entry.timer {
            Timer::Every(period) => {
                self.started += 1;
                entry.id = TimerId(self.started);
                out.push(Output::StartTimer(entry.id, period));
            }
            Timer::Once(_) => {
                self.by_key.remove(&key);
            }
        }
        Some((key, envelope))
    }

    /// Cancels all.
    pub(super) fn clear(&mut self, out: &mut Vec<Output<B>>) {
        let timers = std::mem::take(&mut self.by_key);
        out.extend(timers.into_values().map(|entry| Output::CancelTimer(entry.id)));
    }

    fn cancel(&mut self, key: &str, out: &mut Vec<Output<B>>) {
        let cancelled = self.by_key.remove(key);
        out.extend(cancelled.map(|entry| Output::CancelTimer(entry.id)));
    }

    fn fresh(&mut self) -> TimerId {
        self.started += 1;
        TimerId(self.started)
    }
}
