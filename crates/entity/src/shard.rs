//! A shard worker: one task that owns many entities, feeds their machines and does what they ask for.
//! What is in flight are futures that this task polls, not tasks of their own.
//!
//! ```text
//!   callers --bounded--> inbox --.                 .--> Write, Recover, Save … (in flight)
//!                                 '--> machine ---'                |
//!                                        ^-------- its end --------'
//! ```

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use annals_core::{Error, PersistenceId};
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::EventSourced;
use crate::machine::{Cx, Envelope, Input, Machine, Output};
use crate::operations::Shared;

/// About how many messages and ends of operations are handled before the task yields to others.
const TURN: usize = 128;

/// What comes to a shard.
pub(crate) enum Message<B: EventSourced> {
    /// A command to an entity.
    Command(PersistenceId, Envelope<B>),
    /// Nothing new is accepted; what is accepted is finished, then the worker ends.
    Stop,
}

/// An operation of an entity that ended.
struct Done<B: EventSourced> {
    id: PersistenceId,
    input: Input<B>,
}

type Operation<B> = Pin<Box<dyn Future<Output = Done<B>> + Send>>;

/// The entities of one shard, and what is in flight for them.
pub(crate) struct Shard<B: EventSourced> {
    shared: Arc<Shared<B>>,
    inbox: UnboundedReceiver<Message<B>>,
    entities: HashMap<PersistenceId, Box<Machine<B>>>,
    in_flight: FuturesUnordered<Operation<B>>,
    outputs: Vec<Output>,
}

impl<B: EventSourced> Shard<B> {
    pub(crate) fn new(shared: Arc<Shared<B>>, inbox: UnboundedReceiver<Message<B>>) -> Self {
        Self {
            shared,
            inbox,
            entities: HashMap::new(),
            in_flight: FuturesUnordered::new(),
            outputs: Vec::new(),
        }
    }

    /// Serves until it is told to stop, or until nobody can send any more; then finishes what was
    /// accepted.
    pub(crate) async fn run(mut self) {
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
            let Poll::Ready(Some(Done { id, input })) = self.in_flight.poll_next_unpin(cx) else {
                break;
            };
            ended += 1;
            self.on(id, input);
        }
        ended
    }

    async fn drain(&mut self) {
        let ids: Vec<_> = self.entities.keys().cloned().collect();
        for id in ids {
            self.on(id, Input::Stop);
        }
        let mut deadline = self.shared.sleep.sleep(self.shared.config.settings.stop_deadline);
        while !self.entities.is_empty() {
            match select(self.in_flight.next(), deadline.as_mut()).await {
                Either::Left((Some(Done { id, input }), _)) => self.on(id, input),
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        for (_, machine) in self.entities.drain() {
            machine.abandon();
        }
    }

    /// Gives one input to one entity, and does what it asks for.
    fn on(&mut self, id: PersistenceId, input: Input<B>) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut cx =
            Cx { now: self.shared.clock.now(), config: &self.shared.config, out: &mut outputs };
        match self.entities.get_mut(&id) {
            Some(machine) => machine.on(input, &mut cx),
            None if matches!(input, Input::Command(_)) => {
                let machine = Box::new(Machine::new(id.clone()));
                self.entities.entry(id.clone()).or_insert(machine).on(input, &mut cx);
            }
            // The end of an operation of an entity that is gone.
            None => {}
        }
        for output in outputs.drain(..) {
            self.start(&id, output);
        }
        self.outputs = outputs;
    }

    fn start(&mut self, id: &PersistenceId, output: Output) {
        let shared = self.shared.clone();
        let id = id.clone();
        let operation: Operation<B> = match output {
            Output::Write(append) => Box::pin(async move {
                let written = AssertUnwindSafe(shared.write(append)).catch_unwind().await;
                let written = written.unwrap_or_else(|_| Err(store_panicked(&id)));
                Done { id, input: Input::Written(written) }
            }),
            Output::Recover(writer) => Box::pin(async move {
                let recovered = AssertUnwindSafe(shared.recover(&id, &writer)).catch_unwind().await;
                let recovered = recovered.unwrap_or_else(|_| Err(store_panicked(&id)));
                Done { id, input: Input::Recovered(recovered) }
            }),
            Output::Save(save) => Box::pin(async move {
                // A panic is a failure like another, and a snapshot is only an economy.
                let _ = AssertUnwindSafe(shared.save(*save)).catch_unwind().await;
                Done { id, input: Input::Saved }
            }),
            Output::BackOff(delay) => Box::pin(async move {
                shared.back_off(delay).await;
                Done { id, input: Input::BackedOff }
            }),
            Output::Leave(writer) => Box::pin(async move {
                let _ = AssertUnwindSafe(shared.leave(&id, &writer)).catch_unwind().await;
                Done { id, input: Input::Left }
            }),
            Output::Remove => {
                self.entities.remove(&id);
                return;
            }
        };
        self.in_flight.push(operation);
    }
}

/// A panic of one call must not end a worker that other entities share; the machine discards whatever
/// the call was for, which is why asserting unwind safety is right.
fn store_panicked(id: &PersistenceId) -> Error {
    Error::internal(format!("{id}: the store panicked: nothing is known of what it did"))
}
