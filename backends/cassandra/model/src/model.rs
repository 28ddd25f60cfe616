//! The states and steps of the whole: cluster, writers and reader.

use crate::cluster::Cluster;
use crate::ghost::Ghost;
use crate::jvm::Jvm;
use crate::properties;
use crate::reader::Reading;
use crate::scope::Scope;
use crate::step::{JvmStep, Step};
use crate::writer::{World, Writer};
use crate::{Mistake, Property};

/// Everything that is true at one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub(crate) cluster: Cluster,
    /// The first is writer 1.
    pub(crate) writers: Vec<Writer>,
    pub(crate) reader: Option<Reading>,
    pub(crate) jvm: Jvm,
    pub(crate) ghost: Ghost,
    /// A property that the last step broke; nothing follows it.
    pub(crate) broken: Option<Property>,
}

/// The protocol within a scope.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    scope: Scope,
}

impl Model {
    /// The model of `scope`.
    pub fn new(scope: Scope) -> Self {
        Self { scope }
    }

    /// Its bounds.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Before anything happened.
    pub fn start(&self) -> State {
        State {
            cluster: Cluster::new(),
            writers: (0..self.scope.writers).map(|_| Writer::Idle).collect(),
            reader: self.scope.reader.then(Reading::new),
            jvm: Jvm::new(),
            ghost: Ghost::default(),
            broken: None,
        }
    }

    /// Every step that may be next, in a fixed order.
    pub fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        if state.broken.is_some() {
            return steps;
        }
        let cluster = &state.cluster;
        for row in cluster.rows.iter().filter(|row| row.idx == 0) {
            steps.extend(row.pending.iter().map(|replica| Step::LandAppend(row.key, replica)));
        }
        for row in &cluster.revocations {
            let missing = (0..3).filter(|replica| !row.on.has(*replica));
            steps.extend(missing.map(|r| Step::LandRevocation(row.writer, row.claim, r)));
        }
        let behind = (0..3).filter(|replica| cluster.deleted_on(*replica) < cluster.deletion);
        steps.extend(behind.map(Step::LandDeletion));
        steps.extend((0..cluster.updates.len()).map(Step::Happen));
        let mut own = Vec::new();
        let alone = state.jvm.runs() && !self.scope.makes(Mistake::BothAtOnce);
        for (me, writer) in (1..).zip(&state.writers).filter(|_| !alone) {
            writer.steps(me, &self.scope, cluster, &mut own);
            steps.extend(own.drain(..).map(|step| Step::Writer(me, step)));
        }
        let mut own = Vec::new();
        state.jvm.steps(&self.scope, cluster, &state.writers, &mut own);
        steps.extend(own.into_iter().map(Step::Jvm));
        let mut own = Vec::new();
        if let Some(reader) = &state.reader {
            reader.steps(&mut own);
        }
        steps.extend(own.into_iter().map(Step::Reader));
        steps
    }

    /// The state after a step, with its replicas renamed so that states which differ in their names
    /// alone are one.
    pub fn next(&self, state: &State, step: Step) -> State {
        self.canonical(self.next_as_named(state, step))
    }

    /// The state after a step, each replica under its name.
    pub(crate) fn next_as_named(&self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        if let Err(property) = self.take(&mut next, step) {
            next.broken = Some(property);
        }
        next
    }

    pub(crate) fn canonical(&self, mut state: State) -> State {
        state.cluster = state.cluster.canonical(&self.scope);
        state
    }

    fn take(&self, state: &mut State, step: Step) -> Result<(), Property> {
        let scope = &self.scope;
        let cluster = &mut state.cluster;
        match step {
            Step::LandAppend(key, replica) => cluster.land(key, replica),
            Step::LandRevocation(writer, claim, replica) => {
                cluster.land_revocation(writer, claim, replica);
            }
            Step::LandDeletion(replica) => cluster.land_deletion(replica),
            Step::Happen(index) => {
                let update = cluster.updates.remove(index);
                cluster.apply(scope, update);
            }
            Step::Writer(me, step) => {
                let ghost = &mut state.ghost;
                if let Some(place) = state.writers.get_mut(usize::from(me) - 1) {
                    let writer = std::mem::replace(place, Writer::Idle);
                    *place = writer.step(me, &mut World { scope, cluster, ghost }, step)?;
                }
            }
            Step::Jvm(step) => {
                if step == JvmStep::Start && !scope.makes(Mistake::BothAtOnce) {
                    state.writers.iter_mut().for_each(Writer::rest);
                }
                state.jvm.step(scope, cluster, &mut state.ghost, step)?;
            }
            Step::Reader(step) => {
                if let Some(reader) = &mut state.reader {
                    reader.step(scope, cluster, &mut state.ghost, &state.jvm, step)?;
                }
            }
        }
        Ok(())
    }

    /// The property that the state breaks.
    pub fn broken(&self, state: &State) -> Option<Property> {
        properties::broken(&self.scope, state)
    }
}
