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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Context, Effect};

    #[derive(Default)]
    struct Unit;

    impl EventSourced for Unit {
        const ENTITY_TYPE: &'static str = "unit";
        type Command = u8;
        type Event = ();

        fn handle(&self, _command: u8, _cx: &Context<'_>) -> Effect<Self> {
            Effect::none()
        }

        fn apply(&mut self, (): &()) {}
    }

    fn start(
        timers: &mut Timers<Unit>,
        key: &str,
        timer: Timer,
        command: u8,
    ) -> (TimerId, Option<TimerId>) {
        let mut out = Vec::new();
        timers.change(TimerStep { key: key.into(), start: Some((timer, command)) }, &mut out);
        let cancelled = out.iter().find_map(|output| match output {
            Output::CancelTimer(id) => Some(*id),
            _ => None,
        });
        (started(&out).unwrap(), cancelled)
    }

    fn started(out: &[Output<Unit>]) -> Option<TimerId> {
        out.iter().find_map(|output| match output {
            Output::StartTimer(id, _) => Some(*id),
            _ => None,
        })
    }

    #[test]
    fn only_the_present_start_of_a_key_counts() {
        let mut timers = Timers::<Unit>::new();
        let (once, every) = (Timer::Once(Duration::ZERO), Timer::Every(Duration::ZERO));
        let (first, _) = start(&mut timers, "key", once, 1);
        let (second, cancelled) = start(&mut timers, "key", every, 2);
        assert_eq!(cancelled, Some(first));
        let mut out = Vec::new();
        assert!(timers.passed(first, &mut out).is_none(), "it was replaced");
        let (_, envelope) = timers.passed(second, &mut out).unwrap();
        assert_eq!(envelope.command, 2);
        let third = started(&out).unwrap();
        assert!(timers.passed(second, &mut out).is_none(), "it is over");
        assert!(timers.passed(third, &mut out).is_some(), "it began anew");

        timers.clear(&mut out);
        assert!(timers.is_empty() && timers.passed(third, &mut out).is_none());
        let (fourth, _) = start(&mut timers, "key", once, 1);
        assert!(timers.passed(fourth, &mut out).is_some() && timers.is_empty());
    }
}
