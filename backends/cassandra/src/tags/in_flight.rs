//! Tagged appends whose rows are not all written yet. A reader goes no further than the earliest of them:
//! what lies before it is complete, as far as this store handle writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::recovered::{MissingRow, RecoveredRows};
use crate::timeuuid::{TimeUuid, TimeUuids};

/// How long a reader waits for an append whose outcome stayed unknown.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    /// How many attempts of the append are under way.
    active: u32,
    /// Until when it counts although none is.
    until: Option<Instant>,
}

/// The appends under way, by the timeuuid of their first event.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    holds: BTreeMap<TimeUuid, Hold>,
    recovered: RecoveredRows,
}

/// How far a reader may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// Everything before it is complete.
    pub(crate) at: TimeUuid,
    /// So many rows had been recovered.
    pub(crate) recovered: u64,
}

impl InFlight {
    /// Draws a timeuuid. A reader that asks for the horizon meanwhile waits, and then sees what the
    /// caller of [`InFlight::enter_drawn`] has entered.
    pub(crate) fn enter_drawn<T>(&self, draw: impl FnOnce() -> (T, Option<TimeUuid>)) -> T {
        let mut state = self.0.lock();
        let (value, first) = draw();
        if let Some(first) = first {
            state.holds.entry(first).or_default().active += 1;
        }
        value
    }

    /// All rows of the append that begins at `first` are written, or it wrote nothing.
    pub(crate) fn leave(&self, first: TimeUuid) {
        self.release(first, None);
    }

    /// What became of it is not known.
    pub(crate) fn leave_unknown(&self, first: TimeUuid) {
        self.release(first, Instant::now().checked_add(UNKNOWN_PATIENCE));
    }

    fn release(&self, first: TimeUuid, until: Option<Instant>) {
        self.0.lock().release(first, until);
    }

    /// These rows, the first of them at `first`, were written now, or may have been.
    pub(super) fn leave_recovered(
        &self,
        first: TimeUuid,
        rows: Vec<MissingRow>,
        uuids: &TimeUuids,
    ) {
        let mut state = self.0.lock();
        rows.into_iter().for_each(|row| state.recovered.push(row, uuids.draw()));
        state.release(first, None);
    }

    pub(super) fn with_recovered<T>(&self, look: impl FnOnce(&RecoveredRows) -> T) -> T {
        look(&self.0.lock().recovered)
    }

    /// Later than all that was drawn, if nothing is under way.
    pub(crate) fn horizon(&self, uuids: &TimeUuids) -> Horizon {
        let mut state = self.0.lock();
        let now = Instant::now();
        let is_held = |hold: &Hold| hold.active > 0 || hold.until.is_some_and(|until| until > now);
        state.holds.retain(|_, hold| is_held(hold));
        let at = state.holds.first_key_value().map_or_else(|| uuids.draw(), |(first, _)| *first);
        Horizon { at, recovered: state.recovered.count() }
    }
}

impl State {
    fn release(&mut self, first: TimeUuid, until: Option<Instant>) {
        let Some(hold) = self.holds.get_mut(&first) else { return };
        hold.active = hold.active.saturating_sub(1);
        hold.until = until;
        if hold.active == 0 && until.is_none() {
            self.holds.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::times::{Manual, Times};

    #[test]
    fn the_horizon_waits_for_the_earliest() {
        let times = Arc::new(Times::new(Manual::at(1_000)));
        let (in_flight, uuids) = (InFlight::default(), TimeUuids::new(7, times));
        let enter = || {
            in_flight.enter_drawn(|| {
                let uuid = uuids.draw();
                (uuid, Some(uuid))
            })
        };
        let (first, second) = (enter(), enter());
        assert_eq!(in_flight.horizon(&uuids).at, first);
        in_flight.leave(first);
        assert_eq!(in_flight.horizon(&uuids).at, second);
        in_flight.leave_unknown(second);
        assert_eq!(in_flight.horizon(&uuids).at, second);
        in_flight.enter_drawn(|| ((), Some(second)));
        in_flight.leave(second);
        assert!(in_flight.horizon(&uuids).at > second);
    }
}
