//! A region: all entities of one type in this process, spread over shard workers; and the handles by
//! which they are reached.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use annals_core::{Clock, Codec, Error, Ids, PersistenceId, Result, Sleep, Store, StoredEvent};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

use crate::alarm::Alarm;
use crate::machine::{Cadence, Config, Envelope, Ticket};
use crate::measures::Measures;
use crate::myself::Mail;
use crate::operations::{Publish, Shared};
use crate::settings::{Keep, Settings};
use crate::shard::{Message, serve};
use crate::{EntityRef, EventAdapter, EventFormat, EventSourced, adapted, plain};

/// What a region takes from outside.
#[derive(Debug, Clone)]
pub struct Components {
    /// The time of day, for the events' timestamps.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids, and jitter.
    pub ids: Arc<dyn Ids>,
    /// Waiting, for deadlines and back-off.
    pub sleep: Arc<dyn Sleep>,
}

/// Builds a region of entities.
#[must_use = "a builder does nothing until it is started"]
pub struct EntitiesBuilder<B: EventSourced> {
    store: Store,
    components: Components,
    format: Arc<dyn EventFormat<B::Event>>,
    snapshot_codec: Option<Arc<dyn Codec<B>>>,
    cadence: Option<Cadence>,
    settings: Settings,
    publish: Option<Publish>,
    runtime: Option<Handle>,
}

impl<B: EventSourced> EntitiesBuilder<B> {
    /// A region over `store`, whose events `codec` writes and reads; without snapshots.
    pub fn new(store: Store, codec: Arc<dyn Codec<B::Event>>, components: Components) -> Self {
        Self {
            store,
            components,
            format: plain(codec),
            snapshot_codec: None,
            cadence: None,
            settings: Settings::default(),
            publish: None,
            runtime: None,
        }
    }

    /// Other options than the default.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Writes and reads events in `format`, instead of with the codec alone.
    pub fn event_format(mut self, format: Arc<dyn EventFormat<B::Event>>) -> Self {
        self.format = format;
        self
    }

    /// Stores events in another form: what `adapter` makes of them, written and read with `codec`.
    pub fn event_adapter<A: EventAdapter<B::Event>>(
        self,
        adapter: A,
        codec: Arc<dyn Codec<A::Stored>>,
    ) -> Self
    where
        A::Stored: 'static,
    {
        self.event_format(adapted(adapter, codec))
    }

    /// Writes and reads snapshots with `codec`: recovery begins with the newest one, and they are
    /// taken when [`EventSourced::snapshot_when`] or [`EntitiesBuilder::snapshot_every`] says so.
    pub fn snapshot_codec(mut self, codec: Arc<dyn Codec<B>>) -> Self {
        self.snapshot_codec = Some(codec);
        self
    }

    /// Takes a snapshot after each `every` events, and then deletes what `keep` does not keep.
    pub fn snapshot_every(mut self, every: u64, keep: Keep) -> Self {
        self.cadence = Some(Cadence::new(every, keep));
        self
    }

    /// Tells `publish` of each event that an entity of this region has stored: at once, in order per entity,
    /// before the command is answered, and at most once. For caches and notifications in this process: what
    /// must not be missed, or comes from other processes, is read from the journal (a query or a
    /// projection). It runs on the workers, so it must not block; a panic is logged and changes nothing.
    pub fn publish(
        mut self,
        publish: impl Fn(&PersistenceId, &StoredEvent) + Send + Sync + 'static,
    ) -> Self {
        self.publish = Some(Box::new(publish));
        self
    }

    /// Runs the workers on `runtime` instead of the one that `start` is called on.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Starts the shard workers.
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime and none was given; if `snapshot_every` was asked
    /// for without a `snapshot_codec`.
    pub fn start(self) -> Entities<B> {
        assert!(
            self.cadence.is_none() || self.snapshot_codec.is_some(),
            "snapshot_every needs a snapshot_codec to write the states with"
        );
        let runtime = self.runtime.unwrap_or_else(Handle::current);
        let Self {
            store, components, format, snapshot_codec, cadence, mut settings, publish, ..
        } = Self { runtime: None, ..self };
        settings.batch_commands_max = settings.batch_commands_max.max(1);
        settings.mailbox_max = settings.mailbox_max.max(1);
        settings.snapshot_attempts = settings.snapshot_attempts.max(1);
        let limits = store.capabilities();
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let shards = settings.shards.unwrap_or_else(cores).get();
        let shared = |mail: Weak<dyn Mail<B>>| Shared {
            active_max_per_shard: settings.active_max.map(|max| max.get().div_ceil(shards)),
            recoveries: Semaphore::new(settings.recoveries_max.max(1)),
            config: Config {
                settings,
                format,
                snapshot_codec,
                cadence,
                mail,
                ids: components.ids,
                batch_events_max: limits.events_per_append_max,
                batch_bytes_max: settings.batch_bytes_max.min(limits.append_bytes_max),
            },
            journal: store.journal,
            snapshots: store.snapshots,
            clock: components.clock,
            measures: Measures::new(B::ENTITY_TYPE),
            publish,
            sleep: components.sleep,
        };
        Region::start(shards, &runtime, shared)
    }
}

impl<B: EventSourced> fmt::Debug for EntitiesBuilder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntitiesBuilder")
            .field("entity_type", &B::ENTITY_TYPE)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The way into a shard. The channel itself has no bound: the tickets are the bound, since they also
/// count what the shard has taken and not finished.
struct Door<B: EventSourced> {
    inbox: UnboundedSender<Message<B>>,
    places: Arc<()>,
    alarm: Arc<Alarm>,
    /// What runs the alarm, for as long as anybody can ask.
    ringing: JoinHandle<()>,
}

