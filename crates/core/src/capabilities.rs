//! What a store can do and how much it takes, as data: callers ask before they act, the conformance
//! kit chooses its cases by it, and the documentation quotes it.

/// Limits and abilities of a store. An ability that is `false` answers `Unsupported` when used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The store's name, as in its URL scheme.
    pub name: &'static str,
    /// J3: an acknowledged event survives the loss of power or of a minority of replicas.
    pub durable: bool,
    /// J4: a second writer is refused. `false` only where the application guarantees one writer.
    pub exclusive: bool,
    /// J4: an append past the end is refused without the caller having read the end.
    pub detects_ahead: bool,
    /// Reads by tag.
    pub tags: bool,
    /// Reads by slices.
    pub slices: bool,
    /// Reads of all events in one order.
    pub all_events: bool,
    /// Keeps projection offsets (with P2 where the result is stored here too).
    pub offsets: bool,
    /// The longest persistence id, in bytes of UTF-8.
    pub id_bytes_max: usize,
    /// The most events of one append.
    pub events_per_append_max: usize,
    /// The largest append: payloads, manifests, tags and metadata together, in bytes.
    pub append_bytes_max: usize,
    /// The largest snapshot payload, in bytes.
    pub snapshot_bytes_max: usize,
    /// The most tags of one event.
    pub tags_per_event_max: usize,
    /// The longest writer, manifest or tag, in bytes of UTF-8.
    pub text_bytes_max: usize,
    /// J9: the most bytes that one replay or page holds in memory at a time.
    pub replay_bytes_max: usize,
}
