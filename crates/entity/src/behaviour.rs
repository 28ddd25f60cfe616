//! What an application writes: an entity's state, how it decides and how it changes.

use std::any::Any;
use std::fmt;
use std::sync::Weak;

use annals_core::{PersistenceId, SeqNr, Tags, Timestamp};

use crate::myself::{Mail, Nowhere};
use crate::{Causation, Effect, Myself, Signal};

/// An event-sourced entity. The value is its state; commands are handled by plain synchronous
/// functions, so they are easy to test.
///
/// * [`handle`](Self::handle) decides. It must not change anything outside of its result: it may be
///   called again for the same command (after a conflict, on the newer state), and everything that
///   it returns happens at most once, after its events are stored.
/// * [`apply`](Self::apply) changes the state. It is called for new events and in each recovery, so
///   it depends on nothing but the state and the event.
///
/// Both run on a worker that is shared with other entities: they must not block. If one panics, the
/// caller gets `Internal`, nothing of that command is written, and the entity is recovered anew.
pub trait EventSourced: Default + Send + 'static {
    /// The part of the persistence id before the separator.
    const ENTITY_TYPE: &'static str;

    /// What the entity is asked for. It is cloned before it is handled, since a conflict makes it be
    /// handled again; a [`Reply`](crate::Reply) in it is cheap to clone.
    type Command: Clone + Send + 'static;

    /// What happened to the entity.
    type Event: Send + 'static;

    /// The state before the first event.
    fn empty(entity_id: &str) -> Self {
        let _ = entity_id;
        Self::default()
    }

    /// Decides what `command` leads to.
    fn handle(&self, command: Self::Command, cx: &Context<'_>) -> Effect<Self>;

    /// Changes the state by `event`.
    fn apply(&mut self, event: &Self::Event);

    /// The labels by which `event` is read across entities; `self` is the state after the event.
    fn tags(&self, event: &Self::Event) -> Tags {
        let _ = event;
        Tags::NONE
    }

    /// A copy of the state, if that costs little; none by default. It is made before the first event of
    /// an append is applied, kept until the append has ended, and put back when the append was certainly
    /// not stored (`Unavailable`, `Invalid`, `Unsupported`): the entity goes on at once, and answers what
    /// needs no append while the store cannot be written. Without a copy it recovers first.
    ///
    /// For small states, or those that share what did not change: `Some(self.clone())`.
    fn copy(&self) -> Option<Self> {
        None
    }

    /// Whether a snapshot is due after `event`, besides those that the builder asks for; `self` is
    /// the state after the event. It is taken once the event's append is stored.
    fn snapshot_when(&self, event: &Self::Event, seq_nr: SeqNr) -> bool {
        let _ = (event, seq_nr);
        false
    }

    /// Is told what happens to the entity; [`Context::seq_nr`] is the last event that is stored for
    /// sure (0 while it is not recovered). It may send the entity commands ([`Context::myself`]), and
    /// must not block. A panic is logged and changes nothing, but for a recovery.
    fn on_signal(signal: Signal<'_, Self>, cx: &Context<'_>) {
        let _ = (signal, cx);
    }
}

/// What a command handler knows besides the state.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    id: &'a PersistenceId,
    seq_nr: SeqNr,
    now: Timestamp,
    /// A `Weak<dyn Mail<B>>`: the context is of no type, so that handlers need not name it.
    mail: Option<&'a (dyn Any + Send + Sync)>,
    causation: Option<&'a Causation>,
}

impl<'a> Context<'a> {
    /// The context of entity `id` after event `seq_nr`, at `now`: for tests of a handler.
    pub fn new(id: &'a PersistenceId, seq_nr: SeqNr, now: Timestamp) -> Self {
        Self { id, seq_nr, now, mail: None, causation: None }
    }

    /// The same context of a command that came because of `causation`.
    #[must_use]
    pub fn because(mut self, causation: Option<&'a Causation>) -> Self {
        self.causation = causation;
        self
    }

    /// Why the command came, if its sender said so.
    pub fn causation(&self) -> Option<&'a Causation> {
        self.causation
    }

    pub(crate) fn with_mail<B: EventSourced>(mut self, mail: &'a Weak<dyn Mail<B>>) -> Self {
        self.mail = Some(mail);
        self
    }

    /// A handle by which the entity, of type `B`, can be told something later. What it is told through
    /// a context that was made by hand gets `Closed`.
    ///
    /// # Panics
    /// If `B` is not the entity's type.
    pub fn myself<B: EventSourced>(&self) -> Myself<B> {
        let mail: Weak<dyn Mail<B>> = match self.mail {
            None => Weak::<Nowhere>::new(),
            Some(mail) => mail
                .downcast_ref::<Weak<dyn Mail<B>>>()
                .expect("an entity asks for the handle to itself by its own type")
                .clone(),
        };
        Myself::new(mail, self.id.clone())
    }

    /// The entity's persistence id.
    pub fn id(&self) -> &'a PersistenceId {
        self.id
    }

    /// The entity's id within its type.
    pub fn entity_id(&self) -> &'a str {
        self.id.entity_id()
    }

    /// The number of the last event that the state includes.
    pub fn seq_nr(&self) -> SeqNr {
        self.seq_nr
    }

    /// When the command is handled; the timestamp of the events that it leads to.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id)
            .field("seq_nr", &self.seq_nr)
            .field("now", &self.now)
            .field("causation", &self.causation)
            .finish_non_exhaustive()
    }
}
