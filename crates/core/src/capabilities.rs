//! What a store can do and how much it takes, as data: callers ask before they act, the conformance
//! kit chooses its cases by it, and the documentation quotes it.

use crate::{Append, Error, NewEvent, Payload, PersistenceId, Result, Snapshot};

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
    /// Ids are listed in the order of their first event, so that new ones come behind those listed
    /// before. Where they are not, a live listing begins anew each time, and tells new ids itself.
    pub ids_in_order: bool,
    /// Keeps projection offsets (with P2 where the result is stored here too).
    pub offsets: bool,
    /// The longest persistence id, in bytes of UTF-8.
    pub id_bytes_max: usize,
    /// The most events of one append.
    pub events_per_append_max: usize,
    /// The largest event: its payload, manifests, tags and metadata together, in bytes.
    pub event_bytes_max: usize,
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

impl Capabilities {
    /// Checks `id` against the limits.
    ///
    /// # Errors
    /// `Invalid`, naming the limit.
    pub fn check_id(&self, id: &PersistenceId) -> Result<()> {
        within("a persistence id", id.as_str().len(), self.id_bytes_max)
    }

    /// Checks `append` against the limits (J7). Every store does it before it writes anything.
    ///
    /// # Errors
    /// `Invalid`, naming the entity and the limit.
    pub fn check_append(&self, append: &Append) -> Result<()> {
        self.check_append_parts(append).map_err(|error| {
            error.context(format!("the append to {} after {}", append.id(), append.after()))
        })
    }

    fn check_append_parts(&self, append: &Append) -> Result<()> {
        self.check_id(append.id())?;
        self.check_text("the writer id", append.writer().as_str())?;
        if let Some(save) = append.offset_save() {
            self.check_offset_name(&save.name)?;
        }
        let events = append.events();
        if events.len() > self.events_per_append_max {
            let (count, max) = (events.len(), self.events_per_append_max);
            return Err(Error::invalid(format!("{count} events are more than {max}")));
        }
        for event in events {
            within("an event", event.size_bytes(), self.event_bytes_max)?;
            self.check_payload(&event.payload)?;
            self.check_text("an event manifest", &event.event_manifest)?;
            if let Some(metadata) = &event.metadata {
                self.check_payload(metadata)?;
            }
            if event.tags.len() > self.tags_per_event_max {
                let (count, max) = (event.tags.len(), self.tags_per_event_max);
                return Err(Error::invalid(format!(
                    "{count} tags of an event are more than {max}"
                )));
            }
            event.tags.iter().try_for_each(|tag| self.check_text("a tag", tag.as_str()))?;
        }
        let bytes = events.iter().map(NewEvent::size_bytes).fold(0, usize::saturating_add);
        within("its events together", bytes, self.append_bytes_max)
    }

    /// Checks that offsets are kept, under this name.
    ///
    /// # Errors
    /// `Unsupported` where no offsets are kept; `Invalid` for a name that is empty or too long.
    pub fn check_offset_name(&self, name: &str) -> Result<()> {
        if !self.offsets {
            let message = format!("a {} store keeps no projection offsets", self.name);
            return Err(Error::unsupported(message));
        }
        if name.is_empty() {
            return Err(Error::invalid("the name of a projection is empty"));
        }
        self.check_text("the name of a projection", name)
    }

    /// Checks `snapshot` against the limits. Every store does it before it writes anything.
    ///
    /// # Errors
    /// `Invalid`, naming the entity and the limit.
    pub fn check_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        self.check_snapshot_parts(snapshot).map_err(|error| {
            let (id, seq_nr) = (&snapshot.persistence_id, snapshot.seq_nr);
            error.context(format!("the snapshot of {id} at {seq_nr}"))
        })
    }

    fn check_snapshot_parts(&self, snapshot: &Snapshot) -> Result<()> {
        self.check_id(&snapshot.persistence_id)?;
        self.check_payload(&snapshot.payload)?;
        if let Some(metadata) = &snapshot.metadata {
            self.check_payload(metadata)?;
        }
        within("its payload", snapshot.payload.bytes.len(), self.snapshot_bytes_max)
    }

    fn check_payload(&self, payload: &Payload) -> Result<()> {
        self.check_text("a manifest", &payload.manifest)
    }

    fn check_text(&self, what: &str, text: &str) -> Result<()> {
        within(what, text.len(), self.text_bytes_max)
    }
}

fn within(what: &str, bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes > bytes_max {
        return Err(Error::invalid(format!("{what}: {bytes} bytes are more than {bytes_max}")));
    }
    Ok(())
}
