//! Commands that are handled together and go out as one append.
//!
//! The state is changed while the batch is collected, since each command must see the events of those
//! before it, and so that an event which the behaviour cannot apply is never written. When the append
//! fails, that state is discarded: a copy from before takes its place, if the behaviour makes one and the
//! append was certainly not stored; otherwise the entity is recovered anew.
//!
//! A batch ends with a command that wants the state itself once its events are stored (`then_run`),
//! that stops the entity, or that panicked; and before one that would not fit.

use std::sync::Arc;

use annals_core::{AppendId, Error, ErrorKind, NewEvent, PersistenceId, SeqNr, Tags, Timestamp};

use tracing::Span;
use tracing::field::Empty;

use super::envelope::Envelope;
use super::mailbox::Mailbox;
use super::{Config, Live, Output, panics};
use crate::effect::{Effect, Few, Flags, Left, Step};
use crate::{Causation, Context, EventSourced, Written};

/// What was decided and is not stored yet.
pub(crate) struct Batch<B: EventSourced> {
    pub(super) events: Vec<NewEvent>,
    pub(super) pending: Few<Pending<B>>,
    bytes: usize,
    pub(super) event_count: u64,
    /// A snapshot is due by the behaviour's own predicate.
    pub(super) snapshot_due: bool,
    /// The state before its first event, if the behaviour makes copies.
    pub(super) before: Option<B>,
    pub(super) end: End,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The entity goes on.
    Open,
    /// A step is to see the state: nothing else is handled before it ran.
    Full,
    /// Commands that were put off come next.
    Unstash,
    /// The entity stops once the batch is stored.
    Stop,
    /// The application's code panicked: the state must not be used any more.
    Spoilt,
}

/// A command whose events (perhaps none) are in a batch.
pub(super) struct Pending<B: EventSourced> {
    pub(super) envelope: Envelope<B>,
    steps: Few<Step<B>>,
    unhandled: bool,
    pub(super) persists: bool,
}

/// The entity and the moment in which commands are handled.
pub(super) struct Turn<'a, B: EventSourced> {
    pub(super) id: &'a PersistenceId,
    pub(super) now: Timestamp,
    pub(super) config: &'a Config<B>,
}

impl<B: EventSourced> Batch<B> {
    fn new() -> Self {
        Self {
            events: Vec::new(),
            pending: Few::None,
            bytes: 0,
            event_count: 0,
            snapshot_due: false,
            before: None,
            end: End::Open,
        }
    }

    /// Handles `first` and then what waits in `mailbox`. What depends on no unstored event happens at
    /// once; the rest is in the batch.
    pub(super) fn collect(
        turn: &Turn<'_, B>,
        live: &mut Live<B>,
        first: Option<Envelope<B>>,
        mailbox: &mut Mailbox<B>,
        out: &mut Vec<Output<B>>,
    ) -> Self {
        let mut batch = Self::new();
        let mut first = first;
        while batch.end == End::Open
            && batch.pending.len() < turn.config.settings.batch_commands_max
        {
            let Some(envelope) = first.take().or_else(|| mailbox.pop()) else { break };
            if envelope.alone && !batch.pending.is_empty() {
                mailbox.put_back(envelope);
                break;
            }
            if !envelope.take() {
                continue;
            }
            let alone = envelope.alone;
            if let Some(left) = batch.add(turn, live, envelope, mailbox, out) {
                mailbox.put_back(left);
                break;
            }
            if alone && !batch.pending.is_empty() {
                break;
            }
        }
        batch
    }

    /// Handles one command; gives it back if it has to wait for the events before it to be stored.
    fn add(
        &mut self,
        turn: &Turn<'_, B>,
        live: &mut Live<B>,
        envelope: Envelope<B>,
        mailbox: &mut Mailbox<B>,
        out: &mut Vec<Output<B>>,
    ) -> Option<Envelope<B>> {
        let Turn { id, now, config } = turn;
        let causation = envelope.causation.as_deref();
        let context = Context::new(id, live.seq_nr.plus(self.event_count), *now)
            .with_mail(&config.mail)
            .because(causation);
        let state = &live.state;
        let decide = || {
            let effect = state.handle(envelope.command.clone(), &context);
            let encoded = encode(turn, &effect, causation)?;
            Ok((effect, encoded))
        };
        let decided = envelope.span.in_scope(|| panics::caught(decide));
        let (effect, encoded) = match decided {
            Ok(Ok(decided)) => decided,
            Ok(Err(error)) => {
                envelope.fail(Error::context(error, format!("an event of {id}, not written")));
                return None;
            }
            Err(panic) => {
                self.end = End::Spoilt;
                envelope.fail(panic.error(format!("a command to {id}, not carried out")));
                return None;
            }
        };
        // Whether to put a command off is decided on stored events: else a failed append would bring it
        // back before commands that came earlier.
        let Flags { stash, unstash, .. } = effect.flags;
        if !self.fits(config, &encoded) || (stash || unstash) && !self.events.is_empty() {
            return Some(envelope);
        }
        if stash {
            mailbox.stash(envelope, config.settings.stash_max, id);
            return None;
        }
        self.admit(turn, live, envelope, effect, encoded, (mailbox, out));
        if unstash && self.events.is_empty() {
            mailbox.unstash_all();
        }
        None
    }

    /// The span of its append, which follows from those of its commands.
    pub(super) fn span(&self, live: &Live<B>, append_id: AppendId, id: &PersistenceId) -> Span {
        let span = tracing::debug_span!(
            "annals.append",
            persistence_id = %id,
            append_id = %append_id,
            after = live.seq_nr.get(),
            events = self.event_count,
            commands = self.pending.len(),
            outcome = Empty,
        );
        for pending in self.pending.as_slice() {
            span.follows_from(&pending.envelope.span);
        }
        span
    }

