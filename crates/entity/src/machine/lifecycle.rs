//! How an incarnation of an entity ends, rests and saves its state, and what the behaviour is told of it.

use annals_core::{Error, PersistenceId, Result, RetryPolicy, SeqNr, Snapshot};

use super::batch::Shared;
use super::snapshots::{Cadence, Save, Saved};
use super::timers::TimerId;
use super::{Cx, Live, Machine, Output, Phase, panics};
use crate::{Context, EventSourced, Recover, Signal};

impl<B: EventSourced> Machine<B> {
    /// Fails everything that waits, because nobody will carry it on: commands not taken yet with
    /// `Closed`, those in an append with `OutcomeUnknown`.
    pub(crate) fn abandon(&mut self) {
        self.mailbox.fail_all(|| closing(&self.id));
        if let Phase::Writing(_, batch) = std::mem::replace(&mut self.phase, Phase::Asleep) {
            for pending in batch.pending {
                pending.envelope.fail(Error::outcome_unknown(format!(
                    "{}: the region stopped while the command's events were being written",
                    self.id
                )));
            }
        }
    }

    pub(super) fn recovery_failed(&mut self, error: Error, cx: &mut Cx<'_, B>) {
        self.signal(Signal::RecoveryFailed { error: &error }, SeqNr::ZERO, cx);
        let error = Shared::new(error);
        self.mailbox.fail_all(|| error.error(&self.id));
        if self.stopping {
            cx.out.push(Output::Remove);
            return;
        }
        let policy = RetryPolicy { retries_max: u32::MAX, ..cx.config.settings.recovery_backoff };
        let start = || Box::new(policy.start(cx.config.ids.clone()));
        let delay = self.failures.get_or_insert_with(start).next_delay();
        self.phase = Phase::BackingOff;
        cx.out.push(Output::BackOff(delay.unwrap_or(policy.max)));
    }

    pub(super) fn on_stop(&mut self, cx: &mut Cx<'_, B>) {
        self.stopping = true;
        self.mailbox.clear_timers(cx.out);
        match self.phase {
            Phase::BackingOff | Phase::Asleep => {
                self.mailbox.fail_all(|| closing(&self.id));
                cx.out.push(Output::Remove);
            }
            Phase::Ready(_) => self.rest(cx),
            Phase::Recovering(_) | Phase::Writing(..) | Phase::Leaving => {}
        }
    }

    /// Whether the entity is recovered and has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
            && self.mailbox.is_empty()
            && !self.mailbox.has_stash()
            && self.mailbox.timers.is_empty()
            && !self.saving
    }

    /// Stops the entity, and its timers with it.
    pub(super) fn leave_if_ready(&mut self, cx: &mut Cx<'_, B>) {
        match std::mem::replace(&mut self.phase, Phase::Asleep) {
            Phase::Ready(live) => {
                self.mailbox.clear_timers(cx.out);
                self.leave(live, cx);
            }
            other => self.phase = other,
        }
    }

    /// Ends this incarnation; its state is gone. What it put off is the next one's to decide.
    pub(super) fn leave(&mut self, live: Live<B>, cx: &mut Cx<'_, B>) {
        let Live { state, seq_nr, writer } = live;
        drop(state);
        self.signal(Signal::Stopped, seq_nr, cx);
        self.mailbox.unstash_all();
        self.phase = Phase::Leaving;
        cx.out.push(Output::Leave(writer));
    }

    pub(super) fn wake_or_remove(&mut self, cx: &mut Cx<'_, B>) {
        self.mailbox.forget_gone();
        if self.stopping {
            self.mailbox.clear_timers(cx.out);
        }
        if self.mailbox.is_empty() {
            // One whose timers run is asleep until one of them wakes it.
            if self.mailbox.timers.is_empty() {
                cx.out.push(Output::Remove);
            }
            return;
        }
        let writer = cx.config.ids.writer_id();
        self.phase = Phase::Recovering(writer.clone());
        cx.out.push(Output::Recover(writer));
    }

    /// Nothing is to be done at present.
    pub(super) fn rest(&mut self, cx: &mut Cx<'_, B>) {
        if !self.mailbox.is_empty() {
            return;
        }
        self.mailbox.shrink();
        if self.stopping && !self.saving && matches!(self.phase, Phase::Ready(_)) {
            // What is put off has nothing to wait for any more.
            self.mailbox.fail_all(|| closing(&self.id));
            self.leave_if_ready(cx);
        }
    }

    /// Saves a snapshot if one is due, none is on its way, and the state is the fold of stored events
    /// (S5): only that of `Ready` is.
    pub(super) fn save_if_due(&mut self, cx: &mut Cx<'_, B>) {
        let (Phase::Ready(live), Some(codec)) = (&self.phase, &cx.config.snapshot_codec) else {
            return;
        };
        if !self.snapshot_due || self.saving || cx.config.settings.recover == Recover::Nothing {
            return;
        }
        self.snapshot_due = false;
        let seq_nr = live.seq_nr;
        let encoded = panics::caught(|| codec.encode(&live.state))
            .unwrap_or_else(|panic| Err(panic.error(format!("a snapshot of {}", self.id))));
        let payload = match encoded {
            Ok(payload) => payload,
            // No failure of a command: the events are the truth.
            Err(error) => return self.told_saved(Saved::only(seq_nr, Err(error)), cx),
        };
        let snapshot = Snapshot {
            persistence_id: self.id.clone(),
            seq_nr,
            timestamp: cx.now,
            payload,
            metadata: None,
        };
        let retention = cx.config.cadence.map(Cadence::retention);
        self.saving = true;
        cx.out.push(Output::Save(Box::new(Save { snapshot, retention })));
    }
}

