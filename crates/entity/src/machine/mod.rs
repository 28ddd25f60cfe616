//! One entity as a pure state machine: inputs in, outputs out; no clock, no I/O, no spawn. The time
//! and fresh ids come with the input; callers are answered by the steps of their effects.
//!
//! ```text
//!            command                Recovered(Ok)              Written(Ok)
//!   Asleep ----------> Recovering ---------------> Ready <-------------------.
//!     ^                 ^   | Recovered(Err)         | a command persists    |
//!     |        BackedOff|   v                        '------> Writing -------'
//!     |<------------- BackingOff                                 | Written(Err), or a panic,
//!     |                                                          | or the entity stops
//!     '---------------------- Leaving <--------------------------'
//!            Left, nothing waits;   Left, commands wait: Recovering
//! ```
//!
//! From `Writing` it goes back to `Ready`, too, when the append was certainly not stored and the behaviour
//! made a copy of the state before it.
//!
//! A timer's command comes in any phase as another does; timers outlive an incarnation that failed, and
//! keep an entity that has nothing else to do `Asleep` rather than forgotten.
//!
//! Invariants: at most one append of an entity is in flight; the state of `Ready` is the fold of
//! stored events; a step runs only when every event before it is stored; a state that holds an event
//! which is not stored for sure never survives a failed append.

mod attempts;
mod batch;
mod envelope;
mod interface;
mod lifecycle;
mod mailbox;
pub(crate) mod panics;
mod recovery;
#[cfg(test)]
mod simulation;
mod snapshots;
mod timers;
mod verdict;

use annals_core::{
    Append, Appended, Error, ErrorKind, PersistenceId, Result, Retry, SeqNr, WriterId,
};

pub(crate) use attempts::{Attempts, Next};
pub(crate) use envelope::{Envelope, Ticket};
pub(crate) use interface::{Config, Cx, Input, Output};
pub(crate) use recovery::{Recovered, Recovery};
pub(crate) use snapshots::{Cadence, Retention, Save, Saved, Superfluous};
pub(crate) use timers::TimerId;

use crate::{EventSourced, Signal};
use batch::{Batch, End, Pending, Shared, Turn};
use mailbox::Mailbox;
use verdict::{Tried, Verdict, leaves_history, verdict};

/// An entity that is recovered.
pub(crate) struct Live<B> {
    state: B,
    /// The last event that is stored for sure.
    seq_nr: SeqNr,
    writer: WriterId,
}

enum Phase<B: EventSourced> {
    Asleep,
    Recovering(WriterId),
    Ready(Live<B>),
    Writing(Live<B>, Box<Batch<B>>),
    BackingOff,
    Leaving,
}

/// One entity.
pub(crate) struct Machine<B: EventSourced> {
    id: PersistenceId,
    phase: Phase<B>,
    mailbox: Mailbox<B>,
    failures: Option<Box<Retry>>,
    saving: bool,
    snapshot_due: bool,
    stopping: bool,
}

impl<B: EventSourced> Machine<B> {
    pub(crate) fn new(id: PersistenceId) -> Self {
        Self {
            id,
            phase: Phase::Asleep,
            mailbox: Mailbox::new(),
            failures: None,
            saving: false,
            snapshot_due: false,
            stopping: false,
        }
    }

    /// Takes one input. An answer that the phase does not wait for is ignored: only an operation that
    /// was begun for an earlier incarnation gives one.
    pub(crate) fn on(&mut self, input: Input<B>, cx: &mut Cx<'_, B>) {
        match input {
            Input::Command(envelope) => self.on_command(envelope, cx),
            Input::Recovered(result) => self.on_recovered(result, cx),
            Input::Written(result) => self.on_written(result, cx),
            Input::Saved(saved) => self.on_saved(*saved, cx),
            Input::Timer(timer) => self.on_timer(timer, cx),
            Input::BackedOff => {
                if matches!(self.phase, Phase::BackingOff) {
                    self.phase = Phase::Asleep;
                    self.wake_or_remove(cx);
                }
            }
            Input::Left => {
                if matches!(self.phase, Phase::Leaving) {
                    self.phase = Phase::Asleep;
                    self.wake_or_remove(cx);
                }
            }
            Input::Passivate => {
                if self.is_idle() {
                    self.leave_if_ready(cx);
                }
            }
            Input::Stop => self.on_stop(cx),
        }
    }

