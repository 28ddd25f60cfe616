//! A store that fails when it is told to, and what a projection takes from outside.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_core::{
    Append, AppendId, Appended, Batch, Bounds, BoxStream, Capabilities, Clock, Envelope, Error,
    Ids, Journal, JournalExt, NewEvent, Offset, OffsetRevision, OffsetStore, Payload,
    PersistenceId, Result, RetryPolicy, SeqNr, SeqRange, SerializerId, Sleep, Store, StoredOffset,
    Tag, Tags, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};
use annals_memory::MemoryStore;
use annals_query::{
    Components, Handler, HandlerError, OnFailure, ProjectionHandle, ProjectionSettings,
    ProjectionStatus,
};
use async_trait::async_trait;
use parking_lot::Mutex;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The time of day stands still, waiting is tokio's, ids are counted and numbers drawn from a seed.
#[derive(Debug)]
pub(super) struct Environment {
    next: AtomicU64,
    random: Mutex<u64>,
}

/// Different for each environment, so that two runs of one projection never share an id.
static ENVIRONMENTS: AtomicU64 = AtomicU64::new(1);

pub(super) const NOW_MILLIS: i64 = 1_700_000_100_000;

impl Clock for Environment {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_MILLIS)
    }
}

impl Sleep for Environment {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Ids for Environment {
    fn append_id(&self) -> AppendId {
        AppendId::new(u128::from(self.next.fetch_add(1, Ordering::Relaxed)))
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new(format!("w{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    fn random(&self) -> u64 {
        draw(&mut self.random.lock())
    }
}

/// Waits with a bound, so that what never comes fails a test instead of holding it up.
pub(super) trait Reaches {
    /// As `wait_for`, for a minute at most.
    async fn reaches(
        &self,
        condition: impl FnMut(&ProjectionStatus) -> bool,
    ) -> Result<ProjectionStatus>;
}

impl Reaches for ProjectionHandle {
    async fn reaches(
        &self,
        condition: impl FnMut(&ProjectionStatus) -> bool,
    ) -> Result<ProjectionStatus> {
        let waited = tokio::time::timeout(60 * SECOND, self.wait_for(condition)).await;
        waited.unwrap_or_else(|_| panic!("it came to a stand: {:?}", self.status()))
    }
}

/// SplitMix64.
pub(super) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(super) fn components() -> Components {
    let number = ENVIRONMENTS.fetch_add(1, Ordering::Relaxed);
    let environment = Environment { next: AtomicU64::new(number << 32), random: Mutex::new(7) };
    let environment = Arc::new(environment);
    Components { clock: environment.clone(), ids: environment.clone(), sleep: environment }
}

/// Both stores that keep offsets; the directory lives as long as it is held.
pub(super) fn stores() -> Vec<(&'static str, Store, Option<tempfile::TempDir>)> {
    let (embedded, directory) = embedded();
    vec![("memory", MemoryStore::new().store(), None), ("embedded", embedded, Some(directory))]
}

pub(super) fn embedded() -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (open_embedded(&directory), directory)
}

pub(super) fn open_embedded(directory: &tempfile::TempDir) -> Store {
    let settings = Settings { segment_bytes: 1 << 20, ..Settings::default() };
    EmbeddedStore::builder(directory.path()).settings(settings).open().unwrap().store()
}

pub(super) fn id(text: &str) -> PersistenceId {
    crate::id(text)
}

/// Appends event `seq_nr` of `entity`, tagged `even` if its number is.
pub(super) async fn write(store: &Store, entity: &str, seq_nr: u64) {
    let tag = seq_nr.is_multiple_of(2).then(|| Tag::new("even").unwrap());
    let at = Timestamp::from_millis(NOW_MILLIS - 60_000);
    let event = NewEvent::new(text(format!("{entity}:{seq_nr}")), at);
    let append = Append::new(
        components().ids.append_id(),
        id(entity),
        SeqNr::new(seq_nr - 1).unwrap(),
        WriterId::new("w"),
        vec![event.with_tags(Tags::from_iter(tag))],
    );
    store.journal.append(append.unwrap()).await.unwrap();
}

/// Appends events 1 to `count` of each entity in turn.
pub(super) async fn write_rounds(store: &Store, entities: &[&str], count: u64) {
    for seq_nr in 1..=count {
        for entity in entities {
            write(store, entity, seq_nr).await;
        }
    }
}

pub(super) fn text(text: impl Into<String>) -> Payload {
    Payload::new(SerializerId::STRING, "", text.into().into_bytes())
}

/// What an event says: `entity:number`.
pub(super) fn said(payload: &Payload) -> String {
    String::from_utf8(payload.bytes.to_vec()).unwrap()
}

/// What the events of an entity say.
pub(super) async fn history(store: &Store, entity: &str) -> Vec<String> {
    let events = store.journal.read_all(&id(entity), SeqRange::ALL).await.unwrap();
    events.iter().map(|event| said(&event.payload)).collect()
}

/// Saves after each event, tries twice again and at once.
pub(super) fn eager(on_failure: OnFailure) -> ProjectionSettings {
    ProjectionSettings::default()
        .with_save_after(1, SECOND)
        .with_on_failure(on_failure.with_retry(RetryPolicy::NEVER.with_retries_max(2)))
        .with_store_retry(RetryPolicy::NEVER.with_retries_max(3))
}

pub(super) type Seen = Arc<Mutex<Vec<String>>>;

/// Writes down what it is given; fails on what it is told to.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder {
    pub(super) seen: Seen,
    pub(super) fails_on: Seen,
    pub(super) attempts: Arc<AtomicU64>,
}

impl Recorder {
    pub(super) fn failing_on(what: &[&str]) -> Self {
        let recorder = Self::default();
        *recorder.fails_on.lock() = what.iter().map(|what| (*what).to_owned()).collect();
        recorder
    }

