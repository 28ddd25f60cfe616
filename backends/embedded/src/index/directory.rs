//! Which sealed segment touched an id last: sorted runs over all segments, merged as a binary counter
//! counts, so that there are few of them.
//!
//! ```text
//! segments   1 2 3 4 5 6 7 8 │ 9 10 11 12 │ 13
//! runs       dir-1-8         │ dir-9-12   │ dir-13-13
//! ```
//!
//! A run is derived from the indexes of its segments, never changed, and superseded by one that covers
//! its segments and more. Each step leaves files from which a directory opens: a new run is written
//! aside, synced and renamed, and what it supersedes is removed after that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::{Error, ErrorKind, Result};
use parking_lot::{Mutex, RwLock};

use super::block_writer::TEMPORARY;
use super::previous::PreviousSegments;
use super::run::{Entry, Run, RunEntries, RunReader, Span};
use super::segment::SegmentIndex;
use crate::position::SegmentNr;
use crate::storage::Storage;

/// How often a listing is repeated whose files vanish before they are opened, because another process
/// merges them.
const LISTINGS_MAX: usize = 100;

/// What an opening may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryAccess {
    /// Read, beside a process that writes.
    Read,
    /// Read and write; unfinished and superseded files are removed.
    Write,
}

/// A directory and what it lacks.
#[derive(Debug)]
pub(crate) struct OpenedDirectory {
    /// The directory of all runs that could be read.
    pub(crate) directory: Directory,
    /// The sealed segments that no run covers, ascending: add them.
    pub(crate) uncovered: Vec<SegmentNr>,
    /// Why runs could not be read. Their segments are uncovered, and nothing is lost.
    pub(crate) damaged: Vec<Error>,
}

/// Which sealed segment touched an id last.
#[derive(Debug)]
pub(crate) struct Directory {
    storage: Arc<dyn Storage>,
    store_id: u64,
    /// Newest first. Readers keep the list that they began with, while a merge puts another here.
    runs: RwLock<Arc<[Arc<Run>]>>,
    /// Held while runs are written.
    writing: Mutex<()>,
    reads: Arc<AtomicU64>,
}