    fn on_command(&mut self, envelope: Envelope<B>, cx: &mut Cx<'_, B>) {
        if let (Phase::Ready(_), true) = (&self.phase, self.mailbox.is_empty()) {
            return self.pump(Some(envelope), cx);
        }
        self.mailbox.push(envelope, cx.config.settings.mailbox_max, &self.id);
        if matches!(self.phase, Phase::Asleep) {
            self.wake_or_remove(cx);
        }
    }

    fn on_recovered(&mut self, result: Result<Recovered<B>>, cx: &mut Cx<'_, B>) {
        let writer = match std::mem::replace(&mut self.phase, Phase::Asleep) {
            Phase::Recovering(writer) => writer,
            other => {
                self.phase = other;
                return;
            }
        };
        match result {
            Ok(Recovered { state, seq_nr, replayed }) => {
                let live = Live { state, seq_nr, writer };
                let signal = Signal::RecoveryCompleted { state: &live.state };
                if let Err(panic) = self.signal_or_panic(signal, seq_nr, cx) {
                    let error = panic.error(format!("the end of the recovery of {}", self.id));
                    cx.out.push(Output::Leave(live.writer));
                    return self.recovery_failed(error, cx);
                }
                self.failures = None;
                self.snapshot_due =
                    cx.config.cadence.is_some_and(|cadence| cadence.is_due_after_replay(replayed));
                self.phase = Phase::Ready(live);
                self.save_if_due(cx);
                self.pump(None, cx);
            }
            Err(error) => self.recovery_failed(error, cx),
        }
    }

    /// Handles what waits, until an append is in flight or nothing waits.
    fn pump(&mut self, first: Option<Envelope<B>>, cx: &mut Cx<'_, B>) {
        let mut live = match std::mem::replace(&mut self.phase, Phase::Asleep) {
            Phase::Ready(live) => live,
            other => {
                self.phase = other;
                return;
            }
        };
        let turn = Turn { id: &self.id, now: cx.now, config: cx.config };
        let mut batch = Batch::collect(&turn, &mut live, first, &mut self.mailbox, cx.out);
        if batch.events.is_empty() {
            return self.settled(live, batch.end, cx);
        }
        let events = std::mem::take(&mut batch.events);
        let id = self.id.clone();
        let append_id = cx.config.ids.append_id();
        let append = Append::new(append_id, id.clone(), live.seq_nr, live.writer.clone(), events);
        let span = batch.span(&live, append_id, &id);
        self.phase = Phase::Writing(live, Box::new(batch));
        match append {
            Ok(append) => cx.out.push(Output::Write(append, span)),
            Err(error) => self.on_written(Err(error), cx),
        }
    }

    fn on_written(&mut self, result: Result<Appended>, cx: &mut Cx<'_, B>) {
        let (live, batch) = match std::mem::replace(&mut self.phase, Phase::Asleep) {
            Phase::Writing(live, batch) => (live, *batch),
            other => {
                self.phase = other;
                return;
            }
        };
        match result {
            Ok(receipt)
                if receipt.first == live.seq_nr.next()
                    && receipt.last == live.seq_nr.plus(batch.event_count) =>
            {
                self.stored(live, batch, receipt, cx);
            }
            Ok(receipt) => {
                let error = Error::internal(format!(
                    "{}: the store gave numbers {}-{} to events that follow {}",
                    self.id, receipt.first, receipt.last, live.seq_nr
                ));
                self.not_stored(live, batch, error, cx);
            }
            Err(error) => self.not_stored(live, batch, error, cx),
        }
    }

