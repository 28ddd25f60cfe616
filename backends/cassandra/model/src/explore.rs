//! Visits every state of a model, the nearest first, and keeps one fingerprint of each: that is
//! what a large scope has memory for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use crate::{Model, Property, State, Step};

/// A property that does not hold, with the shortest way there.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is broken.
    pub property: Property,
    /// The steps from the start to the state that breaks it.
    pub steps: Vec<Step>,
}

/// What an exploration has seen.
#[derive(Debug, Clone)]
pub struct Report {
    /// How many states there are.
    pub states: usize,
    /// How many steps the farthest is away.
    pub depth: usize,
    /// Whether `states_max` ended it before all were seen.
    pub cut: bool,
    /// The first property that was found broken, which ends it.
    pub found: Option<Found>,
}

/// Fingerprints are hashes already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Each state's fingerprint, with that of the state before it.
type Seen = HashMap<u64, u64, BuildHasherDefault<Identity>>;

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Visits all states of `model`, but no more than `states_max`, until a property is broken.
pub fn explore(model: &Model, states_max: usize) -> Report {
    let start = model.start();
    let root = fingerprint(&start);
    let mut seen = Seen::default();
    seen.insert(root, root);
    let mut level = vec![start];
    let mut report = Report { states: 1, depth: 0, cut: false, found: None };
    while !level.is_empty() {
        let mut below = Vec::new();
        for state in level.drain(..) {
            let from = fingerprint(&state);
            for step in model.steps(&state) {
                let next = model.next(&state, step);
                let to = fingerprint(&next);
                let Entry::Vacant(entry) = seen.entry(to) else { continue };
                entry.insert(from);
                if let Some(property) = model.broken(&next) {
                    report.states = seen.len();
                    report.depth += 1;
                    report.found = Some(Found { property, steps: path(model, &seen, root, to) });
                    return report;
                }
                below.push(next);
            }
        }
        report.states = seen.len();
        if report.states > states_max {
            report.cut = true;
            return report;
        }
        level = below;
        report.depth += usize::from(!level.is_empty());
    }
    report
}

/// The steps from the start to a state, taken again with each replica under its name.
fn path(model: &Model, seen: &Seen, root: u64, to: u64) -> Vec<Step> {
    let mut way = vec![to];
    let mut at = to;
    while at != root {
        let Some(from) = seen.get(&at) else { break };
        way.push(*from);
        at = *from;
    }
    let mut state = model.start();
    let mut steps = Vec::new();
    for wanted in way.into_iter().rev().skip(1) {
        let leads_on = |step: &Step| {
            let next = model.canonical(model.next_as_named(&state, *step));
            fingerprint(&next) == wanted
        };
        let Some(step) = model.steps(&state).into_iter().find(leads_on) else { break };
        steps.push(step);
        state = model.next_as_named(&state, step);
    }
    steps
}
