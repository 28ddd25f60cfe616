//! What a case works with: its fixture, its names, and the store under test with checked reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::{
    Append, AppendId, Appended, Bounds, BoxStream, Capabilities, Envelope, NewEvent, Offset,
    Payload, PersistenceId, Scope, SeqNr, SeqRange, SerializerId, Snapshot, Store, StoredEvent,
    Tag, Tags, Timestamp, WriterId,
};
use futures_util::StreamExt;

use crate::verdict::{Outcome, Stop, ensure, ensure_eq};
use crate::{Fixture, Missing, Scale};

/// When the kit's events happened, in milliseconds; later ones a little later.
const EPOCH_MILLIS: i64 = 1_700_000_000_000;

/// The most pages of one read; a store that makes no progress must not hang a case.
const PAGES_MAX: usize = 1_000_000;

/// What one run of a case works with. Clones share it.
#[derive(Clone)]
pub(crate) struct Context {
    fixture: Arc<dyn Fixture>,
    prefix: Arc<str>,
    appends: Arc<AtomicU64>,
}

impl Context {
    pub(crate) fn new(fixture: Arc<dyn Fixture>, case: &str) -> Self {
        let prefix = format!("{}{case}", fixture.namespace());
        Self { fixture, prefix: prefix.into(), appends: Arc::default() }
    }

    pub(crate) fn fixture(&self) -> &dyn Fixture {
        self.fixture.as_ref()
    }

    pub(crate) fn scale(&self) -> Scale {
        self.fixture.scale()
    }

    /// The case's store.
    pub(crate) async fn open(&self) -> Outcome<Subject> {
        self.open_at("main").await
    }

    /// The store at another place.
    pub(crate) async fn open_at(&self, place: &str) -> Outcome<Subject> {
        let store = self.fixture.open(place).await?;
        Ok(Subject { store, place: place.into(), context: self.clone() })
    }

    /// An id of this case.
    pub(crate) fn id(&self, name: impl std::fmt::Display) -> PersistenceId {
        PersistenceId::new(format!("kit|{}-{name}", self.prefix)).expect("it is not empty")
    }

    /// Whether this case made `id`.
    pub(crate) fn owns(&self, id: &PersistenceId) -> bool {
        id.as_str().strip_prefix("kit|").and_then(|rest| rest.strip_prefix(&*self.prefix)).is_some()
    }

    /// A tag of this case.
    pub(crate) fn tag(&self, name: impl std::fmt::Display) -> Tag {
        Tag::new(format!("{}-{name}", self.prefix)).expect("it is not empty")
    }

    /// A fresh append of `events` to `id`.
    pub(crate) fn append_of(
        &self,
        id: &PersistenceId,
        after: u64,
        events: Vec<NewEvent>,
    ) -> annals_core::Result<Append> {
        self.append_by("writer", id, after, events)
    }

    /// A fresh append of `writer`.
    pub(crate) fn append_by(
        &self,
        writer: &str,
        id: &PersistenceId,
        after: u64,
        events: Vec<NewEvent>,
    ) -> annals_core::Result<Append> {
        let count = self.appends.fetch_add(1, Ordering::Relaxed);
        let append_id = AppendId::new(0xa11a_0000 + u128::from(count));
        Append::new(append_id, id.clone(), nr(after), WriterId::new(writer), events)
    }

    /// A fresh append of events with these texts.
    pub(crate) fn texts(
        &self,
        id: &PersistenceId,
        after: u64,
        texts: &[&str],
    ) -> annals_core::Result<Append> {
        self.append_of(id, after, texts.iter().map(event).collect())
    }
}

/// The number `value`, which is small.
pub(crate) fn nr(value: u64) -> SeqNr {
    SeqNr::new(value).expect("numbers of the kit are small")
}

/// The range `from ..= to`.
pub(crate) fn range(from: u64, to: u64) -> SeqRange {
    SeqRange::new(nr(from), nr(to))
}

/// An event of this text.
pub(crate) fn event(text: impl std::fmt::Display) -> NewEvent {
    NewEvent::new(payload(text), Timestamp::from_millis(EPOCH_MILLIS))
}

/// An event of this text with tags.
pub(crate) fn tagged(text: impl std::fmt::Display, tags: &[&Tag]) -> NewEvent {
    event(text).with_tags(tags.iter().map(|tag| (*tag).clone()).collect::<Tags>())
}