impl<B: EventSourced> Drop for Door<B> {
    fn drop(&mut self) {
        self.ringing.abort();
    }
}

pub(crate) struct Region<B: EventSourced> {
    pub(crate) shared: Arc<Shared<B>>,
    doors: Vec<Door<B>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl<B: EventSourced> Region<B> {
    fn start(
        shards: usize,
        runtime: &Handle,
        shared: impl FnOnce(Weak<dyn Mail<B>>) -> Shared<B>,
    ) -> Entities<B> {
        // The workers know the region so that entities can send themselves commands; weakly, since its
        // last handle is what ends them.
        Entities(Arc::new_cyclic(|region: &Weak<Self>| {
            let mail = region.clone();
            let shared = Arc::new(shared(mail));
            let mut workers = Vec::with_capacity(shards);
            let mut doors = Vec::with_capacity(shards);
            for _ in 0..shards {
                let (inbox, received) = unbounded_channel();
                workers.push(runtime.spawn(serve(shared.clone(), received)));
                let alarm = Arc::new(Alarm::new(shared.clock.clone(), shared.sleep.clone()));
                let ringing = runtime.spawn(alarm.clone().run());
                doors.push(Door { inbox, places: Arc::default(), alarm, ringing });
            }
            Self { shared, doors, workers: Mutex::new(workers) }
        }))
    }

    /// Which shard an id belongs to. Slices are scattered: ids that are counted lie in slices next to
    /// each other, and would leave most shards without work.
    fn shard_of(&self, id: &PersistenceId) -> usize {
        // Fibonacci hashing: the multiplier is 2^16 divided by the golden ratio.
        let scattered = id.slice().get().wrapping_mul(40_503);
        usize::from(scattered) * self.doors.len() / (usize::from(u16::MAX) + 1)
    }

    /// The alarm of those who ask entities of `shard`.
    pub(crate) fn alarm(&self, shard: usize) -> &Alarm {
        &self.door(shard).alarm
    }

    fn door(&self, shard: usize) -> &Door<B> {
        self.doors.get(shard).expect("a slice falls on one of the shards")
    }

    /// Accepts a command for one of the entities of `shard`; `envelope` makes of a place what goes in.
    pub(crate) fn accept(
        &self,
        shard: usize,
        id: &PersistenceId,
        envelope: impl FnOnce(Ticket) -> Envelope<B>,
    ) -> Result<()> {
        let door = self.door(shard);
        let max = self.shared.config.settings.shard_mailbox_max;
        let Some(ticket) = Ticket::take(&door.places, max) else {
            return Err(Error::unavailable(format!(
                "mailbox full: {max} commands wait in the shard of {id}; nothing of this one was \
                 written"
            )));
        };
        door.inbox.send(Message::Command(id.clone(), envelope(ticket))).map_err(|_| {
            Error::closed(format!("{id}: the region has stopped; nothing was written"))
        })
    }
}

impl<B: EventSourced> Mail<B> for Region<B> {
    fn send(&self, id: &PersistenceId, command: B::Command) -> Result<()> {
        let envelope = |ticket| Envelope::new(command, None, Some(ticket));
        self.accept(self.shard_of(id), id, envelope)
    }
}

/// The entities of one type. Cheap to clone. When the last handle is dropped the workers finish what
/// was accepted and end; [`Entities::stop`] waits for that.
pub struct Entities<B: EventSourced>(Arc<Region<B>>);

impl<B: EventSourced> Entities<B> {
    /// The entity `entity_id` of this type. Nothing is read before the first command; an id that is
    /// not valid is reported by the first command, too.
    pub fn entity(&self, entity_id: &str) -> EntityRef<B> {
        let id = PersistenceId::of(B::ENTITY_TYPE, entity_id);
        self.reference(id.map_err(|error| Arc::from(error.message())))
    }

    /// The entity whose history is `id`, whatever its type: for ids that were not made of a type and
    /// an entity id.
    pub fn by_persistence_id(&self, id: PersistenceId) -> EntityRef<B> {
        self.reference(Ok(id))
    }

    fn reference(&self, id: Result<PersistenceId, Arc<str>>) -> EntityRef<B> {
        let shard = id.as_ref().map_or(0, |id| self.0.shard_of(id));
        EntityRef::new(self.0.clone(), id, shard)
    }

    /// Stops the region: from now on commands get `Closed`; those that were accepted are carried out
    /// and answered, appends and snapshots in flight are waited for, and each entity's writer ends.
    /// After [`Settings::stop_deadline`] those who still wait get `Closed`, or `OutcomeUnknown` if
    /// their events were being written.
    ///
    /// # Errors
    /// `Internal` if a worker ended by a defect.
    pub async fn stop(&self) -> Result<()> {
        for door in &self.0.doors {
            // An error says that the worker has ended already.
            let _ = door.inbox.send(Message::Stop);
        }
        let mut workers = self.0.workers.lock().await;
        let mut result = Ok(());
        for worker in workers.drain(..) {
            if let Err(error) = worker.await {
                let message = format!("a shard worker of {} ended early", B::ENTITY_TYPE);
                result = Err(Error::internal(message).with_source(error));
            }
        }
        result
    }
}

impl<B: EventSourced> Clone for Entities<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: EventSourced> fmt::Debug for Entities<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entities")
            .field("entity_type", &B::ENTITY_TYPE)
            .field("shards", &self.0.doors.len())
            .finish_non_exhaustive()
    }
}
