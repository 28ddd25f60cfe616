//! The crate `stateright` explores the same model: an explorer that we did not write finds the same
//! states, and the same properties broken.

use annals_cassandra_model::{Mistake, Model, Scope, State, Step, explore};
use stateright::{Checker, Property};

/// The model under the trait of `stateright`.
#[derive(Debug, Clone)]
struct Checked(Model);

const HOLDS: &str = "every property holds";

impl stateright::Model for Checked {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.0.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        actions.extend(self.0.steps(state));
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.0.next(state, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLDS, |model: &Self, state| model.0.broken(state).is_none())]
    }
}

fn check(scope: Scope) -> impl Checker<Checked> {
    stateright::Model::checker(Checked(Model::new(scope))).spawn_bfs().join()
}

#[test]
fn stateright_finds_the_same_states() {
    let scope = Scope { numbers: 1, reader: false, progress: true, ..Scope::default() };

    let ours = explore(&Model::new(scope), usize::MAX);
    let theirs = check(scope);

    theirs.assert_no_discovery(HOLDS);
    assert!(ours.found.is_none(), "{:?}", ours.found);
    assert_eq!(theirs.unique_state_count(), ours.states);
}

#[test]
fn stateright_finds_a_mistake() {
    let scope = Scope { numbers: 1, reader: false, ..Scope::default() };
    let scope = Scope { mistake: Some(Mistake::NoRevocation), ..scope };

    let theirs = check(scope);

    assert!(theirs.discovery(HOLDS).is_some());
}