/// A payload of this text.
pub(crate) fn payload(text: impl std::fmt::Display) -> Payload {
    Payload::new(SerializerId::STRING, "", text.to_string().into_bytes())
}

/// The text of an event.
pub(crate) fn text(event: &StoredEvent) -> String {
    String::from_utf8_lossy(&event.payload.bytes).into_owned()
}

/// The snapshot of this text, `millis` after the kit's epoch.
pub(crate) fn snapshot(
    id: &PersistenceId,
    seq_nr: u64,
    millis: i64,
    text: impl std::fmt::Display,
) -> Snapshot {
    Snapshot {
        persistence_id: id.clone(),
        seq_nr: nr(seq_nr),
        timestamp: at(millis),
        payload: payload(text),
        metadata: None,
    }
}

/// The time `millis` after the kit's epoch.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(EPOCH_MILLIS + millis)
}

/// A number of events or bytes as a count of the contract.
pub(crate) fn count(value: u64) -> usize {
    usize::try_from(value).expect("counts of the kit are small")
}

/// The store under test.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) store: Store,
    pub(crate) place: Arc<str>,
    pub(crate) context: Context,
}

impl Subject {
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    /// Goes on only with a store that has an ability.
    pub(crate) fn needs(&self, ability: bool, missing: Missing) -> Outcome {
        if ability { Ok(()) } else { Err(Stop::Ignored(missing)) }
    }

    /// Closes the store in order and opens it again.
    pub(crate) async fn reopen(self) -> Outcome<Self> {
        self.needs(self.capabilities().durable, Missing::Durable)?;
        self.store.close().await?;
        let Self { store, place, context } = self;
        drop(store);
        context.open_at(&place).await
    }

    /// Ends the store without closing it and opens it again.
    pub(crate) async fn crash(self) -> Outcome<Self> {
        self.needs(self.capabilities().durable, Missing::Durable)?;
        let Self { store, place, context } = self;
        context.fixture.crash(&place, store).await?;
        context.open_at(&place).await
    }

    pub(crate) async fn append(&self, append: Append) -> annals_core::Result<Appended> {
        self.store.journal.append(append).await
    }

    /// Appends events with these texts after `after`, as one append.
    pub(crate) async fn write(
        &self,
        id: &PersistenceId,
        after: u64,
        texts: &[&str],
    ) -> annals_core::Result<Appended> {
        self.append(self.context.texts(id, after, texts)?).await
    }

    /// The history of Pekko's journal suite: a-1 … a-5, the last two as one append.
    pub(crate) async fn write_five(&self, id: &PersistenceId) -> Outcome {
        for (after, texts) in
            [(0, &["a-1"][..]), (1, &["a-2"]), (2, &["a-3"]), (3, &["a-4", "a-5"])]
        {
            self.write(id, after, texts).await?;
        }
        Ok(())
    }

    pub(crate) async fn bounds(&self, id: &PersistenceId) -> annals_core::Result<(u64, u64)> {
        let Bounds { deleted_to, highest } = self.store.journal.bounds(id).await?;
        Ok((deleted_to.get(), highest.get()))
    }

    pub(crate) async fn delete_to(&self, id: &PersistenceId, to: u64) -> annals_core::Result<()> {
        self.store.journal.delete_to(id, nr(to)).await
    }

