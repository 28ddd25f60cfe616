//! Opening a store. The one place of the engine that draws random numbers and starts threads.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::{Duration, Instant};

use annals_core::{Error, ErrorKind, Result};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::backup::check_finished;
use crate::catalog::{MemIndex, Sealed, State};
use crate::compaction::Compactor;
use crate::end_file::{END_FILE, EndFile, LogEnd};
use crate::engine::Engine;
use crate::follower::Follower;
use crate::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::log::{
    Completer, Queue, SPARE_PREFIX, SegmentFiles, Spares, Tail, Writer, WriterParts, segment_name,
    whole_blocks,
};
use crate::position::{Position, SegmentNr};
use crate::recovery::{Purpose, Recovered, Recovery, segments};
use crate::sealer::Sealer;
use crate::settings::Settings;
use crate::stats::Counters;
use crate::storage::{Disk, LOCK_FILE, LockGuard, Storage};
use crate::store::{EmbeddedStore, Owned};

/// How long an opening waits for the lock: one who only looks holds it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// Opens or makes an embedded store.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> annals_core::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path();
/// let store = annals_embedded::EmbeddedStore::builder(path).open()?;
/// # annals_core::Journal::close(&*store).await
/// # }
/// ```
#[derive(Debug)]
pub struct EmbeddedBuilder {
    path: PathBuf,
    settings: Settings,
    storage: Option<Arc<dyn Storage>>,
}

