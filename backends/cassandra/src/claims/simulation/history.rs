//! What was promised during a run, and whether it still holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use annals_core::{Append, AppendId, PersistenceId, SeqNr};
use parking_lot::Mutex;

use super::replay::Read;

#[derive(Debug, Default)]
struct State {
    /// What each number holds for good, as somebody was told.
    promised: HashMap<PersistenceId, BTreeMap<SeqNr, AppendId>>,
    /// The highest number that somebody was told of.
    highest: HashMap<PersistenceId, SeqNr>,
    refused: HashSet<AppendId>,
    acknowledged: usize,
}

impl State {
    fn promise(&mut self, id: &PersistenceId, seq_nr: SeqNr, event: AppendId) {
        let numbers = self.promised.entry(id.clone()).or_default();
        let before = numbers.insert(seq_nr, event);
        assert!(before.is_none_or(|b| b == event), "{id} {seq_nr} held {before:?}, now {event}");
        assert!(!self.refused.contains(&event), "{id} {seq_nr}: {event} was refused");
        let highest = self.highest.entry(id.clone()).or_default();
        *highest = (*highest).max(seq_nr);
    }
}

/// The promises of a run.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<State>);

impl Log {
    pub(super) fn acknowledged(&self, append: &Append) {
        let mut state = self.0.lock();
        state.acknowledged += 1;
        let range = append.range();
        let mut number = range.from;
        while number <= range.to {
            state.promise(append.id(), number, append.append_id());
            number = number.next();
        }
    }

    /// The caller was told that nothing of it is stored.
    pub(super) fn refused(&self, append: &Append) {
        let mut state = self.0.lock();
        let id = append.append_id();
        let stored = state.promised.values().any(|numbers| numbers.values().any(|e| *e == id));
        assert!(!stored, "{id} was refused, and is stored");
        state.refused.insert(id);
    }

    pub(super) fn delivered(&self, id: &PersistenceId, events: &[(SeqNr, AppendId)]) {
        let mut state = self.0.lock();
        events.iter().for_each(|(seq_nr, event)| state.promise(id, *seq_nr, *event));
    }

    /// The highest number promised so far.
    pub(super) fn highest(&self, id: &PersistenceId) -> SeqNr {
        self.0.lock().highest.get(id).copied().unwrap_or_default()
    }

    pub(super) fn acknowledgements(&self) -> usize {
        self.0.lock().acknowledged
    }

    /// The history that is read in the end holds every promise, in order, without a hole, and each
    /// append once.
    pub(super) fn agrees(&self, id: &PersistenceId, read: &Read) {
        let state = self.0.lock();
        let mut expected = read.deleted_to.next();
        let mut firsts: HashMap<AppendId, SeqNr> = HashMap::new();
        let mut before = None;
        for (seq_nr, event) in &read.events {
            assert_eq!(*seq_nr, expected, "{id} has a hole");
            expected = expected.next();
            assert!(!state.refused.contains(event), "{id} {seq_nr}: {event} was refused");
            if before != Some(event) {
                let twice = firsts.insert(*event, *seq_nr);
                assert!(twice.is_none(), "{id}: {event} is stored at {twice:?} and {seq_nr}");
            }
            before = Some(event);
        }
        let events: HashMap<_, _> = read.events.iter().copied().collect();
        for (seq_nr, event) in state.promised.get(id).into_iter().flatten() {
            if *seq_nr > read.deleted_to {
                assert_eq!(events.get(seq_nr), Some(event), "{id} {seq_nr} is lost");
            }
        }
    }
}
