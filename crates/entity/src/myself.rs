//! An entity's handle to itself.

use std::fmt;
use std::sync::Weak;

use annals_core::{Error, PersistenceId, Result};

use crate::EventSourced;

/// Where commands to entities of one type go in.
pub(crate) trait Mail<B: EventSourced>: Send + Sync {
    /// Accepts a command that nobody waits for.
    fn send(&self, id: &PersistenceId, command: B::Command) -> Result<()>;
}

/// Mail that goes nowhere: what a context has that was made by hand.
pub(crate) struct Nowhere;

impl<B: EventSourced> Mail<B> for Nowhere {
    fn send(&self, id: &PersistenceId, _command: B::Command) -> Result<()> {
        Err(nobody(id))
    }
}

/// An entity's handle to itself, from [`Context::myself`](crate::Context::myself): for callbacks, tasks
/// and other components that have to tell it something later. Cheap to clone; it does not keep the
/// entity in memory, nor its region running.
pub struct Myself<B: EventSourced> {
    mail: Weak<dyn Mail<B>>,
    id: PersistenceId,
}

impl<B: EventSourced> Myself<B> {
    pub(crate) fn new(mail: Weak<dyn Mail<B>>, id: PersistenceId) -> Self {
        Self { mail, id }
    }

    /// The entity's persistence id.
    pub fn id(&self) -> &PersistenceId {
        &self.id
    }

    /// Sends the entity a command, as [`EntityRef::tell`](crate::EntityRef::tell) does: after those
    /// that wait, and waking it if it left memory meanwhile.
    ///
    /// # Errors
    /// `Unavailable` if the shard's mailbox is full, `Closed` if the region has stopped.
    pub fn tell(&self, command: B::Command) -> Result<()> {
        match self.mail.upgrade() {
            Some(mail) => mail.send(&self.id, command),
            None => Err(nobody(&self.id)),
        }
    }
}

fn nobody(id: &PersistenceId) -> Error {
    Error::closed(format!("{id}: the region has stopped; nothing was written"))
}

impl<B: EventSourced> Clone for Myself<B> {
    fn clone(&self) -> Self {
        Self { mail: self.mail.clone(), id: self.id.clone() }
    }
}

impl<B: EventSourced> fmt::Debug for Myself<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Myself").field(&self.id).finish()
    }
}