impl EmbeddedBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, settings: Settings::default(), storage: None }
    }

    /// The same opening with these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The same opening, in `storage` instead of the directory: for tests.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Opens the store for writing and reading, and makes it if there is none. Blocks while it
    /// recovers.
    ///
    /// # Errors
    /// `Invalid` for settings out of range; `Unavailable` if another process has it open, or the
    /// directory cannot be used; `Corrupt` for damage of anything that was durable.
    pub fn open(self) -> Result<Arc<EmbeddedStore>> {
        let Settings { segment_bytes, .. } = self.settings;
        let range = Settings::SEGMENT_BYTES_MIN..=Settings::SEGMENT_BYTES_MAX;
        if !range.contains(&segment_bytes) {
            let (min, max) = (range.start(), range.end());
            let message = format!("segments of {segment_bytes} bytes: {min} to {max} are possible");
            return Err(Error::invalid(message));
        }
        let storage = match self.storage.clone() {
            Some(storage) => storage,
            None => {
                let disk = Disk::new(&self.path, self.settings.direct);
                disk.create_directory().map_err(|error| unusable(&disk, error))?;
                Arc::new(disk)
            }
        };
        let lock = take_lock(&*storage)?;
        remove_leftovers(&*storage).map_err(|error| unusable(&*storage, error))?;
        let end_file = match EndFile::open(&*storage, true) {
            Ok(Some(end_file)) => end_file,
            Ok(None) => {
                check_finished(&*storage)?;
                create(&*storage, &self.settings)?
            }
            Err(error) => return Err(unusable(&*storage, error)),
        };
        let end = end_file.read(&*storage)?;
        let sealed = Sealed::open(storage.clone(), end.store_id, true)?;
        let recovered = Recovery::new(&*storage, end, &sealed)?
            .run(Purpose::Write)
            .map_err(read_only_remedy)?;
        let synced = Position::new(recovered.active.segment, recovered.active.end);
        let last_checksum = recovered.active.last_checksum;
        let running =
            LogEnd { store_id: end.store_id, position: synced, last_checksum, closed: false };
        end_file.write_synced(&running).map_err(|error| unusable(&*storage, error))?;
        self.start(storage, lock, end_file, running, sealed, recovered)
    }

    /// Opens the store for reading, also while another process writes to it: what is durable there is
    /// seen at once. Nothing is changed in the directory.
    ///
    /// # Errors
    /// `Invalid` if there is no store; `Corrupt` for damage of anything that was durable.
    pub fn open_read_only(self) -> Result<Arc<EmbeddedStore>> {
        let storage: Arc<dyn Storage> = match self.storage.clone() {
            Some(storage) => storage,
            None => Arc::new(Disk::new(&self.path, false)),
        };
        let location = storage.location();
        let end_file = match EndFile::open(&*storage, false) {
            Ok(Some(end_file)) => end_file,
            Ok(None) => {
                check_finished(&*storage)?;
                return Err(Error::invalid(format!("there is no store in {location}")));
            }
            Err(error) => return Err(unusable(&*storage, error)),
        };
        let store_id = end_file.read(&*storage)?.store_id;
        let purpose = if nobody_writes(&*storage) { Purpose::Read } else { Purpose::Follow };
        let sealed = Sealed::open(storage.clone(), store_id, false)?;
        // Read after the index files were: what is sealed lies before this end, or is all there is.
        let end = end_file.read(&*storage)?;
        let recovered = Recovery::new(&*storage, end, &sealed)?.run(purpose)?;
        // Frames that are told to be durable and are damaged lie before the end, too.
        let found = Position::new(recovered.active.segment, recovered.active.end);
        let position = found.max(end.position);
        let end = LogEnd { position, last_checksum: recovered.active.last_checksum, ..end };
        let follower = Some(Follower::new(end_file, recovered.segment.clone()));
        let engine = engine(storage, self.settings, end, sealed, recovered, follower);
        Ok(Arc::new(EmbeddedStore::new(Arc::new(engine), None)))
    }

    /// Starts the threads of a store that was recovered.
    fn start(
        self,
        storage: Arc<dyn Storage>,
        lock: Box<dyn LockGuard>,
        end_file: EndFile,
        end: LogEnd,
        sealed: Sealed,
        recovered: Recovered,
    ) -> Result<Arc<EmbeddedStore>> {
        let parts = WriterParts {
            at: whole_blocks(recovered.active.end),
            synced: end.position,
            previous: end.last_checksum,
            segment: recovered.segment.clone(),
            end_file,
        };
        let engine = Arc::new(engine(storage, self.settings, end, sealed, recovered, None));
        if engine.write_path == crate::storage::WritePath::Buffered && self.settings.direct {
            let location = engine.location();
            tracing::warn!(
                location,
                "the file system refuses direct writes: appends are buffered and synced, which is slower"
            );
        }
        let next = parts.segment.header.segment.next();
        engine.spares.want(engine.settings.capacity_of(next));
        engine.sealer.wake();
        engine.compactor.wake();
        let (completer, completing) = Completer::new(engine.clone(), parts.end_file.clone());
        let writer = Writer::new(engine.clone(), parts, completer);
        let (for_spares, for_sealer, for_compactor) =
            (engine.clone(), engine.clone(), engine.clone());
        let threads = [
            spawn("annals-writer", move || writer.run()),
            spawn("annals-completer", move || completing.run()),
            spawn("annals-spares", move || for_spares.spares.run()),
            spawn("annals-sealer", move || for_sealer.sealer.run(&for_sealer)),
            spawn("annals-compactor", move || for_compactor.compactor.run(&for_compactor)),
        ];
        let threads: io::Result<Vec<JoinHandle<()>>> = threads.into_iter().collect();
        let threads = threads.map_err(|error| {
            engine.queue.close();
            engine.spares.stop();
            engine.sealer.stop();
            engine.compactor.stop();
            Error::unavailable("the threads of the store cannot be started").with_source(error)
        })?;
        Ok(Arc::new(EmbeddedStore::new(engine, Some(Owned { threads, lock }))))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the engine's threads are owned")]
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    ThreadBuilder::new().name(name.to_owned()).spawn(body)
}

