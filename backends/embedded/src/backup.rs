//! Hot backups: a copy of the store as it was when the backup began, while writes go on.
//!
//! ```text
//!  note the end ──► marker ──► what never changes: linked or copied
//!                                └► the active segment, up to the end ──► marker becomes the end file
//! ```
//!
//! Segments that are full and index files are never changed once they have their names, so a backup in
//! the same file system shares them (hard links) and takes no room until the store removes them. The
//! active segment is copied, with zeroes behind the end. The end file gets its name last, in one step:
//! without it a backup is no store, and with it the backup is whole. To restore a backup is to open it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use annals_core::{Error, Result};

use crate::builder::take_lock;
use crate::end_file::{END_FILE, EndFile, LogEnd};
use crate::engine::Engine;
use crate::index::{SegmentIndex, directory_run_end};
use crate::log::{SPARE_PREFIX, SegmentFile, prepare, segment_name, segment_of, unreadable};
use crate::position::{Position, SegmentNr};
use crate::storage::{Disk, LOCK_FILE, Storage, StorageFile, link, read_exact_at};
use crate::store::EmbeddedStore;

/// Says that a backup is not whole; becomes the end file.
const MARKER: &str = "backup-unfinished";
/// How much is copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What a backup made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backup {
    /// Segments of the log.
    pub segments: u64,
    /// Files that the backup shares with the store.
    pub files_linked: u64,
    /// Files that were copied.
    pub files_copied: u64,
    /// Bytes in the files that were copied.
    pub bytes_copied: u64,
}

impl EmbeddedStore {
    /// Makes a backup in the directory `to`, which must be empty, absent, or hold a backup that was
    /// interrupted. It holds what was durable when it began, and is durable itself when this returns;
    /// writes go on meanwhile. A store that is open read-only can be backed up too.
    ///
    /// In the same file system the backup shares files with the store (they never change): that guards
    /// against mistakes, not against damage of the disk.
    ///
    /// # Errors
    /// `Invalid` if the directory holds something else; `Corrupt` if the store was opened with damage;
    /// `Unavailable` if it cannot be written, and what
    /// reading the store gives. The store itself is never changed.
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<Backup> {
        let target = Disk::new(to, self.engine.settings.direct);
        self.blocking(move |engine| {
            target.create_directory().map_err(|error| unwritable(&target, error))?;
            backup(engine, &target)
        })
        .await
    }

    /// The same, into any storage: for tests.
    #[doc(hidden)]
    pub fn backup_into(&self, target: &dyn Storage) -> Result<Backup> {
        backup(&self.engine, target)
    }
}

/// Fails if `storage` is a backup that was interrupted.
pub(crate) fn check_finished(storage: &dyn Storage) -> Result<()> {
    let names = storage.list().unwrap_or_default();
    if names.iter().any(|name| name == MARKER) {
        let location = storage.location();
        return Err(Error::invalid(format!(
            "the backup in {location} was interrupted and is no store: run it again"
        )));
    }
    Ok(())
}

