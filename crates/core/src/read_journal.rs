//! Reading across entities, page by page, resumable.

use std::fmt::{self, Debug};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Capabilities, Error, PersistenceId, Result, SeqRange, SliceRange, StoredEvent, Tag};

/// A resumable position in a stream: opaque bytes, made and compared only by the store that gave
/// it. Its text form is hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Offset(Bytes);

impl Offset {
    /// The most bytes an offset has.
    pub const BYTES_MAX: usize = 4096;

    /// The offset whose store made it of `bytes`.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the store that made them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offset({self})")
    }
}

impl FromStr for Offset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::invalid(format!("{text:?} is not an offset"));
        if text.is_empty() || text.len() > 2 * Self::BYTES_MAX || !text.len().is_multiple_of(2) {
            return Err(malformed());
        }
        let mut bytes = Vec::with_capacity(text.len() / 2);
        for pair in text.as_bytes().chunks_exact(2) {
            let mut value = 0;
            for digit in pair {
                let digit = char::from(*digit).to_digit(16).ok_or_else(malformed)?;
                value = value * 16 + u8::try_from(digit).map_err(|_| malformed())?;
            }
            bytes.push(value);
        }
        Ok(Self(bytes.into()))
    }
}

/// Which events a reader wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All events, in the order of commits.
    All,
    /// The events of one entity.
    Id(PersistenceId, SeqRange),
    /// The events that carry a tag.
    Tag(Tag),
    /// The events of the entities whose slice lies in a range.
    Slices(SliceRange),
}

/// An event, read across entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where the stream resumes after this event.
    pub offset: Offset,
    /// Whose event it is.
    pub persistence_id: PersistenceId,
    /// The event.
    pub event: StoredEvent,
}

/// Some events of a scope. Shared: many readers of one place may hold the same decoded events.
#[derive(Debug, Clone)]
pub struct Page {
    events: Arc<[Envelope]>,
    range: Range<usize>,
    next: Option<Offset>,
    at_end: bool,
}

impl Page {
    /// A page of all of `events`; see the accessors.
    pub fn new(events: impl Into<Arc<[Envelope]>>, next: Option<Offset>, at_end: bool) -> Self {
        let events = events.into();
        let range = 0..events.len();
        Self { events, range, next, at_end }
    }

    /// A page of those of `events` whose index is in `range` (cut to what there is).
    pub fn part(
        events: Arc<[Envelope]>,
        range: Range<usize>,
        next: Option<Offset>,
        at_end: bool,
    ) -> Self {
        let end = range.end.min(events.len());
        let range = range.start.min(end)..end;
        Self { events, range, next, at_end }
    }

    /// The events in order.
    pub fn events(&self) -> &[Envelope] {
        self.events.get(self.range.clone()).unwrap_or_default()
    }

    /// Where the next page starts, also when this one is empty (a reader need not look again at what
    /// was passed over); `None` means: where this one started.
    pub fn next(&self) -> Option<&Offset> {
        self.next.as_ref()
    }

    /// Whether nothing more existed (up to the bound, if one was given) when the page was read.
    pub fn at_end(&self) -> bool {
        self.at_end
    }
}

/// An id that holds or held events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdEntry {
    /// Where the listing resumes after this id.
    pub offset: Offset,
    /// The id.
    pub persistence_id: PersistenceId,
}

/// Some ids, in the order of their first event where
/// [`Capabilities::ids_in_order`](crate::Capabilities::ids_in_order).
///
/// Pages that follow one another by [`IdPage::next`] are one listing. Where ids have that order, it ends
/// at what existed when its first page was read (Q4), and going on behind its end begins another one.
#[derive(Debug, Clone)]
pub struct IdPage {
    /// The ids, each once.
    pub ids: Vec<IdEntry>,
    /// Where the next page starts; `None` means: where this one started.
    pub next: Option<Offset>,
    /// Whether the listing ends here: nothing more existed when its first page was read, or, where ids
    /// have no order, when this one was.
    pub at_end: bool,
}

/// Completes when something was committed after it was made.
pub type Wakeup = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Reads across entities. Clauses:
///
/// * **Q1** each entity's events come in order.
/// * **Q2** nothing is skipped, whatever commits while one reads.
/// * **Q3** resuming at an offset gives exactly the rest.
/// * **Q4** a finite query ends at what existed when it began ([`ReadJournal::end`] as `until`; see
///   [`IdPage`] for ids).
/// * **Q5** slice ranges partition all events.
/// * **Q6** an id is listed once, also when its events are deleted.
/// * **Q7** a slow reader never delays appends, and is never dropped in silence (pages are pulled).
/// * **Q8** an offset of another store, or malformed, is `Invalid`.
#[async_trait]
pub trait ReadJournal: Debug + Send + Sync + 'static {
    /// Limits and abilities.
    fn capabilities(&self) -> Capabilities;

    /// The offset behind everything that exists now; `None` in an empty store.
    ///
    /// # Errors
    /// `Unsupported`, `Unavailable`, `Corrupt`, `Closed`.
    async fn end(&self, scope: &Scope) -> Result<Option<Offset>>;

    /// Up to `events_max` events of `scope` after `after` (from the beginning without), and not past
    /// `until`. May hold fewer, also none, before the end; look at [`Page::at_end`].
    ///
    /// # Errors
    /// `Invalid` for a foreign or malformed offset (Q8) or `events_max = 0`; otherwise as
    /// [`ReadJournal::end`].
    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page>;

    /// Up to `ids_max` ids after `after`: the offset of an [`IdEntry`], or the [`IdPage::next`] of the page
    /// before.
    ///
    /// # Errors
    /// As [`ReadJournal::page`].
    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage>;

    /// Completes when something is committed after this call. Make it before the page is read, and
    /// await it after: nothing is missed in between.
    fn changed(&self) -> Wakeup;
}
