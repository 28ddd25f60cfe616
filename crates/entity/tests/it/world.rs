//! One store, its faults, and regions over it, in a deterministic environment.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use annals_core::{
    AppendId, Clock, Codec, Error, Ids, JournalExt, PersistenceId, Registry, Result, SeqRange,
    Sleep, Store, StoredEvent, Timestamp, WriterId,
};
use annals_entity::{
    Components, Entities, EntitiesBuilder, EntityRef, EventSourced, Reply, Settings,
};
use annals_memory::{MemoryOptions, MemoryStore};

use crate::account::{Account, Command, Text};
use crate::faulty::{Faults, Faulty};

/// A counter as clock and source of ids.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Clock for Counter {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.next()).unwrap())
    }

    /// The time that the timer goes by.
    fn monotonic(&self) -> Duration {
        static FIRST: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        tokio::time::Instant::now().into_std().saturating_duration_since(*FIRST)
    }
}

impl Ids for Counter {
    fn append_id(&self) -> AppendId {
        AppendId::new(u128::from(self.next()))
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(format!("writer-{}", self.next()))
    }

    fn random(&self) -> u64 {
        self.next().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Tokio's timer, which the tests let run ahead.
#[derive(Debug)]
struct Timer;

impl Sleep for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) faults: Arc<Faults>,
    components: Components,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_options(MemoryOptions::default())
    }

    pub(crate) fn with_options(options: MemoryOptions) -> Self {
        crate::spans::install();
        let counter = Arc::new(Counter::default());
        let components =
            Components { clock: counter.clone(), ids: counter, sleep: Arc::new(Timer) };
        let store = MemoryStore::with_options(options).store();
        Self { store, faults: Faults::new(), components }
    }

    pub(crate) fn builder(&self) -> EntitiesBuilder<Account> {
        let codec = Arc::new(Registry::new(Arc::new(Text)));
        let store = Faulty::over(&self.store, &self.faults);
        EntitiesBuilder::new(store, codec, self.components.clone())
    }

    /// As [`World::builder`], of another behaviour.
    pub(crate) fn builder_of<B: EventSourced>(
        &self,
        codec: Arc<dyn Codec<B::Event>>,
    ) -> EntitiesBuilder<B> {
        EntitiesBuilder::new(
            Faulty::over(&self.store, &self.faults),
            codec,
            self.components.clone(),
        )
    }

    pub(crate) fn builder_with_snapshots(&self) -> EntitiesBuilder<Account> {
        self.builder().snapshot_codec(Arc::new(Registry::<Account>::new(Arc::new(Text))))
    }

    pub(crate) fn start(&self) -> Entities<Account> {
        self.start_with(Settings::default())
    }

    pub(crate) fn start_with(&self, settings: Settings) -> Entities<Account> {
        self.builder().settings(settings).start()
    }

    pub(crate) async fn journal(&self, entity_id: &str) -> Vec<StoredEvent> {
        self.store.journal.read_all(&id(entity_id), SeqRange::ALL).await.unwrap()
    }

    /// The stored events as text.
    pub(crate) async fn texts(&self, entity_id: &str) -> Vec<String> {
        let text = |event: StoredEvent| String::from_utf8(event.payload.bytes.to_vec()).unwrap();
        self.journal(entity_id).await.into_iter().map(text).collect()
    }
}

pub(crate) fn id(entity_id: &str) -> PersistenceId {
    PersistenceId::of("account", entity_id).unwrap()
}

pub(crate) async fn deposit(account: &EntityRef<Account>, cents: i64) -> Result<i64> {
    account.ask(|reply| Command::Deposit { cents, reply }).await
}

pub(crate) async fn balance(account: &EntityRef<Account>) -> Result<i64> {
    account.ask(|reply| Command::Balance { reply }).await
}

/// Asks in a task of its own, so that several wait at once.
pub(crate) fn asking<T: Send + 'static>(
    account: &EntityRef<Account>,
    command: impl FnOnce(Reply<T>) -> Command + Send + 'static,
) -> tokio::task::JoinHandle<Result<T>> {
    let account = account.clone();
    tokio::spawn(async move { account.ask(command).await })
}

/// Lets every task run until all of them wait, without letting time pass.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn kind_of<T>(result: Result<T>) -> &'static str {
    result.err().map_or("ok", |error: Error| error.kind().name())
}