impl Directory {
    /// Opens the directory of the store in `storage`, whose sealed segments are `sealed`. Beside a
    /// process that writes, it may know of segments that were sealed after `sealed` was listed.
    ///
    /// # Errors
    /// `Unavailable`, `Unsupported` if a run is of another version.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        store_id: u64,
        sealed: &[SegmentNr],
        access: DirectoryAccess,
    ) -> Result<OpenedDirectory> {
        let reads = Arc::new(AtomicU64::new(0));
        let (mut runs, damaged) = open_runs(&*storage, store_id, &reads)?;
        let spans: Vec<Span> = runs.iter().map(|run| run.span).collect();
        let superseded =
            |span: Span| spans.iter().any(|other| *other != span && other.covers(span));
        if access == DirectoryAccess::Write {
            remove_leftovers(&*storage, superseded)
                .map_err(|error| unwritable(&*storage, error))?;
        }
        runs.retain(|run| !superseded(run.span));
        let covered = |segment| runs.iter().any(|run| run.span.contains(segment));
        let mut uncovered: Vec<SegmentNr> =
            sealed.iter().copied().filter(|segment| !covered(*segment)).collect();
        uncovered.sort_unstable();
        let directory = Self {
            storage,
            store_id,
            runs: RwLock::new(newest_first(runs)),
            writing: Mutex::new(()),
            reads,
        };
        Ok(OpenedDirectory { directory, uncovered, damaged })
    }

    /// The newest sealed segment that knows an id of `hash`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn newest(&self, hash: u64) -> Result<Option<SegmentNr>> {
        for run in self.snapshot().iter() {
            if let Some(segment) = run.find(hash)? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// For each of `hashes` (ascending, each once: a segment's that is being sealed) the newest sealed
    /// segment that knows it, by one pass over each run.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn previous(&self, hashes: Vec<u64>) -> Result<PreviousSegments> {
        let mut previous = PreviousSegments::unknown(hashes);
        for run in self.snapshot().iter() {
            let mut reader = RunReader::for_lookups(run, previous.hashes().len());
            previous.fill(|hash| reader.find(hash))?;
        }
        Ok(previous)
    }

    /// Adds a segment whose ids have `hashes` (ascending, each once), durable when it returns; then
    /// merges runs. The segment's index must be durable before.
    ///
    /// # Errors
    /// `Unavailable`: the segment is added or not, as [`Directory::covers`] says, and it can be tried
    /// again; `Corrupt` if a run that was to be merged is damaged: the segment is added.
    pub(crate) fn add(&self, segment: SegmentNr, hashes: &[u64]) -> Result<()> {
        let _writing = self.writing.lock();
        let span = Span { first: segment, last: segment };
        let mut hashes = hashes.iter();
        self.write_run(span, || Ok(hashes.next().map(|hash| Entry { hash: *hash, segment })))?;
        self.merge()
    }

    /// Adds a segment from its index: for one that no run covers.
    ///
    /// # Errors
    /// As [`Directory::add`]; `Corrupt` if the index is damaged.
    pub(crate) fn add_index(&self, index: &SegmentIndex) -> Result<()> {
        self.add(index.meta().segment, &index.hashes()?)
    }

    /// Adds a segment from its index in memory only, for a process that may not write.
    ///
    /// # Errors
    /// `Corrupt` if the index is damaged; `Unavailable`.
    pub(crate) fn add_index_in_memory(&self, index: &SegmentIndex) -> Result<()> {
        let segment = index.meta().segment;
        let entries = index.hashes()?.into_iter().map(|hash| Entry { hash, segment }).collect();
        self.put_run(Run::in_memory(Span { first: segment, last: segment }, entries));
        Ok(())
    }

    /// Whether a run covers `segment`.
    pub(crate) fn covers(&self, segment: SegmentNr) -> bool {
        self.snapshot().iter().any(|run| run.span.contains(segment))
    }

    /// Reads every block of every run.
    ///
    /// # Errors
    /// `Corrupt`, naming the file and the place of the first damage; `Unavailable`.
    pub(crate) fn verify(&self) -> Result<()> {
        self.snapshot().iter().try_for_each(|run| run.verify())
    }

    /// Checks that the directory knows every id of `index`, in its segment or a newer one.
    ///
    /// # Errors
    /// `Corrupt`, naming the segment; `Unavailable`.
    pub(crate) fn verify_index(&self, index: &SegmentIndex) -> Result<()> {
        let segment = index.meta().segment;
        let newest = self.previous(index.hashes()?)?;
        let known = |hash: &u64| newest.of(*hash).is_some_and(|newest| newest >= segment);
        if newest.hashes().iter().all(known) {
            return Ok(());
        }
        let location = self.storage.location();
        Err(Error::corrupt(format!(
            "the directory runs in {location} do not know an id of segment {segment}; they are \
             indexes, the events themselves are in the log"
        )))
    }

    /// How many runs there are.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> usize {
        self.snapshot().len()
    }

    /// How many blocks of runs were read since it was opened, the opening and merges included.
    pub(crate) fn block_reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// What this value takes in memory, beyond itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.snapshot().iter().map(|run| run.heap_bytes() + size_of::<Arc<Run>>()).sum()
    }

    fn snapshot(&self) -> Arc<[Arc<Run>]> {
        self.runs.read().clone()
    }

    /// Merges the newest runs, from the oldest one on that covers no more segments than all newer ones
    /// together: what is left halves in size from run to run, so there are at most log2 of the segments.
    fn merge(&self) -> Result<()> {
        let runs = self.snapshot();
        let mut newer = 0;
        let mut merged: Option<&[Arc<Run>]> = None;
        let mut last: Option<&Arc<Run>> = None;
        for (index, run) in runs.iter().enumerate() {
            // A merged run claims every segment of its span, so no segment may be missing within it.
            let touches = last.is_none_or(|last| run.span.last.next() >= last.span.first);
            if !touches {
                break;
            }
            if index > 0 && run.span.segments() <= newer {
                merged = runs.get(..=index);
            }
            newer += run.span.segments();
            last = Some(run);
        }
        let Some((merged, newest, oldest)) =
            merged.and_then(|merged| Some((merged, merged.first()?, merged.last()?)))
        else {
            return Ok(());
        };
        let span = Span { first: oldest.span.first, last: newest.span.last };
        let mut entries = Merge::new(merged)?;
        self.write_run(span, || entries.next())?;
        for run in merged.iter().filter(|run| run.span != span) {
            match self.storage.remove(&run.span.file_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unwritable(&*self.storage, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write_run(&self, span: Span, next: impl FnMut() -> Result<Option<Entry>>) -> Result<()> {
        Run::write(&*self.storage, self.store_id, span, next)?;
        let run = Run::open(&*self.storage, self.store_id, span, self.reads.clone())?;
        let vanished = || Error::unavailable(format!("{} vanished", span.file_name()));
        self.put_run(run.ok_or_else(vanished)?);
        Ok(())
    }

    /// Puts `run` in the place of all that it covers.
    fn put_run(&self, run: Run) {
        let mut runs = self.runs.write();
        let kept = runs.iter().filter(|other| !run.span.covers(other.span)).cloned();
        let kept: Vec<Arc<Run>> = kept.collect();
        *runs = newest_first(kept.into_iter().chain([Arc::new(run)]));
    }
}

/// The entries of several runs, newest first, as those of one: each hash once, of the newest.
struct Merge<'a> {
    sources: Vec<(Option<Entry>, RunEntries<'a>)>,
}

impl<'a> Merge<'a> {
    fn new(runs: &'a [Arc<Run>]) -> Result<Self> {
        let mut sources = Vec::new();
        for run in runs {
            let mut entries = run.entries();
            sources.push((entries.next()?, entries));
        }
        Ok(Self { sources })
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let mut least: Option<Entry> = None;
        for entry in self.sources.iter().filter_map(|(entry, _)| *entry) {
            if least.is_none_or(|least| entry.hash < least.hash) {
                least = Some(entry);
            }
        }
        for (entry, rest) in &mut self.sources {
            if entry.map(|entry| entry.hash) == least.map(|least| least.hash) {
                *entry = rest.next()?;
            }
        }
        Ok(least)
    }
}

fn newest_first(runs: impl IntoIterator<Item = Arc<Run>>) -> Arc<[Arc<Run>]> {
    let mut runs: Vec<Arc<Run>> = runs.into_iter().collect();
    runs.sort_by_key(|run| std::cmp::Reverse((run.span.last, run.span.segments())));
    runs.into()
}

type OpenRuns = (Vec<Arc<Run>>, Vec<Error>);

fn open_runs(storage: &dyn Storage, store_id: u64, reads: &Arc<AtomicU64>) -> Result<OpenRuns> {
    for _ in 0..LISTINGS_MAX {
        if let Some(opened) = open_listed(storage, store_id, reads)? {
            return Ok(opened);
        }
    }
    let location = storage.location();
    Err(Error::unavailable(format!(
        "the directory runs in {location} change too fast to be opened"
    )))
}

/// `None` if a file vanished since it was listed.
fn open_listed(
    storage: &dyn Storage,
    store_id: u64,
    reads: &Arc<AtomicU64>,
) -> Result<Option<OpenRuns>> {
    let names = storage.list().map_err(|error| {
        let message = format!("{} could not be listed", storage.location());
        Error::unavailable(message).with_source(error)
    })?;
    let (mut runs, mut damaged) = (Vec::new(), Vec::new());
    for span in names.iter().filter_map(|name| Span::of_name(name)) {
        match Run::open(storage, store_id, span, reads.clone()) {
            Ok(Some(run)) => runs.push(Arc::new(run)),
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Corrupt => damaged.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(Some((runs, damaged)))
}

/// The last segment of the directory run whose file is called `name`, if one's is.
pub(crate) fn directory_run_end(name: &str) -> Option<SegmentNr> {
    Span::of_name(name).map(|span| span.last)
}

/// Removes unfinished files, of runs and of indexes, and superseded runs.
fn remove_leftovers(storage: &dyn Storage, superseded: impl Fn(Span) -> bool) -> io::Result<()> {
    for name in storage.list()? {
        let unfinished = name.strip_suffix(TEMPORARY).is_some_and(|name| {
            Span::of_name(name).is_some() || SegmentIndex::segment_of(name).is_some()
        });
        if unfinished || Span::of_name(&name).is_some_and(&superseded) {
            storage.remove(&name)?;
        }
    }
    Ok(())
}

fn unwritable(storage: &dyn Storage, error: io::Error) -> Error {
    let location = storage.location();
    let message =
        format!("superseded index files in {location} could not be removed; nothing is lost");
    Error::unavailable(message).with_source(error)
}