fn backup(engine: &Arc<Engine>, target: &dyn Storage) -> Result<Backup> {
    check_target(target)?;
    let _lock = take_lock(target)?;
    check_target(target)?;
    // What is deleted from now on stays in the files until they are taken.
    let _held = engine.compactor.hold();
    engine.refresh()?;
    // Its end would promise that everything before it is whole.
    engine.check_undamaged().map_err(|error| error.context("no backup was made"))?;
    let failed = |error| unwritable(target, error);
    let marker = begin(target).map_err(failed)?;
    let mut copying = Copying { engine, target, made: Backup::default(), decided: None };
    let mut segment = SegmentNr::FIRST;
    let end = loop {
        let (end, sealed) = {
            let state = engine.state.read();
            let (position, last_checksum) = (state.end, state.active.last_checksum);
            let end = LogEnd { store_id: engine.store_id, position, last_checksum, closed: true };
            (end, state.sealed.clone())
        };
        while segment < end.position.segment {
            copying.share_segment(segment)?;
            segment = segment.next();
        }
        // After the segments: an index file may be newer than its segment, and must not be older.
        if let Some((last, _)) = sealed.last_end() {
            copying.share_indexes(last.segment)?;
        }
        if copying.active(&end)? && copying.decided.is_none_or(|decided| decided <= end.position) {
            break end;
        }
        // Another process compacted by what was deleted since: the backup must know of that, too.
        copying.leave_active(end.position.segment)?;
        engine.refresh()?;
        if engine.end() == end.position {
            let location = engine.location();
            let message = format!("the log in {location} ends before what was compacted by it");
            return Err(Error::corrupt(message));
        }
    };
    copying.made.segments = u64::from(end.position.segment.get());
    target.sync_directory().map_err(failed)?;
    EndFile::finish(target, marker, MARKER, &end).map_err(failed)?;
    target.sync_directory().map_err(failed)?;
    Ok(copying.made)
}

/// Fails unless a backup may be made in `target`.
fn check_target(target: &dyn Storage) -> Result<()> {
    let names = target.list().map_err(|error| unwritable(target, error))?;
    let interrupted = names.iter().any(|name| name == MARKER);
    let foreign = |name: &&String| match name.as_str() {
        LOCK_FILE | MARKER => false,
        END_FILE => true,
        name => !(interrupted && is_ours(name)),
    };
    match names.iter().find(foreign) {
        None => Ok(()),
        Some(name) => {
            let location = target.location();
            Err(Error::invalid(format!(
                "{location} is not empty (it holds {name}): a backup needs an empty directory; nothing was \
                 changed"
            )))
        }
    }
}

/// Whether an interrupted backup may have left a file of this name.
fn is_ours(name: &str) -> bool {
    let whole = name.strip_suffix(".tmp").unwrap_or(name);
    let index = SegmentIndex::segment_of(whole).or_else(|| directory_run_end(whole));
    segment_of(whole).or(index).is_some() || name.starts_with(SPARE_PREFIX)
}

/// Marks the directory, and removes what an interrupted backup left.
fn begin(target: &dyn Storage) -> io::Result<Arc<dyn StorageFile>> {
    let marker = match target.create(MARKER) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            target.open_writable(MARKER)?
        }
        created => created?,
    };
    target.sync_directory()?;
    for name in target.list()?.iter().filter(|name| is_ours(name)) {
        target.remove(name)?;
    }
    Ok(marker)
}

/// Which side a copy failed on.
enum Failed {
    Reading(String, io::Error),
    Writing(io::Error),
}

impl Failed {
    fn of(self, engine: &Engine, target: &dyn Storage) -> Error {
        match self {
            Self::Writing(error) => unwritable(target, error),
            Self::Reading(name, error) => match segment_of(&name) {
                Some(segment) => unreadable(engine.storage(), segment, 0, error),
                None => {
                    let location = engine.location();
                    Error::unavailable(format!("file {name} in {location} cannot be read"))
                        .with_source(error)
                }
            },
        }
    }
}

struct Copying<'a> {
    engine: &'a Engine,
    target: &'a dyn Storage,
    made: Backup,
    /// What was deleted up to here was looked at when what was taken in was compacted, in a store that
    /// another process writes.
    decided: Option<Position>,
}