    pub(super) fn heal(&self) {
        self.fails_on.lock().clear();
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub(super) fn check(&self, event: &Envelope) -> Result<String, HandlerError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let said = said(&event.event.payload);
        assert_eq!(said, format!("{}:{}", event.persistence_id, event.event.seq_nr));
        if self.fails_on.lock().contains(&said) {
            return Err(format!("{said} cannot be handled").into());
        }
        Ok(said)
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&mut self, event: &Envelope) -> Result<(), HandlerError> {
        let said = self.check(event)?;
        self.seen.lock().push(said);
        Ok(())
    }
}

/// How often in 100 a write of a store fails: before it is done, or after.
#[derive(Debug)]
pub(super) struct Flaky {
    inner: Store,
    random: Mutex<u64>,
    percent: u64,
}

impl Flaky {
    pub(super) fn over(inner: &Store, seed: u64, percent: u64) -> Store {
        let flaky = Arc::new(Self { inner: inner.clone(), random: Mutex::new(seed), percent });
        Store { journal: flaky.clone(), offsets: flaky, ..inner.clone() }
    }

    fn drawn(&self) -> u64 {
        draw(&mut self.random.lock()) % 200
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        let drawn = self.drawn();
        if drawn < self.percent {
            return Err(Error::unavailable("the write was not tried"));
        }
        if drawn < 2 * self.percent && drawn.is_multiple_of(2) {
            return Err(Error::outcome_unknown("the write was not tried, but who knows"));
        }
        tokio::task::yield_now().await;
        let written = write.await?;
        tokio::task::yield_now().await;
        if drawn < 2 * self.percent {
            return Err(Error::outcome_unknown("the answer got lost"));
        }
        Ok(written)
    }
}

#[async_trait]
impl Journal for Flaky {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        self.inner.journal.begin(id, writer).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.write(self.inner.journal.append(append)).await
    }

    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()> {
        self.inner.journal.end(id, writer).await
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        self.inner.journal.replay(id, range)
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.inner.journal.bounds(id).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.write(self.inner.journal.delete_to(id, to)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.journal.close().await
    }
}

#[async_trait]
impl OffsetStore for Flaky {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        self.inner.offsets.load_offset(name).await
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        self.inner.offsets.list_offsets().await
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        self.write(self.inner.offsets.save_offset(name, expected, offset)).await
    }
}
