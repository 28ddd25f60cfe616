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
        ids_in_order: true,
        offsets: true,
        id_bytes_max: 64 * 1024,
        events_per_append_max: 64 * 1024,
        event_bytes_max: 16 * 1024 * 1024,
        append_bytes_max: 16 * 1024 * 1024,
        snapshot_bytes_max: 64 * 1024 * 1024,
        tags_per_event_max: 256,
        text_bytes_max: 64 * 1024,
        replay_bytes_max: 17 * 1024 * 1024,
    };

    /// The same options with this store id, which the store's offsets carry; without it each store
    /// takes a fresh one. Stores of one id take each other's offsets, which is right only for a store
    /// that is filled anew with the same history.
    #[must_use]
    pub fn with_store_id(mut self, store_id: u64) -> Self {
        self.store_id = Some(store_id);
        self
    }

    /// The same options with at most `bytes` in one append.
    #[must_use]
    pub fn with_append_bytes_max(mut self, bytes: usize) -> Self {
        let batch_bytes = self.batch_bytes();
        self.capabilities.append_bytes_max = bytes;
        self.capabilities.event_bytes_max = bytes;
        self.with_batch_bytes(batch_bytes)
    }

    /// The same options with batches and pages that end at `bytes` of events. They may pass them by
    /// one event, which is never larger than an append: `replay_bytes_max` counts both. Default 1 MiB.
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes: usize) -> Self {
        self.capabilities.replay_bytes_max =
            self.capabilities.append_bytes_max.saturating_add(bytes);
        self
    }

    /// The same options with at most `bytes` in the payload of one snapshot.
    #[must_use]
    pub fn with_snapshot_bytes_max(mut self, bytes: usize) -> Self {
        self.capabilities.snapshot_bytes_max = bytes;
        self
    }

    /// The bytes at which a batch or page is full.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.capabilities.replay_bytes_max.saturating_sub(self.capabilities.append_bytes_max)
    }
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { store_id: None, capabilities: Self::CAPABILITIES }
    }
}