impl Copying<'_> {
    /// Takes in a segment that is full.
    fn share_segment(&mut self, segment: SegmentNr) -> Result<()> {
        let name = segment_name(segment);
        self.share(&name).map_err(|error| error.of(self.engine, self.target))?;
        if self.engine.follower.is_none() {
            return Ok(());
        }
        let file = self.target.open(&name).map_err(|error| unwritable(self.target, error))?;
        let file = SegmentFile::open(self.target, Some(self.engine.store_id), segment, file)?;
        self.decided = self.decided.max(file.header.packing.map(|packing| packing.decided));
        Ok(())
    }

    /// The segment that was the active one is taken in as a full one.
    fn leave_active(&self, segment: SegmentNr) -> Result<()> {
        match self.target.remove(&segment_name(segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(unwritable(self.target, error))
            }
            _ => Ok(()),
        }
    }

    /// Takes in a file that never changes.
    fn share(&mut self, name: &str) -> Result<(), Failed> {
        let directories = (self.engine.storage().directory(), self.target.directory());
        if let (Some(from), Some(to)) = directories
            // Refused between file systems, and by some: a copy does, or says what is wrong.
            && link(from, to, name).is_ok()
        {
            self.made.files_linked += 1;
            return Ok(());
        }
        let reading = |error| Failed::Reading(name.to_owned(), error);
        let from = self.engine.storage().open(name).map_err(reading)?;
        let length = from.length().map_err(reading)?;
        let unfinished = format!("{name}.tmp");
        let to = self.target.create(&unfinished).map_err(Failed::Writing)?;
        self.copy(name, &*from, &*to, length)?;
        self.target.rename(&unfinished, name).map_err(Failed::Writing)
    }

    /// Copies the first `length` bytes, durably.
    fn copy(
        &mut self,
        name: &str,
        from: &dyn StorageFile,
        to: &dyn StorageFile,
        length: u64,
    ) -> Result<(), Failed> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < length {
            let rest = usize::try_from(length - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let part = chunk.get_mut(..rest).unwrap_or_default();
            read_exact_at(from, part, at)
                .map_err(|error| Failed::Reading(name.to_owned(), error))?;
            to.write_at(part, at).map_err(Failed::Writing)?;
            at += u64::try_from(rest).unwrap_or(u64::MAX);
        }
        to.sync().map_err(Failed::Writing)?;
        self.made.files_copied += 1;
        self.made.bytes_copied += length;
        Ok(())
    }

    /// Takes in the index files of the segments up to `last`. They are made of the log, so one that goes
    /// away meanwhile (directory runs are merged) is no loss.
    fn share_indexes(&mut self, last: SegmentNr) -> Result<()> {
        let names = self.engine.storage().list().map_err(|error| {
            let location = self.engine.location();
            Error::unavailable(format!("the store in {location} cannot be listed"))
                .with_source(error)
        })?;
        for name in names {
            let end = SegmentIndex::segment_of(&name).or_else(|| directory_run_end(&name));
            if end.is_none_or(|end| end > last) {
                continue;
            }
            match self.share(&name) {
                Err(Failed::Reading(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
                shared => shared.map_err(|error| error.of(self.engine, self.target))?,
            }
            if self.engine.follower.is_some()
                && let Some(segment) = SegmentIndex::segment_of(&name)
                && let Ok(Some(index)) = SegmentIndex::open(self.target, segment)
            {
                self.decided = self.decided.max(index.meta().decided);
            }
        }
        Ok(())
    }

    /// Copies the active segment up to the end, and leaves zeroes behind it; `false` if it was compacted
    /// meanwhile.
    fn active(&mut self, end: &LogEnd) -> Result<bool> {
        let segment = end.position.segment;
        let name = segment_name(segment);
        let from = self.engine.files.get(segment)?;
        if from.packed.is_some() {
            return Ok(false);
        }
        let failed = |error| unwritable(self.target, error);
        let unfinished = format!("{name}.tmp");
        let to = prepare(self.target, unfinished, from.header.capacity).map_err(failed)?;
        self.copy(&name, &*from.file, &*to.file, end.position.byte.into())
            .map_err(|error| error.of(self.engine, self.target))?;
        self.target.rename(&to.name, &name).map_err(|error| unwritable(self.target, error))?;
        Ok(true)
    }
}

fn unwritable(target: &dyn Storage, error: io::Error) -> Error {
    let location = target.location();
    Error::unavailable(format!(
        "the backup in {location} could not be written ({error}); the store is as it was: run it again"
    ))
    .with_source(error)
}