fn engine(
    storage: Arc<dyn Storage>,
    settings: Settings,
    end: LogEnd,
    sealed: Sealed,
    recovered: Recovered,
    follower: Option<Follower>,
) -> Engine {
    let counters = Counters::default();
    counters.recovered_bytes.store(recovered.scanned, std::sync::atomic::Ordering::Relaxed);
    Engine {
        store_id: end.store_id,
        settings,
        state: RwLock::new(State {
            active: recovered.active,
            sealing: recovered.sealing,
            sealed: Arc::new(sealed),
            recent: Arc::default(),
            offsets: recovered.offsets,
            planned_revisions: BTreeMap::new(),
            end: end.position,
        }),
        files: Arc::new(SegmentFiles::new(storage.clone(), end.store_id)),
        tail: Tail::default(),
        queue: Queue::new(settings.waiting_bytes()),
        spares: Spares::new(storage.clone()),
        sealer: Sealer::default(),
        compactor: Compactor::default(),
        counters,
        write_path: recovered.segment.file.write_path(),
        seed: random(),
        changed: watch::Sender::new(0),
        damage: recovered.damage,
        follower,
        poison: OnceLock::new(),
        closed: Mutex::new(None),
        storage,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the engine's randomness is drawn")]
fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// A directory or file that the system refuses.
pub(crate) fn unusable(storage: &dyn Storage, error: io::Error) -> Error {
    let location = storage.location();
    Error::unavailable(format!("the store in {location} cannot be used: {error}"))
        .with_source(error)
}

#[expect(
    clippy::disallowed_methods,
    reason = "waiting for the lock happens before the engine runs"
)]
pub(crate) fn take_lock(storage: &dyn Storage) -> Result<Box<dyn LockGuard>> {
    let since = Instant::now();
    loop {
        let lock = storage.lock(LOCK_FILE).map_err(|error| unusable(storage, error))?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        if since.elapsed() > LOCK_PATIENCE {
            let location = storage.location();
            return Err(Error::unavailable(format!(
                "the store in {location} is open for writing already, in this process or another one: close \
                 it there, or open it read-only"
            )));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A store with damage is not written to, but what is whole can be read.
fn read_only_remedy(error: Error) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    let message = format!(
        "{}; nothing was changed: open the store read-only to read the rest",
        error.message()
    );
    Error::corrupt(message).with_source(error)
}

/// Whether no process has the store open for writing.
fn nobody_writes(storage: &dyn Storage) -> bool {
    matches!(storage.lock(LOCK_FILE), Ok(Some(_)))
}

/// Removes what an earlier process left unfinished; none of it was ever part of the store.
fn remove_leftovers(storage: &dyn Storage) -> io::Result<()> {
    for name in storage.list()? {
        if name.starts_with(SPARE_PREFIX) || name.ends_with(".tmp") {
            storage.remove(&name)?;
        }
    }
    Ok(())
}

/// Makes a new store: its first segment, and last the end file, which says that it is whole.
fn create(storage: &dyn Storage, settings: &Settings) -> Result<EndFile> {
    discard_unfinished(storage)?;
    let header = SegmentHeader {
        store_id: random(),
        segment: SegmentNr::FIRST,
        epoch: random(),
        previous_end: None,
        previous_checksum: 0,
        capacity: settings.capacity_of(SegmentNr::FIRST),
        packing: None,
    };
    let end = LogEnd {
        store_id: header.store_id,
        position: Position::new(SegmentNr::FIRST, SEGMENT_HEADER_BYTES),
        last_checksum: header.checksum(),
        closed: false,
    };
    crate::log::prepare(storage, format!("{SPARE_PREFIX}0"), header.capacity)
        .and_then(|spare| {
            spare.file.write_blocks_synced(&header.encode(), 0)?;
            storage.rename(&spare.name, &segment_name(SegmentNr::FIRST))?;
            storage.sync_directory()?;
            let end_file = EndFile::create(storage, &end)?;
            storage.sync_directory()?;
            Ok(end_file)
        })
        .map_err(|error| unusable(storage, error))
}

/// A store whose making was interrupted has one empty segment at most. Anything more without an end
/// file is a store that lost it.
fn discard_unfinished(storage: &dyn Storage) -> Result<()> {
    let found = segments(storage)?;
    let lost = |what: String| {
        let location = storage.location();
        Error::corrupt(format!("file {END_FILE} of the store in {location} is missing: {what}"))
    };
    match found.as_slice() {
        [] => Ok(()),
        [SegmentNr::FIRST] => {
            let name = segment_name(SegmentNr::FIRST);
            let file = storage.open(&name).map_err(|error| unusable(storage, error))?;
            let file = crate::log::SegmentFile::open(storage, None, SegmentNr::FIRST, file)?;
            let checksum = file.header.checksum();
            let mem_index = MemIndex::new(SegmentNr::FIRST, SEGMENT_HEADER_BYTES, checksum);
            let mut scan = crate::log::Scan::new(
                storage,
                &file,
                mem_index.end,
                Some(mem_index.last_checksum),
                file.header.capacity,
            );
            match scan.step()? {
                crate::log::Step::End { .. } => {
                    storage.remove(&name).map_err(|error| unusable(storage, error))
                }
                _ => Err(lost(format!("{name} holds events; restore the file from a backup"))),
            }
        }
        more => Err(lost(format!("{} segments are there; restore it from a backup", more.len()))),
    }
}
