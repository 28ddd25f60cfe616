//! What must hold at each step, and at the end of a history.

use std::collections::HashMap;

use annals_core::{Codec, PersistenceId};

use super::model::{Entry, Event, Kind, Ledger};
use super::{Place, World};
use crate::reply::Answer;

impl World {
    /// What the behaviour noted while one input was handled at `place`.
    pub(super) fn check_entries(&mut self, place: &Place, entries: Vec<Entry>) {
        let seed = self.seed;
        for entry in entries {
            match entry {
                Entry::TimerStarted { number, key } => {
                    self.timers.insert((place.clone(), key), number);
                }
                Entry::TimerCancelled { key } => {
                    self.timers.remove(&(place.clone(), key));
                }
                // Neither one that was replaced or cancelled nor one of an entity that stopped.
                Entry::Tick { number, key } => {
                    let runs = self.timers.get(&(place.clone(), key));
                    assert_eq!(runs, Some(&number), "seed {seed}: timer {key} of {place:?}");
                    self.ticks += 1;
                }
                Entry::Stopping => self.timers.retain(|(of, _), _| of != place),
                Entry::Recovered(state) => {
                    let fold = self.fold(&place.1);
                    assert_eq!(fold.get(&state.count), Some(&state), "seed {seed}: recovered");
                    let is_new = self.alive.insert(place.clone());
                    assert!(is_new, "seed {seed}: {place:?} recovered twice");
                }
                Entry::Stopped => {
                    let was_there = self.alive.remove(place);
                    assert!(was_there, "seed {seed}: {place:?} stopped, but was not recovered");
                }
                Entry::Deleted => self.deletes += 1,
            }
        }
    }

    /// The state after each number of events.
    pub(super) fn fold(&self, id: &PersistenceId) -> HashMap<u64, Ledger> {
        let mut state = Ledger::default();
        let mut states = HashMap::from([(0, state)]);
        for payload in &self.histories[id].events {
            let event: Event = self.codec.decode(payload).unwrap();
            crate::EventSourced::apply(&mut state, &event);
            states.insert(state.count, state);
        }
        states
    }

    /// The places of each command's events in a journal.
    fn stored(&self, id: &PersistenceId) -> HashMap<u64, Vec<u64>> {
        let mut stored: HashMap<_, Vec<_>> = HashMap::new();
        for (payload, number) in self.histories[id].events.iter().zip(1..) {
            let event: Event = self.codec.decode(payload).unwrap();
            stored.entry(event.command).or_default().push(number);
        }
        stored
    }

    pub(super) fn collect_answers(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        for asked in &mut asked {
            let Some(answer) = asked.answer.as_ref().and_then(Answer::try_take) else { continue };
            asked.answer = None;
            let outcome = match answer {
                Ok(seen) => {
                    self.check_seen(&asked.id, asked.number, asked.kind, seen);
                    "ok"
                }
                Err(error) => error.kind().name(),
            };
            self.outcomes.insert(asked.number, outcome);
        }
        self.asked = asked;
    }

    /// What a command that was answered saw is stored, and is the state after its own events.
    fn check_seen(&self, id: &PersistenceId, number: u64, kind: Kind, seen: Ledger) {
        let context = format!("seed {}: command {number} ({kind:?}) saw {seen:?}", self.seed);
        assert_eq!(self.fold(id).get(&seen.count), Some(&seen), "{context}");
        if let Some(numbers) = self.stored(id).get(&number) {
            assert_eq!(numbers.last(), Some(&seen.count), "{context}");
        } else {
            assert!(
                matches!(
                    kind,
                    Kind::Persist(0)
                        | Kind::Read
                        | Kind::ReadWhenEven
                        | Kind::Stop
                        | Kind::StartTimer { persists: false, .. }
                        | Kind::CancelTimer(_)
                ),
                "{context}"
            );
        }
    }

    pub(super) fn check(&self) {
        let seed = self.seed;
        for (id, history) in &self.histories {
            let states = self.fold(id);
            for (payload, number) in history.events.iter().zip(1_u64..) {
                let event: Event = self.codec.decode(payload).unwrap();
                let base = number - 1 - event.index;
                assert_eq!(states.get(&base), Some(&event.decided_on), "seed {seed}: {event:?}");
            }
            for (command, numbers) in self.stored(id) {
                let first: Event = self
                    .codec
                    .decode(&history.events[usize::try_from(numbers[0] - 1).unwrap()])
                    .unwrap();
                assert_eq!(
                    u64::try_from(numbers.len()).unwrap(),
                    first.of,
                    "seed {seed}: once, whole"
                );
                let outcome = self.outcomes[&command];
                let may_be_stored =
                    ["ok", "gone", "crashed", "outcome unknown", "internal"].contains(&outcome);
                assert!(may_be_stored, "seed {seed}: command {command} was told {outcome}");
            }
        }
        for asked in &self.asked {
            assert!(asked.answer.is_none(), "seed {seed}: {} waits for ever", asked.number);
        }
        let runs = self.runs.lock();
        for (number, seen) in runs.iter() {
            let asked = self.asked.iter().find(|asked| asked.number == *number).unwrap();
            self.check_seen(&asked.id, *number, asked.kind, *seen);
            assert_eq!(runs.iter().filter(|run| run.0 == *number).count(), 1, "seed {seed}");
        }
    }
}
