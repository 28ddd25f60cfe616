//! A shard worker: one task that owns many entities, feeds their machines and does what they ask for.
//! What is in flight are futures that this task polls, not tasks of their own.
//!
//! ```text
//!   callers --bounded--> inbox --.                 .--> Write, Recover, Save … (in flight)
//!                                 '--> machine ---'                |
//!                                        ^-------- its end --------'
//! ```

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use annals_core::{PersistenceId, Timestamp};
use futures_util::future::{AbortHandle, Aborted, Either, abortable, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::effect::Work;
use crate::in_flight::{Done, Operation, Write, store_panicked};
use crate::machine::{Cx, Envelope, Input, Machine, Output, Saved, TimerId};
use crate::measures::Measures;
use crate::operations::Shared;
use crate::passivation::{Idlers, Look, Stay, TICKS};
use crate::{Causation, EventSourced};

/// About how many messages and ends of operations are handled before the task yields to others.
const TURN: usize = 128;

/// What comes to a shard.
pub(crate) enum Message<B: EventSourced> {
    /// A command to an entity.
    Command(PersistenceId, Envelope<B>),
    /// Nothing new is accepted; what is accepted is finished, then the worker ends.
    Stop,
}

/// An entity in memory.
struct Slot<B: EventSourced> {
    machine: Machine<B>,
    stay: Stay,
    active_at: u64,
    timers: Vec<(TimerId, AbortHandle)>,
}

impl<B: EventSourced> Drop for Slot<B> {
    fn drop(&mut self) {
        self.timers.iter().for_each(|(_, sleep)| sleep.abort());
        Measures::new(B::ENTITY_TYPE).left();
    }
}

/// The entities of one shard, and what is in flight for them.
struct Shard<'a, B: EventSourced> {
    shared: &'a Shared<B>,
    inbox: UnboundedReceiver<Message<B>>,
    entities: HashMap<PersistenceId, Box<Slot<B>>>,
    in_flight: FuturesUnordered<Operation<'a, B>>,
    outputs: Vec<Output<B>>,
    /// The time of this turn, of the day and by the monotonic clock.
    now: Timestamp,
    moment: Duration,
    /// When the deadlines of appends are looked at next.
    writes_due: Option<Duration>,
    idlers: Idlers,
    ticking: bool,
    draining: bool,
}

/// Serves a shard until it is told to stop, or until nobody can send any more; then finishes what was
/// accepted.
pub(crate) async fn serve<B: EventSourced>(
    shared: Arc<Shared<B>>,
    inbox: UnboundedReceiver<Message<B>>,
) {
    Shard::new(&shared, inbox).run().await;
}

impl<'a, B: EventSourced> Shard<'a, B> {
    fn new(shared: &'a Shared<B>, inbox: UnboundedReceiver<Message<B>>) -> Self {
        Self {
            shared,
            inbox,
            entities: HashMap::new(),
            in_flight: FuturesUnordered::new(),
            outputs: Vec::new(),
            now: Timestamp::UNKNOWN,
            moment: Duration::ZERO,
            writes_due: None,
            idlers: Idlers::default(),
            ticking: false,
            draining: false,
        }
    }

    async fn run(mut self) {
        let mut messages = Vec::with_capacity(TURN);
        let mut handled = 0;
        loop {
            let (open, ended) = poll_fn(|cx| self.poll_turn(cx, &mut messages)).await;
            handled += ended + messages.len();
            for message in messages.drain(..) {
                match message {
                    Message::Command(id, envelope) => self.on(id, Input::Command(envelope)),
                    Message::Stop => self.inbox.close(),
                }
            }
            if !open {
                break;
            }
            if handled >= TURN {
                handled = 0;
                tokio::task::yield_now().await;
            }
        }
        self.drain().await;
    }

