//! Settings of a memory store: its identity and its limits.

use annals_core::Capabilities;

/// Settings of a [`MemoryStore`](crate::MemoryStore). The default takes a store id of its own and
/// the limits of [`MemoryOptions::CAPABILITIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryOptions {
    pub(crate) store_id: Option<u64>,
    pub(crate) capabilities: Capabilities,
}

impl MemoryOptions {
    /// What a memory store can do and takes, unless its options lower a limit.
    pub const CAPABILITIES: Capabilities = Capabilities {
        name: "memory",
        durable: false,
        exclusive: true,
        detects_ahead: true,
        tags: true,
        slices: true,
        all_events: true,
        offsets: true,
        id_bytes_max: 64 * 1024,
        events_per_append_max: 64 * 1024,
        append_bytes_max: 16 * 1024 * 1024,
        snapshot_bytes_max: 64 * 1024 * 1024,
        tags_per_event_max: 256,
        text_bytes_max: 64 * 1024,
        replay_bytes_max: 17 * 1024 * 1024,
    };

    /// Events and payloads past this many bytes start a new batch or page.
    const BATCH_BYTES: usize = 1024 * 1024;

    /// The same options with this store id, which the store's offsets carry. Two stores alive in one
    /// process must not share it; without it each takes a fresh one.
    #[must_use]
    pub fn with_store_id(mut self, store_id: u64) -> Self {
        self.store_id = Some(store_id);
        self
    }

    /// The same options with at most `bytes` in one append.
    #[must_use]
    pub fn with_append_bytes_max(mut self, bytes: usize) -> Self {
        self.capabilities.append_bytes_max = bytes;
        self.capabilities.replay_bytes_max = bytes.saturating_add(Self::BATCH_BYTES);
        self
    }

    /// The same options with at most `bytes` in the payload of one snapshot.
    #[must_use]
    pub fn with_snapshot_bytes_max(mut self, bytes: usize) -> Self {
        self.capabilities.snapshot_bytes_max = bytes;
        self
    }

    /// The bytes at which a batch or page is full. It may pass them by one event, which is never
    /// larger than an append, so both together stay below `replay_bytes_max`.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.capabilities.replay_bytes_max.saturating_sub(self.capabilities.append_bytes_max)
    }
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { store_id: None, capabilities: Self::CAPABILITIES }
    }
}