    /// The events of `range`; checks that they are whole batches, bounded (J9), ascending, without a
    /// hole and within the range (J8).
    pub(crate) async fn replay(
        &self,
        id: &PersistenceId,
        range: SeqRange,
    ) -> Outcome<Vec<StoredEvent>> {
        let bytes_max = self.capabilities().replay_bytes_max;
        let mut batches: BoxStream<'_, _> = self.store.journal.replay(id, range);
        let mut events: Vec<StoredEvent> = Vec::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            ensure!(!batch.events.is_empty(), "a batch of the replay is empty");
            let bytes: usize = batch.events.iter().map(StoredEvent::size_bytes).sum();
            ensure!(bytes <= bytes_max, "a batch holds {bytes} bytes, more than {bytes_max}");
            for event in batch.events {
                let seq_nr = event.seq_nr;
                ensure!(range.contains(seq_nr), "event {seq_nr} is outside {range:?}");
                if let Some(last) = events.last() {
                    ensure_eq!(seq_nr, last.seq_nr.next(), "the event after {}", last.seq_nr);
                }
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Fails unless the stored events are these texts, the first at `deleted_to + 1`, in the replay
    /// and in the bounds.
    pub(crate) async fn expect_history(
        &self,
        id: &PersistenceId,
        deleted_to: u64,
        texts: &[&str],
    ) -> Outcome {
        let found = self.replay(id, SeqRange::ALL).await?;
        let found: Vec<(u64, String)> = found.iter().map(|e| (e.seq_nr.get(), text(e))).collect();
        let wanted: Vec<(u64, String)> =
            (deleted_to + 1..).zip(texts.iter().map(ToString::to_string)).collect();
        ensure_eq!(found, wanted, "the replay of {id}");
        let highest = wanted.last().map_or(deleted_to, |(seq_nr, _)| *seq_nr);
        ensure_eq!(self.bounds(id).await?, (deleted_to, highest), "the bounds of {id}");
        Ok(())
    }

    /// All events of `scope` that belong to this case, up to what existed when it began, in pages of
    /// `events_max`; checks each page.
    pub(crate) async fn read(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        events_max: usize,
    ) -> Outcome<Vec<Envelope>> {
        let Some(end) = self.store.read_journal.end(scope).await? else { return Ok(Vec::new()) };
        self.read_until(scope, after, Some(&end), events_max).await
    }

    pub(crate) async fn read_until(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Outcome<Vec<Envelope>> {
        let bytes_max = self.capabilities().replay_bytes_max;
        let mut after = after.cloned();
        let mut events = Vec::new();
        for _ in 0..PAGES_MAX {
            let page =
                self.store.read_journal.page(scope, after.as_ref(), until, events_max).await?;
            let found = page.events();
            ensure!(found.len() <= events_max, "a page holds {} events", found.len());
            let bytes: usize = found.iter().map(|envelope| envelope.event.size_bytes()).sum();
            ensure!(bytes <= bytes_max, "a page holds {bytes} bytes, more than {bytes_max}");
            events.extend(found.iter().filter(|e| self.context.owns(&e.persistence_id)).cloned());
            if page.at_end() {
                return Ok(events);
            }
            let next = page.next().cloned();
            ensure!(next.is_some() && next != after, "a page neither ends nor goes on");
            after = next;
        }
        Err(Stop::Failed(format!("no end after {PAGES_MAX} pages")))
    }

    /// The ids of this case in the order of the listing, in pages of `ids_max`.
    pub(crate) async fn ids(
        &self,
        after: Option<&Offset>,
        ids_max: usize,
    ) -> Outcome<Vec<PersistenceId>> {
        let mut after = after.cloned();
        let mut ids = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.store.read_journal.ids(after.as_ref(), ids_max).await?;
            ensure!(page.ids.len() <= ids_max, "a page holds {} ids", page.ids.len());
            let found = page.ids.into_iter().map(|entry| entry.persistence_id);
            ids.extend(found.filter(|id| self.context.owns(id)));
            if page.at_end {
                return Ok(ids);
            }
            ensure!(page.next.is_some() && page.next != after, "a page neither ends nor goes on");
            after = page.next;
        }
        Err(Stop::Failed(format!("no end after {PAGES_MAX} pages")))
    }

    /// Fails unless the listed ids of this case, in pages of `ids_max`, are `wanted`: in this order, or in
    /// any where the store has none.
    pub(crate) async fn expect_ids(&self, wanted: &[PersistenceId], ids_max: usize) -> Outcome {
        let found = self.ids(None, ids_max).await?;
        let (found, wanted) = (self.comparable(found), self.comparable(wanted.to_vec()));
        ensure_eq!(found, wanted, "the listed ids in pages of {ids_max}");
        Ok(())
    }

    /// Ids in the order in which two listings of them may be compared.
    pub(crate) fn comparable(&self, mut ids: Vec<PersistenceId>) -> Vec<PersistenceId> {
        if !self.capabilities().ids_in_order {
            ids.sort();
        }
        ids
    }
}

/// Whose event, which number, which text.
pub(crate) fn summary(envelopes: &[Envelope]) -> Vec<(String, u64, String)> {
    let summary = envelopes.iter().map(|envelope| {
        let event = &envelope.event;
        (envelope.persistence_id.to_string(), event.seq_nr.get(), text(event))
    });
    summary.collect()
}
