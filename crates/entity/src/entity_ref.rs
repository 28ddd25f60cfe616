//! The handle by which others reach one entity.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{Error, PersistenceId, Result};
use tracing::Span;

#[cfg(doc)]
use crate::Settings;
use crate::machine::Envelope;
use crate::region::Region;
use crate::reply::{Caller, reply_channel};
use crate::{Causation, EventSourced, Reply};

/// A handle to one entity, awake or not. Cheap to clone and to keep.
pub struct EntityRef<B: EventSourced> {
    region: Arc<Region<B>>,
    id: Result<PersistenceId, Arc<str>>,
    shard: usize,
    causation: Option<Arc<Causation>>,
}

impl<B: EventSourced> EntityRef<B> {
    pub(crate) fn new(
        region: Arc<Region<B>>,
        id: Result<PersistenceId, Arc<str>>,
        shard: usize,
    ) -> Self {
        Self { region, id, shard, causation: None }
    }

    /// The same entity; commands through this handle come because of `causation`, which is stored
    /// beside their events.
    #[must_use]
    pub fn because(&self, causation: Causation) -> Self {
        Self { causation: Some(Arc::new(causation)), ..self.clone() }
    }

    /// Sends the command that `command` makes of a reply, and waits for the answer within
    /// [`Settings::ask_deadline`]. Dropping the future withdraws the command, if the entity has not
    /// taken it yet.
    ///
    /// # Errors
    /// Nothing of the command was written: `Unavailable` (the mailbox is full, the store did not
    /// answer, or the deadline passed while the command waited), `Conflict` (other writers won each
    /// time), `Fenced`, `Invalid` (refused by the store or unhandled), `Corrupt` and `Unsupported`
    /// (the entity cannot be recovered), `Closed` (the region is stopping).
    /// Perhaps written: `OutcomeUnknown` (also when the deadline passed while the entity was carrying
    /// the command out). `Internal`: the behaviour panicked, or dropped the reply without an answer
    /// (*unanswered*); the message says what that means for the events.
    pub async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(Reply<T>) -> B::Command,
    ) -> Result<T> {
        self.ask_within(self.region.shared.config.settings.ask_deadline, command).await
    }

    /// As [`EntityRef::ask`], with its own deadline.
    ///
    /// # Errors
    /// As [`EntityRef::ask`].
    pub async fn ask_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        command: impl FnOnce(Reply<T>) -> B::Command,
    ) -> Result<T> {
        let (reply, mut answer) = reply_channel();
        let caller = answer.caller();
        self.send(command(reply), Some(caller), self.span())?;
        let watch = self.region.alarm(self.shard).watch(deadline, answer.asked());
        let in_time = answer.in_time().await;
        drop(watch);
        if let Some(answer) = in_time {
            return answer;
        }
        answer.give_up().unwrap_or_else(|given_up| {
            let id = self.name();
            Err(if given_up.taken {
                Error::outcome_unknown(format!(
                    "{id} did not answer within {deadline:?}: the command may yet be carried out"
                ))
            } else {
                Error::unavailable(format!(
                    "{id} did not take the command within {deadline:?}: it was withdrawn, nothing \
                     of it was written"
                ))
            })
        })
    }

    /// Sends a command without waiting. `Ok` means accepted, not carried out: what fails later is
    /// told to nobody.
    ///
    /// # Errors
    /// `Unavailable` if the shard's mailbox is full, `Closed` if the region is stopping, `Invalid` if
    /// the entity's id is not valid.
    pub fn tell(&self, command: B::Command) -> Result<()> {
        self.send(command, None, self.span())
    }

    /// The entity's persistence id, if it is valid.
    pub fn id(&self) -> Option<&PersistenceId> {
        self.id.as_ref().ok()
    }

    fn send(&self, command: B::Command, caller: Option<Caller>, span: Span) -> Result<()> {
        let id = match &self.id {
            Ok(id) => id,
            Err(message) => return Err(Error::invalid(message.as_ref())),
        };
        self.region.accept(self.shard, id, |ticket| {
            let mut envelope = Envelope::new(command, caller, Some(ticket));
            envelope.span = span;
            envelope.because(self.causation.clone())
        })
    }

    fn span(&self) -> Span {
        let causation = self.causation.as_deref();
        tracing::debug_span!(
            "annals.command",
            persistence_id = self.name(),
            correlation_id = causation.and_then(Causation::correlation_id),
            causation_id = causation.and_then(Causation::causation_id),
        )
    }

    fn name(&self) -> &str {
        self.id().map_or("", PersistenceId::as_str)
    }
}

impl<B: EventSourced> Clone for EntityRef<B> {
    fn clone(&self) -> Self {
        Self {
            region: self.region.clone(),
            id: self.id.clone(),
            shard: self.shard,
            causation: self.causation.clone(),
        }
    }
}

impl<B: EventSourced> fmt::Debug for EntityRef<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EntityRef").field(&self.name()).finish()
    }
}
