//! Which entities of a shard have been idle long enough to leave memory. Pure; time comes in ticks.
//!
//! Entities stand in a queue by the tick at which they are looked at next. An entity that was active
//! since it was queued goes to the end again: so each is looked at about once in a period, whatever
//! comes for it, and under pressure the front holds those that were idle longest (a clock, as in
//! page replacement).

use std::collections::VecDeque;

use annals_core::PersistenceId;

/// How many ticks one period of idleness has: an entity leaves at most a quarter of a period late.
pub(crate) const TICKS: u64 = 4;

/// The most entities looked at in one go, so that the worker soon turns to commands again.
const LOOKS_MAX: usize = 256;

/// The most entities that one arrival over the bound makes the clock look at.
const LOOKS_UNDER_PRESSURE: usize = 8;

/// One stay of an entity in memory, so that a place in the queue is never taken for a later stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay(u64);

/// What the shard knows of an entity in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It left, or is here for another stay.
    Gone,
    /// It is here; its last command came at this tick.
    ActiveAt(u64),
}

/// The entities of a shard in the order in which they are looked at.
#[derive(Debug, Default)]
pub(crate) struct Idlers {
    queue: VecDeque<Entry>,
    tick: u64,
    stays: u64,
}

#[derive(Debug)]
struct Entry {
    id: PersistenceId,
    stay: Stay,
    queued_at: u64,
}

impl Idlers {
    /// The present tick.
    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }

    /// The next tick begins.
    pub(crate) fn advance(&mut self) {
        self.tick = self.tick.saturating_add(1);
    }

    /// An entity entered memory.
    pub(crate) fn enter(&mut self, id: PersistenceId) -> Stay {
        self.stays = self.stays.wrapping_add(1);
        let stay = Stay(self.stays);
        self.queue.push_back(Entry { id, stay, queued_at: self.tick });
        stay
    }

    /// Some entities that were idle for a period, and whether more may be due at this tick.
    pub(crate) fn due(
        &mut self,
        look: impl Fn(&PersistenceId, Stay) -> Look,
    ) -> (Vec<PersistenceId>, bool) {
        let mut idle = Vec::new();
        for _ in 0..LOOKS_MAX {
            let due = |entry: &Entry| entry.queued_at.saturating_add(TICKS) <= self.tick;
            if !self.queue.front().is_some_and(due) {
                return (idle, false);
            }
            self.look_at_front(
                &look,
                |active_at, tick| active_at.saturating_add(TICKS) <= tick,
                &mut idle,
            );
        }
        (idle, true)
    }

    /// An entity to leave because there are too many, if one of those at the front was not active
    /// since it was queued.
    pub(crate) fn under_pressure(
        &mut self,
        look: impl Fn(&PersistenceId, Stay) -> Look,
    ) -> Option<PersistenceId> {
        let mut idle = Vec::new();
        for _ in 0..LOOKS_UNDER_PRESSURE {
            let queued_at = self.queue.front()?.queued_at;
            self.look_at_front(&look, |active_at, _| active_at <= queued_at, &mut idle);
            if !idle.is_empty() {
                break;
            }
        }
        idle.pop()
    }

    /// Takes the front; an entity that is still here goes to the end, in case it cannot leave now.
    fn look_at_front(
        &mut self,
        look: impl Fn(&PersistenceId, Stay) -> Look,
        is_idle: impl Fn(u64, u64) -> bool,
        idle: &mut Vec<PersistenceId>,
    ) {
        let Some(mut entry) = self.queue.pop_front() else { return };
        if let Look::ActiveAt(active_at) = look(&entry.id, entry.stay) {
            if is_idle(active_at, self.tick) {
                idle.push(entry.id.clone());
            }
            entry.queued_at = self.tick;
            self.queue.push_back(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> PersistenceId {
        PersistenceId::of("entity", &number.to_string()).unwrap()
    }

    #[test]
    fn an_entity_is_due_a_period_after_its_last_command() {
        let mut idlers = Idlers::default();
        idlers.enter(id(1));
        let mut left_at = None;
        for _ in 0..20 {
            idlers.advance();
            let (idle, more) = idlers.due(|_, _| Look::ActiveAt(3));
            assert!(!more);
            if !idle.is_empty() {
                left_at.get_or_insert(idlers.tick());
            }
        }
        assert!((3 + TICKS..=3 + 2 * TICKS).contains(&left_at.unwrap()), "{left_at:?}");
    }

    #[test]
    fn one_that_is_gone_is_forgotten() {
        let mut idlers = Idlers::default();
        idlers.enter(id(1));
        (0..TICKS).for_each(|_| idlers.advance());
        assert_eq!(idlers.due(|_, _| Look::Gone), (vec![], false));
        assert!(idlers.queue.is_empty());
    }

    #[test]
    fn many_that_are_due_are_looked_at_in_several_goes() {
        let mut idlers = Idlers::default();
        (0..LOOKS_MAX + 1).for_each(|number| {
            idlers.enter(id(number));
        });
        (0..TICKS).for_each(|_| idlers.advance());
        let (first, more) = idlers.due(|_, _| Look::ActiveAt(0));
        assert_eq!((first.len(), more), (LOOKS_MAX, true));
        let (second, more) = idlers.due(|_, _| Look::ActiveAt(0));
        assert_eq!((second.len(), more), (1, false));
    }

    #[test]
    fn under_pressure_the_active_are_spared() {
        let mut idlers = Idlers::default();
        (0..3).for_each(|number| {
            idlers.enter(id(number));
        });
        idlers.advance();
        let look = |entity: &PersistenceId, _| Look::ActiveAt(u64::from(*entity == id(0)));
        assert_eq!(idlers.under_pressure(look), Some(id(1)));
    }
}
