//! The store: what users hold.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use annals_core::{Capabilities, Error, PersistenceId, Result, SeqNr, SeqRange, Store};
use parking_lot::Mutex;

use crate::builder::EmbeddedBuilder;
use crate::engine::Engine;
use crate::log::segment_name;
use crate::position::Position;
use crate::read::BATCH_BYTES;
use crate::stats::Stats;
use crate::storage::LockGuard;

/// A store in a directory of this machine. One process writes; others may open it read-only.
#[derive(Debug)]
pub struct EmbeddedStore {
    pub(crate) engine: Arc<Engine>,
    /// What ends with the store; `None` once it is closed, and in a store opened read-only.
    owned: Mutex<Option<Owned>>,
    pub(crate) writable: bool,
}

/// The threads and the lock of a store that is open for writing.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) lock: Box<dyn LockGuard>,
}

impl Owned {
    /// Ends the threads and gives the lock back. Blocks until what waits is written.
    pub(crate) fn run(self, engine: &Engine) {
        engine.queue.close();
        engine.spares.stop();
        engine.sealer.stop();
        engine.compactor.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the embedded log panicked");
            }
        }
        engine.spares.remove();
        engine.announce();
        drop(self.lock);
    }
}

impl EmbeddedStore {
    /// Opens or makes a store in the directory at `path`.
    pub fn builder(path: impl Into<PathBuf>) -> EmbeddedBuilder {
        EmbeddedBuilder::new(path.into())
    }

    pub(crate) fn new(engine: Arc<Engine>, owned: Option<Owned>) -> Self {
        Self { engine, writable: owned.is_some(), owned: Mutex::new(owned) }
    }

    /// The four contracts over this store.
    pub fn store(self: &Arc<Self>) -> Store {
        Store::of(self.clone())
    }

    /// What it counted since it was opened.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Stops without the orderly end, as a crash of the process would, except that what was handed to
    /// the writer is still written. For tests of recovery.
    #[doc(hidden)]
    pub fn abandon(&self) {
        self.engine.poison("the store was abandoned".to_owned());
        self.stop();
    }

    /// What has to be stopped, once.
    pub(crate) fn stopping(&self) -> Option<Owned> {
        self.owned.lock().take()
    }

    fn stop(&self) {
        if let Some(owned) = self.stopping() {
            owned.run(&self.engine);
        }
    }

    /// The file and the byte where the frame with event `seq_nr` of `id` begins, for tests of damage.
    #[doc(hidden)]
    pub fn locate_event(&self, id: &PersistenceId, seq_nr: SeqNr) -> Result<Option<(String, u64)>> {
        let range = SeqRange::new(seq_nr, seq_nr);
        for segment in self.engine.segments_of(id, range)? {
            if let Some(byte) = self.engine.id_frames(segment, id, range)?.first() {
                let place = self.engine.files.get(segment)?.place_of(*byte);
                return Ok(Some((segment_name(segment), place)));
            }
        }
        Ok(None)
    }

    /// The file and the byte where the snapshot of `id` at `seq_nr` begins, for tests of damage.
    #[doc(hidden)]
    pub fn locate_snapshot(
        &self,
        id: &PersistenceId,
        seq_nr: SeqNr,
    ) -> Result<Option<(String, u64)>> {
        let set = self.engine.snapshots(id)?;
        let found = set.iter().find(|snapshot| snapshot.seq_nr == seq_nr);
        let Some(Position { segment, byte }) = found.map(|found| found.position) else {
            return Ok(None);
        };
        let place = self.engine.files.get(segment)?.place_of(byte);
        Ok(Some((segment_name(segment), place)))
    }

    /// Fails once the store is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.engine.queue.is_closed() { Err(self.engine.closed_error()) } else { Ok(()) }
    }

    /// Fails unless the store is open for writing.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if !self.writable {
            let location = self.engine.location();
            return Err(Error::unsupported(format!(
                "the store in {location} is open read-only; nothing was written"
            )));
        }
        self.check_open()
    }

    pub(crate) fn limits(&self) -> Capabilities {
        let append_bytes_max = self.engine.settings.append_bytes_max();
        Capabilities {
            name: "embedded",
            durable: true,
            exclusive: true,
            detects_ahead: true,
            tags: true,
            slices: true,
            all_events: true,
            ids_in_order: true,
            offsets: true,
            id_bytes_max: 4096,
            events_per_append_max: (append_bytes_max / 64).min(16 * 1024),
            event_bytes_max: append_bytes_max,
            append_bytes_max,
            snapshot_bytes_max: append_bytes_max,
            tags_per_event_max: 256,
            text_bytes_max: 4096,
            replay_bytes_max: 2 * (append_bytes_max + BATCH_BYTES),
        }
    }

    /// The same, of what another process wrote up to now; once more if it replaced a file meanwhile.
    pub(crate) async fn blocking_read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Arc<Engine>) -> Result<T> + Send + 'static,
    {
        self.blocking(move |engine| engine.read_again(read)).await
    }

    /// Runs blocking reads on a thread for such work.
    pub(crate) async fn blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Engine>) -> Result<T> + Send + 'static,
    {
        self.check_open()?;
        run_blocking(self.engine.clone(), work).await
    }
}

/// Runs blocking reads on a thread for such work.
#[expect(
    clippy::disallowed_methods,
    reason = "blocking reads belong on the runtime's blocking threads"
)]
pub(crate) async fn run_blocking<T, F>(engine: Arc<Engine>, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Arc<Engine>) -> Result<T> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || work(&engine)).await;
    done.map_err(|error| Error::internal("a read of the log panicked").with_source(error))?
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.stop();
    }
}