    /// Waits for messages or for ends of operations, and handles up to [`TURN`] of the latter.
    /// Gives whether messages can still come, and how many operations ended.
    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message<B>>,
    ) -> Poll<(bool, usize)> {
        self.look_at_the_clock();
        let received = self.inbox.poll_recv_many(cx, messages, TURN);
        let ended = self.poll_ended(cx);
        match received {
            Poll::Ready(count) => Poll::Ready((count > 0, ended)),
            Poll::Pending if ended > 0 => Poll::Ready((true, ended)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> usize {
        let mut ended = 0;
        while ended < TURN {
            let Poll::Ready(Some(done)) = self.in_flight.poll_next_unpin(cx) else { break };
            ended += 1;
            self.on_done(done);
        }
        ended
    }

    /// One look for all that is handled in a turn.
    fn look_at_the_clock(&mut self) {
        let clock = &self.shared.clock;
        (self.now, self.moment) = (clock.now(), clock.monotonic());
    }

    async fn drain(&mut self) {
        self.draining = true;
        let ids: Vec<_> = self.entities.keys().cloned().collect();
        for id in ids {
            self.on(id, Input::Stop);
        }
        let mut deadline = self.shared.sleep.sleep(self.shared.config.settings.stop_deadline);
        while !self.entities.is_empty() {
            match select(self.in_flight.next(), deadline.as_mut()).await {
                Either::Left((Some(done), _)) => {
                    self.look_at_the_clock();
                    self.on_done(done);
                }
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        for (_, mut slot) in self.entities.drain() {
            slot.machine.abandon();
        }
    }

    fn on_done(&mut self, done: Done<B>) {
        match done {
            // A command that an entity sent itself would wake it again.
            Done::Entity(_, Input::Command(_)) if self.draining => {}
            Done::Entity(id, input) => {
                if let Input::Timer(timer) = input {
                    self.forget_timer(&id, timer);
                }
                self.on(id, input);
            }
            Done::Due(due) => self.give_up_writes(due),
            Done::Tick => {
                self.ticking = false;
                self.idlers.advance();
                self.passivate();
                if !self.entities.is_empty() {
                    self.keep_ticking();
                }
            }
            Done::Tock => self.passivate(),
            Done::Nothing => {}
        }
    }

    /// Gives one input to one entity, and does what it asks for.
    fn on(&mut self, id: PersistenceId, input: Input<B>) {
        let is_command = matches!(input, Input::Command(_));
        let is_active = is_command || matches!(input, Input::Timer(_));
        let slot = match self.entities.get_mut(&id) {
            Some(slot) => slot,
            // The end of an operation of an entity that is gone.
            None if !is_command => return,
            None => {
                let slot = self.enter(&id);
                self.entities.entry(id.clone()).or_insert(slot)
            }
        };
        if is_active {
            slot.active_at = self.idlers.tick();
        }
        let mut outputs = std::mem::take(&mut self.outputs);
        let (now, config) = (self.now, &self.shared.config);
        slot.machine.on(input, &mut Cx { now, config, out: &mut outputs });
        for output in outputs.drain(..) {
            self.start(&id, output);
        }
        self.outputs = outputs;
    }

    /// Makes room if there is too little, and a slot.
    fn enter(&mut self, id: &PersistenceId) -> Box<Slot<B>> {
        let active_max = self.shared.active_max_per_shard;
        if active_max.is_some_and(|max| self.entities.len() >= max) {
            let entities = &self.entities;
            if let Some(idle) = self.idlers.under_pressure(|id, stay| look(entities, id, stay)) {
                self.on(idle, Input::Passivate);
            }
        }
        let (stay, active_at) = (self.idlers.enter(id.clone()), self.idlers.tick());
        self.keep_ticking();
        let timers = Vec::new();
        self.shared.measures.entered();
        Box::new(Slot { machine: Machine::new(id.clone()), stay, active_at, timers })
    }

    fn passivate(&mut self) {
        let entities = &self.entities;
        let (idle, more) = self.idlers.due(|id, stay| look(entities, id, stay));
        for id in idle {
            self.on(id, Input::Passivate);
        }
        if more {
            self.in_flight.push(Operation::other(async { Done::Tock }));
        }
    }

    fn keep_ticking(&mut self) {
        let Some(period) = self.shared.config.settings.passivate_after else { return };
        if self.ticking || self.draining {
            return;
        }
        self.ticking = true;
        let ticks = u32::try_from(TICKS).unwrap_or(1);
        let tick = self.shared.sleep.sleep(period / ticks);
        self.in_flight.push(Operation::other(async {
            tick.await;
            Done::Tick
        }));
    }

    fn start(&mut self, id: &PersistenceId, output: Output<B>) {
        let (shared, id) = (self.shared, id.clone());
        let operation = match output {
            Output::Write(append, span) => {
                let due = self.moment.saturating_add(shared.config.settings.write_deadline);
                self.watch_writes(due);
                Operation::Write(Write::new(shared, append, span, due))
            }
            Output::Recover(writer) => Operation::other(async move {
                let recover = shared.recover(&id, &writer);
                let recovered = AssertUnwindSafe(recover).catch_unwind().await;
                let recovered = recovered.unwrap_or_else(|_| Err(store_panicked(&id)));
                Done::Entity(id, Input::Recovered(recovered))
            }),
            Output::Save(save) => Operation::other(async move {
                let seq_nr = save.snapshot.seq_nr;
                let save = shared.save(*save);
                let saved = AssertUnwindSafe(save).catch_unwind().await;
                let failed = |_| Saved::only(seq_nr, Err(store_panicked(&id)));
                let saved = saved.unwrap_or_else(failed);
                Done::Entity(id, Input::Saved(Box::new(saved)))
            }),
            Output::BackOff(delay) => Operation::other(async move {
                shared.sleep.sleep(delay).await;
                Done::Entity(id, Input::BackedOff)
            }),
            Output::Leave(writer) => Operation::other(async move {
                let _ = AssertUnwindSafe(shared.leave(&id, &writer)).catch_unwind().await;
                Done::Entity(id, Input::Left)
            }),
            Output::Work(work, causation) => work_of(shared, id, work, causation),
            Output::StartTimer(timer, after) => return self.start_timer(id, timer, after),
            Output::CancelTimer(timer) => return self.forget_timer(&id, timer),
            Output::Remove => {
                self.entities.remove(&id);
                return;
            }
        };
        self.in_flight.push(operation);
    }
}

impl<B: EventSourced> Shard<'_, B> {
    /// Sees to it that somebody looks at the deadlines of appends at `due`, or earlier.
    fn watch_writes(&mut self, due: Duration) {
        if self.writes_due.is_some_and(|planned| planned <= due) {
            return;
        }
        self.writes_due = Some(due);
        let sleep = self.shared.sleep.sleep(due.saturating_sub(self.moment));
        self.in_flight.push(Operation::other(async move {
            sleep.await;
            Done::Due(due)
        }));
    }

    /// Gives up the appends whose deadline passed. Appends in flight are looked at once in a deadline's
    /// time, so that each of them needs no timer of its own.
    fn give_up_writes(&mut self, planned: Duration) {
        self.writes_due = None;
        // A clock that lags behind the timer does not make it look again and again.
        let moment = self.moment.max(planned);
        let mut given_up = Vec::new();
        let mut next: Option<Duration> = None;
        for operation in std::mem::take(&mut self.in_flight) {
            match (operation.due(), operation) {
                (Some(due), Operation::Write(write)) if due <= moment => given_up.push(write),
                (due, operation) => {
                    next = next.into_iter().chain(due).min();
                    self.in_flight.push(operation);
                }
            }
        }
        next.into_iter().for_each(|due| self.watch_writes(due));
        given_up.into_iter().for_each(|write| self.on_done(write.give_up()));
    }

    fn start_timer(&mut self, id: PersistenceId, timer: TimerId, after: Duration) {
        let Some(slot) = self.entities.get_mut(&id) else { return };
        let (sleep, handle) = abortable(self.shared.sleep.sleep(after));
        slot.timers.push((timer, handle));
        self.in_flight.push(Operation::other(async move {
            match sleep.await {
                Ok(()) => Done::Entity(id, Input::Timer(timer)),
                Err(Aborted) => Done::Nothing,
            }
        }));
    }

    fn forget_timer(&mut self, id: &PersistenceId, timer: TimerId) {
        let Some(slot) = self.entities.get_mut(id) else { return };
        slot.timers.retain(|(started, sleep)| {
            let stays = *started != timer;
            if !stays {
                sleep.abort();
            }
            stays
        });
    }
}

fn look<B: EventSourced>(
    entities: &HashMap<PersistenceId, Box<Slot<B>>>,
    id: &PersistenceId,
    stay: Stay,
) -> Look {
    match entities.get(id) {
        Some(slot) if slot.stay == stay => Look::ActiveAt(slot.active_at),
        _ => Look::Gone,
    }
}

fn work_of<B: EventSourced>(
    shared: &Shared<B>,
    id: PersistenceId,
    work: Work<B>,
    causation: Option<Arc<Causation>>,
) -> Operation<'_, B> {
    Operation::other(async move {
        let command = match work {
            Work::After(delay, command) => {
                shared.sleep.sleep(delay).await;
                command
            }
            Work::Future(future) => match AssertUnwindSafe(future).catch_unwind().await {
                Ok(command) => command,
                Err(_) => {
                    tracing::error!(%id, "work that an entity began panicked: it gives no command");
                    return Done::Nothing;
                }
            },
        };
        Done::Entity(id, Input::Command(Envelope::own(command, causation)))
    })
}
