//! How a store is laid out: data, with defaults.

use crate::format::byte_count;
use crate::log::whole_blocks;
use crate::position::SegmentNr;

/// How a store is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The length of a segment file, in bytes. Default 64 MiB; from 64 KiB to 1 GiB. The first ones of a
    /// store are smaller, so that a small store is a small directory.
    pub segment_bytes: u32,
    /// Whether direct synced writes are tried. Default true.
    pub direct: bool,
    /// The most bytes of appends that wait for the writer at a time. Default 64 MiB.
    pub waiting_bytes_max: u32,
    /// How the room of what is deleted comes back.
    pub compaction: Compaction,
}

/// How the room of deleted events and snapshots comes back: full segments are written anew without them,
/// in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Whether it happens by itself. Default true. [`crate::EmbeddedStore::compact`] asks for it.
    pub automatic: bool,
    /// How much of a segment must be dead, and how much shorter its file must get, for that to happen by
    /// itself, in percent. Default 50.
    pub percent_min: u8,
    /// How much of a segment is read or written a second while appends come. Default 32 MiB.
    pub bytes_per_second_max: u32,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { automatic: true, percent_min: 50, bytes_per_second_max: 32 << 20 }
    }
}

impl Compaction {
    /// The same, by itself or not.
    #[must_use]
    pub fn with_automatic(mut self, automatic: bool) -> Self {
        self.automatic = automatic;
        self
    }

    /// The same, of segments of which `percent` of a hundred are dead.
    #[must_use]
    pub fn with_percent_min(mut self, percent: u8) -> Self {
        self.percent_min = percent;
        self
    }

    /// The same, at most at `bytes` a second while appends come.
    #[must_use]
    pub fn with_bytes_per_second_max(mut self, bytes: u32) -> Self {
        self.bytes_per_second_max = bytes;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            direct: true,
            waiting_bytes_max: 64 << 20,
            compaction: Compaction::default(),
        }
    }
}

/// The length of the first segment, unless all are smaller; each next one is twice as long.
const FIRST_SEGMENT_BYTES: u32 = 4 << 20;

impl Settings {
    /// The smallest segment.
    pub const SEGMENT_BYTES_MIN: u32 = 64 << 10;
    /// The largest segment.
    pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

    /// The same settings with segments of `segment_bytes`.
    #[must_use]
    pub fn with_segment_bytes(mut self, segment_bytes: u32) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// The same settings, with direct writes or without.
    #[must_use]
    pub fn with_direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// The same settings with another compaction.
    #[must_use]
    pub fn with_compaction(mut self, compaction: Compaction) -> Self {
        self.compaction = compaction;
        self
    }

    /// The length of the file of `segment`.
    pub(crate) fn capacity_of(&self, segment: SegmentNr) -> u32 {
        let doublings = segment.get().saturating_sub(1).min(8);
        let bytes = FIRST_SEGMENT_BYTES.saturating_mul(1 << doublings).min(self.segment_bytes);
        whole_blocks(bytes)
    }

    /// The largest append: a quarter of a segment.
    pub(crate) fn append_bytes_max(&self) -> usize {
        crate::format::index(self.segment_bytes / 4)
    }

    /// How many bytes of appends may wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        crate::format::index(self.waiting_bytes_max.max(byte_count(self.append_bytes_max())))
    }
}