impl<B: EventSourced> Machine<B> {
    /// The time of a timer has passed.
    pub(super) fn on_timer(&mut self, timer: TimerId, cx: &mut Cx<'_, B>) {
        if let Some(envelope) = self.mailbox.timer_passed(timer, cx.out) {
            self.on_command(envelope, cx);
        }
    }

    pub(super) fn on_saved(&mut self, saved: Saved, cx: &mut Cx<'_, B>) {
        self.saving = false;
        self.told_saved(saved, cx);
        self.save_if_due(cx);
        self.rest(cx);
    }

    fn told_saved(&self, saved: Saved, cx: &Cx<'_, B>) {
        let Saved { seq_nr, snapshot, events, snapshots } = saved;
        self.news(
            match &snapshot {
                Ok(()) => Signal::SnapshotSaved { seq_nr },
                Err(error) => Signal::SnapshotFailed { seq_nr, error },
            },
            cx,
        );
        if let Some((to, deleted)) = &events {
            self.news(
                match deleted {
                    Ok(()) => Signal::EventsDeleted { to: *to },
                    Err(error) => Signal::EventsNotDeleted { to: *to, error },
                },
                cx,
            );
        }
        if let Some((to, deleted)) = &snapshots {
            self.news(
                match deleted {
                    Ok(()) => Signal::SnapshotsDeleted { to: *to },
                    Err(error) => Signal::SnapshotsNotDeleted { to: *to, error },
                },
                cx,
            );
        }
    }

    fn news(&self, signal: Signal<'_, B>, cx: &Cx<'_, B>) {
        let seq_nr = match &self.phase {
            Phase::Ready(live) | Phase::Writing(live, _) => live.seq_nr,
            _ => SeqNr::ZERO,
        };
        self.signal(signal, seq_nr, cx);
    }

    /// Tells the behaviour something; a panic changes nothing.
    pub(super) fn signal(&self, signal: Signal<'_, B>, seq_nr: SeqNr, cx: &Cx<'_, B>) {
        if let Err(panic) = self.signal_or_panic(signal, seq_nr, cx) {
            let error = panic.error(format!("a signal to {}", self.id));
            tracing::error!(id = %self.id, %error, "a signal was not taken");
        }
    }

    pub(super) fn signal_or_panic(
        &self,
        signal: Signal<'_, B>,
        seq_nr: SeqNr,
        cx: &Cx<'_, B>,
    ) -> Result<(), panics::Panic> {
        let context = Context::new(&self.id, seq_nr, cx.now).with_mail(&cx.config.mail);
        panics::caught(|| B::on_signal(signal, &context))
    }
}

fn closing(id: &PersistenceId) -> Error {
    Error::closed(format!("{id}: the region is stopping; nothing of this command was written"))
}
