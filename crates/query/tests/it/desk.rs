//! A read journal in a vector: counts its reads, and can be told to break its promises.

use std::sync::atomic::{AtomicUsize, Ordering};

use annals_core::{
    Capabilities, Envelope, Error, IdEntry, IdPage, Offset, Page, Payload, PersistenceId,
    ReadJournal, Result, Scope, SeqNr, SerializerId, StoredEvent, Tag, Tags, Timestamp, Wakeup,
    WriterId,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The read journal. An offset is the number of events up to and with its own, as 8 bytes.
#[derive(Debug)]
pub(crate) struct Desk {
    events: Mutex<Vec<Envelope>>,
    committed: watch::Sender<u64>,
    reads: AtomicUsize,
    commit_after_read: Mutex<Option<(PersistenceId, u64)>>,
    stuck: bool,
    ids_in_order: bool,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            events: Mutex::default(),
            committed: watch::channel(0).0,
            reads: AtomicUsize::new(0),
            commit_after_read: Mutex::new(None),
            stuck: false,
            ids_in_order: true,
        }
    }

    /// One that lists the newest ids first.
    pub(crate) fn unordered() -> Self {
        Self { ids_in_order: false, ..Self::new() }
    }

    /// One whose pages lead nowhere.
    pub(crate) fn stuck() -> Self {
        Self { stuck: true, ..Self::new() }
    }

    /// Commits event `seq_nr` of `id`, tagged `even` if its number is.
    pub(crate) fn commit(&self, id: &PersistenceId, seq_nr: u64) {
        let mut events = self.events.lock();
        let tags: Tags =
            seq_nr.is_multiple_of(2).then(|| Tag::new("even").unwrap()).into_iter().collect();
        let event = StoredEvent {
            seq_nr: SeqNr::new(seq_nr).unwrap(),
            writer: WriterId::new("w"),
            timestamp: Timestamp::UNKNOWN,
            payload: Payload::new(SerializerId::BYTES, "", seq_nr.to_be_bytes().to_vec()),
            event_manifest: "".into(),
            tags,
            metadata: None,
        };
        let offset = offset(events.len() + 1);
        events.push(Envelope { offset, persistence_id: id.clone(), event });
        drop(events);
        self.committed.send_modify(|count| *count += 1);
    }

    /// Commits an event behind the reader's back, right after its next read.
    pub(crate) fn commit_after_read(&self, id: &PersistenceId, seq_nr: u64) {
        *self.commit_after_read.lock() = Some((id.clone(), seq_nr));
    }

    /// How many pages were read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

/// The offset behind `count` events.
pub(crate) fn offset(count: usize) -> Offset {
    Offset::from_bytes((count as u64).to_be_bytes().to_vec())
}

fn place(offset: Option<&Offset>) -> Result<usize> {
    let Some(offset) = offset else { return Ok(0) };
    let bytes = offset.as_bytes().try_into();
    let bytes =
        bytes.map_err(|_| Error::invalid(format!("{offset} is not an offset of a desk")))?;
    Ok(u64::from_be_bytes(bytes) as usize)
}

fn wanted(scope: &Scope, envelope: &Envelope) -> bool {
    match scope {
        Scope::All => true,
        Scope::Id(id, range) => {
            envelope.persistence_id == *id && range.contains(envelope.event.seq_nr)
        }
        Scope::Tag(tag) => envelope.event.tags.contains(tag),
        Scope::Slices(slices) => slices.contains(envelope.persistence_id.slice()),
    }
}

#[async_trait]
impl ReadJournal for Desk {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "desk",
            durable: false,
            exclusive: true,
            detects_ahead: true,
            tags: true,
            slices: true,
            all_events: true,
            ids_in_order: self.ids_in_order,
            offsets: false,
            id_bytes_max: 1_024,
            events_per_append_max: 1,
            event_bytes_max: 1_024,
            append_bytes_max: 1_024,
            snapshot_bytes_max: 0,
            tags_per_event_max: 1,
            text_bytes_max: 1_024,
            replay_bytes_max: 1 << 20,
        }
    }

    async fn end(&self, _scope: &Scope) -> Result<Option<Offset>> {
        let count = self.events.lock().len();
        Ok((count > 0).then(|| offset(count)))
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let from = place(after)?;
        let page = {
            let events = self.events.lock();
            let end = until.map_or(Ok(events.len()), |until| place(Some(until)))?;
            // It looks at a few events only, so that it gives pages that are empty and not the
            // last.
            let to = end.min(from + events_max.min(3)).max(from);
            let seen = events.get(from..to).unwrap_or_default();
            let found: Vec<Envelope> =
                seen.iter().filter(|envelope| wanted(scope, envelope)).cloned().collect();
            let next = if self.stuck { after.cloned() } else { (to > 0).then(|| offset(to)) };
            Page::new(found, next, to >= end && !self.stuck)
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        let behind = self.commit_after_read.lock().take();
        if let Some((id, seq_nr)) = behind {
            self.commit(&id, seq_nr);
        }
        Ok(page)
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let from = place(after)?;
        let events = self.events.lock();
        let firsts = events.iter().enumerate().filter(|(index, envelope)| {
            let before = events.iter().take(*index);
            !before.into_iter().any(|other| other.persistence_id == envelope.persistence_id)
        });
        let mut ids: Vec<IdEntry> = firsts
            .filter(|(index, _)| match self.ids_in_order {
                true => *index >= from,
                false => from == 0 || *index + 1 < from,
            })
            .map(|(index, envelope)| IdEntry {
                offset: offset(index + 1),
                persistence_id: envelope.persistence_id.clone(),
            })
            .collect();
        if !self.ids_in_order {
            ids.reverse();
        }
        let at_end = ids.len() <= ids_max;
        ids.truncate(ids_max);
        let next = if at_end && self.ids_in_order {
            Some(offset(events.len()))
        } else {
            ids.last().map(|id| id.offset.clone())
        };
        Ok(IdPage { ids, next, at_end })
    }

    fn changed(&self) -> Wakeup {
        let mut committed = self.committed.subscribe();
        Box::pin(async move {
            let _ = committed.changed().await;
        })
    }
}
