//! What a store counted, for benchmarks, tests and operators.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::WritePath;

/// Counters of one opening of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// How synced writes reach the disk.
    pub write_path: WritePath,
    /// Synced writes.
    pub batches: u64,
    /// Frames written.
    pub frames: u64,
    /// Events decoded for readers across entities and for replays.
    pub events_decoded: u64,
    /// Segments with an index file.
    pub sealed_segments: usize,
    /// Memory held for the index files of sealed segments, in bytes.
    pub index_heap_bytes: usize,
    /// Blocks of index files read.
    pub index_block_reads: u64,
    /// Bytes of the log that were scanned when the store was opened.
    pub recovered_bytes: u64,
    /// Segments that were written anew without what is deleted.
    pub segments_compacted: u64,
    /// By how much their files are shorter than before.
    pub bytes_given_back: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) events_decoded: AtomicU64,
    pub(crate) recovered_bytes: AtomicU64,
    pub(crate) segments_compacted: AtomicU64,
    pub(crate) bytes_given_back: AtomicU64,
}

impl Counters {
    /// Adds `count` to `counter`.
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