    fn stored(
        &mut self,
        mut live: Live<B>,
        batch: Batch<B>,
        receipt: Appended,
        cx: &mut Cx<'_, B>,
    ) {
        let due = |cadence: Cadence| cadence.is_due(live.seq_nr, receipt.last);
        self.snapshot_due |= batch.snapshot_due || cx.config.cadence.is_some_and(due);
        live.seq_nr = receipt.last;
        let mut end = batch.end;
        for pending in batch.pending {
            if pending.release(&self.id, &live.state, &mut self.mailbox, cx.out).is_err() {
                end = End::Spoilt;
            }
        }
        self.settled(live, end, cx);
    }

    /// Everything that was decided is stored and its steps ran.
    fn settled(&mut self, live: Live<B>, end: End, cx: &mut Cx<'_, B>) {
        match end {
            End::Spoilt => return self.leave(live, cx),
            End::Stop => {
                self.phase = Phase::Ready(live);
                self.save_if_due(cx);
                return self.leave_if_ready(cx);
            }
            End::Unstash => self.mailbox.unstash_all(),
            End::Open | End::Full => {}
        }
        self.phase = Phase::Ready(live);
        self.save_if_due(cx);
        if self.mailbox.is_empty() {
            self.rest(cx);
        } else {
            self.pump(None, cx);
        }
    }

    /// The append ended without a receipt: its state is discarded, and each command gets what the
    /// kind of the error means for it. The entity goes on with a copy from before where it has one and
    /// nothing has changed since; otherwise this incarnation ends.
    fn not_stored(&mut self, live: Live<B>, batch: Batch<B>, error: Error, cx: &mut Cx<'_, B>) {
        let before = batch.before.filter(|_| leaves_history(error.kind()));
        self.signal(Signal::PersistFailed { error: &error }, live.seq_nr, cx);
        let error = Shared::new(error);
        let writers = batch.pending.as_slice().iter().filter(|pending| pending.persists).count();
        let retries = cx.config.settings.conflict_retries;
        let mut again = Vec::new();
        for Pending { mut envelope, persists, .. } in batch.pending {
            envelope.conflicts += u32::from(matches!(error.kind(), ErrorKind::Conflict { .. }));
            let conflicts = envelope.conflicts;
            let tried = Tried { persists, shared: writers > 1, conflicts };
            match verdict(error.kind(), tried, retries) {
                Verdict::Fail => envelope.fail(error.error(&self.id)),
                verdict => {
                    envelope.alone = verdict == Verdict::Alone;
                    again.push(envelope);
                }
            }
        }
        again.into_iter().rev().for_each(|envelope| self.mailbox.put_back(envelope));
        if error.kind() == ErrorKind::Fenced {
            self.mailbox.fail_all(|| error.error(&self.id));
            self.mailbox.clear_timers(cx.out);
        }
        match before {
            Some(state) => self.settled(Live { state, ..live }, End::Open, cx),
            None => {
                self.snapshot_due = false;
                self.leave(live, cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Effect};

    #[derive(Default)]
    struct Stateless;

    impl EventSourced for Stateless {
        const ENTITY_TYPE: &'static str = "stateless";
        type Command = ();
        type Event = ();

        fn handle(&self, (): (), _cx: &Context<'_>) -> Effect<Self> {
            Effect::none()
        }

        fn apply(&mut self, (): &()) {}
    }

    #[test]
    fn an_idle_entity_costs_a_few_hundred_bytes_beside_its_state() {
        // With its place in the shard's map (id and pointer) and the text of its ids.
        let map_entry = 2 * (size_of::<PersistenceId>() + size_of::<usize>());
        let texts = 2 * (2 * size_of::<usize>() + 36);
        let bytes = size_of::<Machine<Stateless>>() + map_entry + texts;
        assert!(bytes <= 400, "{bytes} bytes");
    }
}
