//! What goes into a machine and what comes out of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_core::{Append, Appended, Codec, Ids, Result, Timestamp, WriterId};
use tracing::Span;

use super::{Cadence, Envelope, Recovered, Save, Saved, TimerId};
use crate::effect::Work;
use crate::myself::Mail;
use crate::{Causation, EventFormat, EventSourced, Settings};

/// What all entities of a region share.
pub(crate) struct Config<B: EventSourced> {
    pub(crate) settings: Settings,
    pub(crate) format: Arc<dyn EventFormat<B::Event>>,
    pub(crate) snapshot_codec: Option<Arc<dyn Codec<B>>>,
    pub(crate) cadence: Option<Cadence>,
    pub(crate) ids: Arc<dyn Ids>,
    /// The way to the entities themselves.
    pub(crate) mail: Weak<dyn Mail<B>>,
    /// The most events that several commands put into one append.
    pub(crate) batch_events_max: usize,
    /// The most bytes that several commands put into one append.
    pub(crate) batch_bytes_max: usize,
}

/// What happens to an entity.
pub(crate) enum Input<B: EventSourced> {
    /// A command came.
    Command(Envelope<B>),
    /// A recovery ended.
    Recovered(Result<Recovered<B>>),
    /// The append ended, all its attempts together.
    Written(Result<Appended>),
    /// The snapshot is saved and what it made superfluous deleted, or not: it is only an economy.
    Saved(Box<Saved>),
    /// The time of a timer has passed.
    Timer(TimerId),
    /// The time after a failed recovery has passed.
    BackedOff,
    /// The store knows that the writer is done.
    Left,
    /// Nothing came for a while: the entity leaves if it is idle.
    Passivate,
    /// The entity is to finish what waits, and then stop.
    Stop,
}

/// What is to be done for an entity.
pub(crate) enum Output<B: EventSourced> {
    /// Recover it for this writer: [`Input::Recovered`].
    Recover(WriterId),
    /// Store this: [`Input::Written`].
    Write(Append, Span),
    /// Save this in the background: [`Input::Saved`].
    Save(Box<Save>),
    /// Wait: [`Input::BackedOff`].
    BackOff(Duration),
    /// Tell the store that this writer is done: [`Input::Left`].
    Leave(WriterId),
    /// Begin this; what it gives is a command, which came for the same reason.
    Work(Work<B>, Option<Arc<Causation>>),
    /// Let this time pass: [`Input::Timer`].
    StartTimer(TimerId, Duration),
    /// Nobody waits for this timer any more.
    CancelTimer(TimerId),
    /// Forget the entity: the next command begins anew.
    Remove,
}

/// The moment of an input, and where its outputs go.
pub(crate) struct Cx<'a, B: EventSourced> {
    pub(crate) now: Timestamp,
    pub(crate) config: &'a Config<B>,
    pub(crate) out: &'a mut Vec<Output<B>>,
}
