//! Projections: a handler that is fed all events of a source, once and for all.
//!
//! ```text
//! pages ──► group ──► handler ──► offset (after some events, a while, or with the result)
//!             │          │
//!             │          └─ fails: again, after a back-off; then stop, skip or park
//!             └─ events of an entity with a parked one are parked as well
//! ```

mod handle;
mod handler;
mod settings;

mod board;
mod keeper;
mod lot;
mod measures;
mod runner;
mod work;

use std::fmt;

use annals_core::{Envelope, Error, PersistenceId, Result, SliceRange, Store, WriterId};
use tokio::sync::{mpsc, watch};

pub use handle::{Lag, ProjectionHandle, ProjectionPhase, ProjectionStatus};
pub use handler::{GroupedHandler, Handler, HandlerError, Producer, Transactional};
pub use lot::ParkedEvent;
pub use runner::ProjectionRunner;
pub use settings::{Components, GiveUp, Instance, OnFailure, ProjectionSettings, Source};

use runner::Plan;
use work::{Following, Producing, Transaction, Work};

/// How many commands wait for a runner.
const COMMANDS_MAX: usize = 16;

/// Builds a projection. The last step takes the handler, which decides on the guarantee, and gives the
/// runner, a future that the application spawns, and the handle that steers it.
#[must_use = "a builder does nothing until it is given a handler"]
#[derive(Debug, Clone)]
pub struct Projection {
    name: String,
    source: Source,
    store: Store,
    components: Components,
    instance: Instance,
    settings: ProjectionSettings,
}

impl Projection {
    /// The projection `name` of the events of `source`. The name says under which name its offset is
    /// saved, so it is never used for another.
    pub fn new(
        name: impl Into<String>,
        source: Source,
        store: Store,
        components: Components,
    ) -> Self {
        let settings = ProjectionSettings::default();
        Self { name: name.into(), source, store, components, instance: Instance::ONLY, settings }
    }

    /// One of several instances; see [`Instance`].
    pub fn with_instance(mut self, instance: Instance) -> Self {
        self.instance = instance;
        self
    }

    /// With these settings.
    pub fn with_settings(mut self, settings: ProjectionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Handles each event at least once (P1).
    ///
    /// # Errors
    /// `Invalid` for a name that is empty or holds `@`, `!` or `:`, or for too many instances.
    pub fn at_least_once(
        self,
        handler: impl Handler,
    ) -> Result<(ProjectionRunner, ProjectionHandle)> {
        self.build(true, |_| Box::new(Following::one_by_one(handler)))
    }

    /// Handles each event at least once (P1), many together.
    ///
    /// # Errors
    /// As [`Projection::at_least_once`].
    pub fn grouped(
        self,
        handler: impl GroupedHandler,
    ) -> Result<(ProjectionRunner, ProjectionHandle)> {
        self.build(true, |_| Box::new(Following::in_groups(handler)))
    }

    /// Appends the results of each event to the entity `results` of the same store exactly once (P2).
    /// Each instance needs an entity of its own, which nobody else writes to.
    ///
    /// # Errors
    /// As [`Projection::at_least_once`]; `Unsupported` where the store keeps no offsets.
    pub fn exactly_once(
        self,
        results: PersistenceId,
        producer: impl Producer,
    ) -> Result<(ProjectionRunner, ProjectionHandle)> {
        self.build(true, |writer| Box::new(Producing::new(producer, results, writer)))
    }

    /// Hands events to a handler that stores result and offset in one transaction (P2), many together.
    ///
    /// # Errors
    /// As [`Projection::at_least_once`].
    pub fn transactional(
        self,
        handler: impl Transactional,
    ) -> Result<(ProjectionRunner, ProjectionHandle)> {
        self.build(false, |_| Box::new(Transaction(handler)))
    }

    fn build(
        self,
        keeps_offsets: bool,
        work: impl FnOnce(WriterId) -> Box<dyn Work>,
    ) -> Result<(ProjectionRunner, ProjectionHandle)> {
        if self.name.is_empty() || self.name.contains(['@', '!', ':']) {
            let message =
                format!("{:?} cannot name a projection: '@', '!' and ':' separate", self.name);
            return Err(Error::invalid(message));
        }
        let (scope, slices, suffix) = self.source.share(self.instance)?;
        let key = format!("{}{suffix}", self.name);
        if keeps_offsets {
            self.store.capabilities().check_offset_name(&key)?;
        }
        let own_writer = format!("projection:{}:", self.name);
        let writer = format!("{own_writer}{}", self.components.ids.writer_id());
        let writer = WriterId::new(writer);
        let share = Share { slices, own_writer };
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (status, seen) = watch::channel(ProjectionStatus::default());
        let handle = ProjectionHandle {
            key: key.clone(),
            commands,
            status: seen,
            store: self.store.clone(),
            scope: scope.clone(),
            share: share.clone(),
            components: self.components.clone(),
        };
        let plan = Plan {
            name: self.name,
            key,
            scope,
            share,
            writer: writer.clone(),
            keeps_offsets,
            settings: self.settings,
        };
        let work = work(writer);
        let runner =
            ProjectionRunner::new(plan, self.store, self.components, work, received, status);
        Ok((runner, handle))
    }
}

/// Which of the events that are read a projection handles.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    slices: SliceRange,
    /// How the writers of its results begin.
    own_writer: String,
}

impl Share {
    /// Results of the projection itself, of whichever instance, are not for it, and notes of parked
    /// events are for none.
    fn holds(&self, envelope: &Envelope) -> bool {
        let id = &envelope.persistence_id;
        (self.slices == SliceRange::ALL || self.slices.contains(id.slice()))
            && id.entity_type() != lot::ENTITY_TYPE
            && !envelope.event.writer.as_str().starts_with(&self.own_writer)
    }
}

impl fmt::Debug for ProjectionRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectionRunner").field("key", &self.key()).finish_non_exhaustive()
    }
}