    fn fits(&self, config: &Config<B>, encoded: &[NewEvent]) -> bool {
        self.events.is_empty()
            || (self.events.len() + encoded.len() <= config.batch_events_max
                && self.bytes.saturating_add(size(encoded)) <= config.batch_bytes_max)
    }

    /// Applies the events of a command that fits.
    fn admit(
        &mut self,
        turn: &Turn<'_, B>,
        live: &mut Live<B>,
        envelope: Envelope<B>,
        effect: Effect<B>,
        mut encoded: Vec<NewEvent>,
        (mailbox, out): (&mut Mailbox<B>, &mut Vec<Output<B>>),
    ) {
        let Effect { events, mut steps, flags, .. } = effect;
        let Flags { runs, unhandled, unstash, stop, .. } = flags;
        let before = live.seq_nr.plus(self.event_count);
        let persists = !encoded.is_empty();
        let depends = persists || !self.events.is_empty();
        let state = &mut live.state;
        let is_first = persists && self.events.is_empty();
        let applied = panics::caught(|| {
            if is_first {
                self.before = state.copy();
            }
            let due = apply(state, events.as_slice(), &mut encoded, before);
            if depends && !runs {
                steps.as_mut_slice().iter_mut().for_each(|step| step.evaluate(state));
            }
            due
        });
        match applied {
            Ok(due) => self.snapshot_due |= due,
            Err(panic) => {
                self.end = End::Spoilt;
                envelope.fail(panic.error(format!("a command to {}, not written", turn.id)));
                return;
            }
        }
        self.bytes = self.bytes.saturating_add(size(&encoded));
        self.event_count = self.event_count.saturating_add(count(&encoded));
        if self.events.is_empty() {
            self.events = encoded;
        } else {
            self.events.append(&mut encoded);
        }
        let pending = Pending { envelope, steps, unhandled, persists };
        if depends {
            self.pending.push(pending);
        } else if pending.release(turn.id, &live.state, mailbox, out).is_err() {
            self.end = End::Spoilt;
        }
        if self.end == End::Open {
            self.end = match depends {
                _ if stop => End::Stop,
                true if unstash => End::Unstash,
                true if runs => End::Full,
                _ => End::Open,
            };
        }
    }
}

impl<B: EventSourced> Pending<B> {
    /// Runs the steps: everything they depend on is stored. An error says that a step panicked.
    pub(super) fn release(
        self,
        id: &PersistenceId,
        state: &B,
        mailbox: &mut Mailbox<B>,
        out: &mut Vec<Output<B>>,
    ) -> Result<(), ()> {
        let Self { envelope, steps, unhandled, persists } = self;
        if unhandled {
            let message = format!("{id} does not handle this command in its present state");
            envelope.fail(Error::invalid(message));
            return Ok(());
        }
        for step in steps {
            let mut left = |left| match left {
                Left::Work(work) => out.push(Output::Work(work, envelope.causation.clone())),
                Left::Timer(step) => mailbox.change_timer(step, out),
            };
            let run = || step.run(state, &mut left);
            if let Err(panic) = envelope.span.in_scope(|| panics::caught(run)) {
                let outcome = if persists { "whose events are stored" } else { "without events" };
                envelope.fail(panic.error(format!("a step after a command to {id}, {outcome}")));
                return Err(());
            }
        }
        envelope.finish();
        Ok(())
    }
}

fn encode<B: EventSourced>(
    turn: &Turn<'_, B>,
    effect: &Effect<B>,
    causation: Option<&Causation>,
) -> Result<Vec<NewEvent>, Error> {
    let events = effect.events();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let usual = causation.and_then(Causation::to_metadata);
    let mut encoded = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let Written { payload, event_manifest } = turn.config.format.write(event)?;
        let metadata = effect.metadata.of(index).or(usual.as_ref()).cloned();
        let (timestamp, tags) = (turn.now, Tags::NONE);
        encoded.push(NewEvent { payload, timestamp, event_manifest, tags, metadata });
    }
    Ok(encoded)
}

/// Applies `events`, the first of which gets the number after `before`; labels what will be stored,
/// and says whether the behaviour wants a snapshot.
fn apply<B: EventSourced>(
    state: &mut B,
    events: &[B::Event],
    encoded: &mut [NewEvent],
    before: SeqNr,
) -> bool {
    let mut seq_nr = before;
    let mut due = false;
    for (event, encoded) in events.iter().zip(encoded) {
        seq_nr = seq_nr.next();
        state.apply(event);
        encoded.tags = state.tags(event);
        due |= state.snapshot_when(event, seq_nr);
    }
    due
}

fn count(events: &[NewEvent]) -> u64 {
    u64::try_from(events.len()).unwrap_or(u64::MAX)
}

/// What a store counts; whether it takes one command's events it says itself, before anything is
/// written (J7).
fn size(events: &[NewEvent]) -> usize {
    events.iter().map(NewEvent::size_bytes).fold(0, usize::saturating_add)
}

/// One failure told to several callers: each gets the kind and message, and the cause they share.
pub(super) struct Shared(Arc<Error>);

impl Shared {
    pub(super) fn new(error: Error) -> Self {
        Self(Arc::new(error))
    }

    pub(super) fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    pub(super) fn error(&self, id: &PersistenceId) -> Error {
        let text = self.0.message();
        let message =
            if text.contains(id.as_str()) { text.to_owned() } else { format!("{id}: {text}") };
        Error::new(self.0.kind(), message).with_source(self.0.clone())
    }
}
