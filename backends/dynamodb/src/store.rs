//! The store: what users hold.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use annals_core::{Capabilities, Error, Result, Store, Timestamp};
use tokio::sync::{OnceCell, OwnedRwLockReadGuard, RwLock};

use crate::builder::DynamoDbBuilder;
use crate::client::{Client, Stats};
use crate::item::ItemSizes;
use crate::keys::Keys;
use crate::near_limit::NearLimits;
use crate::position::{Listing, Positions};
use crate::pulse::Pulse;
use crate::settings::Settings;

/// The most bytes that one page of DynamoDB holds.
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// A store on DynamoDB. Any number of processes may share its tables.
#[derive(Debug)]
pub struct DynamoDb {
    pub(crate) inner: Arc<Inner>,
}

/// What operations and streams share.
#[derive(Debug)]
pub(crate) struct Inner {
    /// To the server of events and offsets.
    pub(crate) client: Arc<Client>,
    /// To the server of snapshots: the same one, unless they are elsewhere.
    pub(crate) snapshots: Arc<Client>,
    pub(crate) settings: Settings,
    pub(crate) keys: Keys,
    pub(crate) sizes: ItemSizes,
    pub(crate) near: NearLimits,
    pub(crate) positions: Positions,
    pub(crate) pulse: Pulse,
    /// How ids are listed, once it is known.
    pub(crate) listing: OnceCell<Listing>,
    /// Whether the store is open. Operations hold it for reading while they run.
    open: Arc<RwLock<bool>>,
}

/// Held while an operation runs; closing waits for it.
pub(crate) type Running = OwnedRwLockReadGuard<bool>;

impl DynamoDb {
    /// Opens a store.
    pub fn builder() -> DynamoDbBuilder {
        DynamoDbBuilder::default()
    }

    pub(crate) fn new(client: Arc<Client>, snapshots: Arc<Client>, settings: Settings) -> Self {
        let keys = Keys::new(settings.journal_name.as_str(), settings.sequence_shards);
        let sizes = ItemSizes::new(&keys, &settings);
        let positions = Positions::new(&settings.journal_table, &settings.journal_name);
        let pulse = Pulse::new(settings.poll_first, settings.poll_max);
        let listing = OnceCell::new();
        let open = Arc::new(RwLock::new(true));
        Self {
            inner: Arc::new(Inner {
                client,
                snapshots,
                settings,
                keys,
                sizes,
                near: NearLimits::default(),
                positions,
                pulse,
                listing,
                open,
            }),
        }
    }

    /// The four contracts over this store.
    pub fn store(self: &Arc<Self>) -> Store {
        Store::of(self.clone())
    }

    /// What it counted since it was opened, on both servers where the snapshots have one of their own; the
    /// limit of requests and the clock are those of the events' server.
    pub fn stats(&self) -> Stats {
        let (events, snapshots) = (&self.inner.client, &self.inner.snapshots);
        match Arc::ptr_eq(events, snapshots) {
            true => events.stats(),
            false => events.stats().with(snapshots.stats()),
        }
    }

    pub(crate) fn limits(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// Waits for what runs, and refuses everything from then on.
    pub(crate) async fn end_all(&self) {
        *self.inner.open.write().await = false;
        // Readers that wait must learn of it; their next read answers `Closed`.
        self.inner.pulse.announce();
    }
}

impl Inner {
    /// Lets an operation run, unless the store was closed.
    pub(crate) async fn enter(&self) -> Result<Running> {
        let running = self.open.clone().read_owned().await;
        if *running { Ok(running) } else { Err(Error::closed("the DynamoDB store was closed")) }
    }

    /// What the keys of snapshots begin with.
    pub(crate) fn snapshots_name(&self) -> &str {
        self.settings.snapshot_journal_name.as_deref().unwrap_or(self.keys.journal())
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        // The page that is read, the one that is delivered, and those that are read ahead.
        let pages = self.settings.replay_parallelism.saturating_add(2);
        Capabilities {
            name: "dynamodb",
            durable: true,
            exclusive: true,
            detects_ahead: false,
            tags: false,
            slices: false,
            all_events: false,
            offsets: true,
            ids_in_order: false,
            id_bytes_max: self.keys.id_bytes_max(),
            events_per_append_max: crate::append::EVENTS_MAX,
            event_bytes_max: self.sizes.event_bytes_max(),
            append_bytes_max: crate::append::BYTES_MAX,
            snapshot_bytes_max: self.sizes.snapshot_bytes_max(),
            tags_per_event_max: 64,
            text_bytes_max: crate::item::TEXT_BYTES_MAX,
            replay_bytes_max: pages
                .saturating_mul(PAGE_BYTES)
                .saturating_add(crate::read::HELD_BYTES_MAX),
        }
    }
}

/// The time of day, for tombstones and intents.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
