//! What must hold in every state.

use crate::cluster::Replicas;
use crate::model::{Model, State};
use crate::replay::Replay;
use crate::scope::Scope;
use crate::writer::World;

/// A property of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Nothing acknowledged, delivered or kept by a claimant is missing later, or changes.
    NothingLost,
    /// No number is acknowledged twice.
    NothingTwice,
    /// The history reaches to where the newest claim begins.
    NoHole,
    /// An append is whole or absent.
    Whole,
    /// Every writer, going on alone, gets an event acknowledged.
    Progress,
}

impl Property {
    /// All properties.
    pub const ALL: [Self; 5] =
        [Self::NothingLost, Self::NothingTwice, Self::NoHole, Self::Whole, Self::Progress];

    /// The property in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::NothingLost => "nothing acknowledged, delivered or kept is missing or changes",
            Self::NothingTwice => "no number is acknowledged twice",
            Self::NoHole => "no hole below the newest claim",
            Self::Whole => "an append is whole or absent",
            Self::Progress => "every writer, going on alone, gets an event acknowledged",
        }
    }
}

/// The property that a state breaks.
pub(crate) fn broken(scope: &Scope, state: &State) -> Option<Property> {
    if let Some(property) = state.broken {
        return Some(property);
    }
    let deleted = state.cluster.claim_row.deleted;
    for pair in Replicas::PAIRS {
        let view = Replay::view(scope, &state.cluster, pair);
        for (number, promise) in state.ghost.iter().filter(|(number, _)| *number > deleted) {
            let here = |first, last| first <= number && number <= last;
            let mut whole = view.whole.iter();
            if !whole.any(|whole| whole.key == promise.key && here(whole.first, whole.last)) {
                return Some(Property::NothingLost);
            }
        }
        if view.end() + 1 < state.cluster.claim_row.from {
            return Some(Property::NoHole);
        }
    }
    for (_, promise) in state.ghost.iter() {
        let first = promise.key.first.max(deleted + 1);
        for number in first..=promise.key.first + promise.cnt {
            if state.ghost.promised(number).is_none_or(|other| other.key != promise.key) {
                return Some(Property::Whole);
            }
        }
    }
    // While a JVM has the entity, no writer goes on.
    let alone = scope.progress && !state.jvm.runs();
    if alone && !(1..=scope.writers).all(|writer| goes_on(scope, state, writer)) {
        return Some(Property::Progress);
    }
    None
}

/// Whether a writer gets an event acknowledged when nobody else does anything.
fn goes_on(scope: &Scope, state: &State, me: u8) -> bool {
    // A claim over its own, one over another's, and an append, row by row, need fewer.
    const STEPS_MAX: usize = 64;
    let unbounded = Scope { claims: u8::MAX, numbers: u8::MAX, ..*scope };
    Replicas::PAIRS.into_iter().all(|pair| {
        let mut state = state.clone();
        let before = state.ghost.acknowledged();
        for _ in 0..STEPS_MAX {
            if Model::new(unbounded).go_alone(&mut state, me, pair).is_err() {
                return false;
            }
            if state.ghost.acknowledged() > before {
                return true;
            }
        }
        false
    })
}

impl Model {
    fn go_alone(&self, state: &mut State, me: u8, pair: Replicas) -> Result<(), Property> {
        let Some(place) = state.writers.get_mut(usize::from(me) - 1) else { return Ok(()) };
        let writer = std::mem::replace(place, crate::writer::Writer::Idle);
        let (revocation, append) = writer.awaits();
        for replica in 0..3 {
            if let Some(seen) = revocation {
                state.cluster.land_revocation(seen.writer, seen.claim, replica);
                state.cluster.land_revocation(seen.writer, 0, replica);
            }
            if let Some(key) = append {
                state.cluster.land(key, replica);
            }
        }
        let step = writer.alone(pair);
        let mut world =
            World { scope: self.scope(), cluster: &mut state.cluster, ghost: &mut state.ghost };
        *place = writer.step(me, &mut world, step)?;
        Ok(())
    }
}
