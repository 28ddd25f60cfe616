//! The log, read across entities.

use std::ops::Bound;
use std::sync::Arc;

use annals_core::{
    Capabilities, Envelope, Error, IdEntry, IdPage, Offset, Page, PersistenceId, ReadJournal,
    Result, Scope, Wakeup,
};
use async_trait::async_trait;

use crate::MemoryStore;
use crate::state::{Log, Record, State};

/// The most records that one page looks at, wanted or not: the lock is not held for longer.
const RECORDS_PER_PAGE_MAX: usize = 4096;

#[async_trait]
impl ReadJournal for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn end(&self, _scope: &Scope) -> Result<Option<Offset>> {
        self.locked(|state| Ok((state.last_position > 0).then(|| self.offset(state.last_position))))
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        check_max(events_max)?;
        self.locked(|state| {
            let last = state.last_position;
            let after = after.map_or(Ok(0), |offset| self.position(offset, last))?;
            let until = until.map_or(Ok(last), |offset| self.position(offset, last))?;
            let mut page = PageBuilder::new(self, after, until, events_max);
            page.fill(records(state, scope, after));
            Ok(page.finish())
        })
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        check_max(ids_max)?;
        self.locked(|state| {
            let last = state.last_position;
            let (after, until) =
                after.map_or(Ok((0, None)), |offset| self.listing_position(offset, last))?;
            let until = until.unwrap_or(last);
            let mut rest = state.ids.range((Bound::Excluded(after), Bound::Included(until)));
            let taken = rest.by_ref().take(ids_max.min(RECORDS_PER_PAGE_MAX));
            let listed: Vec<(u64, &PersistenceId)> =
                taken.map(|(position, id)| (*position, id)).collect();
            let at_end = rest.next().is_none();
            let seen = listed.last().map_or(after, |(position, _)| *position);
            let next = match at_end {
                // What follows is another listing.
                true => (seen > 0).then(|| self.offset(seen)),
                false => Some(self.listing(seen, until)),
            };
            let entry = |(position, id): (u64, &PersistenceId)| IdEntry {
                offset: self.offset(position),
                persistence_id: id.clone(),
            };
            let ids = listed.into_iter().map(entry).collect();
            Ok(IdPage { ids, next, at_end })
        })
    }

    fn changed(&self) -> Wakeup {
        let commits = self.commits();
        Box::pin(async move {
            if let Some(mut commits) = commits {
                // An error means that the store is gone, which a reader must learn of as well.
                let _ = commits.changed().await;
            }
        })
    }
}

fn check_max(max: usize) -> Result<()> {
    if max == 0 {
        return Err(Error::invalid("a page of no entries was asked for"));
    }
    Ok(())
}

/// The records after position `after` among which those of `scope` are, and which of them are.
fn records<'a>(
    state: &'a State,
    scope: &'a Scope,
    after: u64,
) -> Box<dyn Iterator<Item = (&'a Arc<Record>, bool)> + 'a> {
    match scope {
        Scope::All => Box::new(tail(&state.log, after).map(|record| (record, true))),
        Scope::Tag(tag) => {
            let tagged = state.tags.get(tag).into_iter();
            Box::new(tagged.flat_map(move |log| tail(log, after)).map(|record| (record, true)))
        }
        Scope::Slices(slices) => Box::new(
            tail(&state.log, after).map(|record| (record, slices.contains(record.id.slice()))),
        ),
        Scope::Id(id, range) => {
            let Some(entity) = state.entities.get(id) else { return Box::new(std::iter::empty()) };
            let start = entity.records.partition_point(|record| record.position <= after);
            let records = entity.records.range(start..);
            Box::new(records.map(|record| (record, range.contains(record.event.seq_nr))))
        }
    }
}

fn tail(log: &Log, after: u64) -> impl Iterator<Item = &Arc<Record>> {
    log.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, record)| record)
}

/// A page on its way.
struct PageBuilder<'a> {
    store: &'a MemoryStore,
    until: u64,
    events_max: usize,
    events: Vec<Envelope>,
    /// How far the page has looked.
    seen: u64,
    at_end: bool,
}

impl<'a> PageBuilder<'a> {
    fn new(store: &'a MemoryStore, after: u64, until: u64, events_max: usize) -> Self {
        Self { store, until, events_max, events: Vec::new(), seen: after, at_end: false }
    }

    fn fill<'r>(&mut self, records: impl Iterator<Item = (&'r Arc<Record>, bool)>) {
        let mut bytes = 0;
        for (looked, (record, wanted)) in records.enumerate() {
            if record.position > self.until {
                break;
            }
            let full = self.events.len() >= self.events_max
                || bytes >= self.store.batch_bytes()
                || looked >= RECORDS_PER_PAGE_MAX;
            if full {
                return;
            }
            self.seen = record.position;
            if wanted {
                bytes += record.event.size_bytes();
                self.events.push(Envelope {
                    offset: self.store.offset(record.position),
                    persistence_id: record.id.clone(),
                    event: record.event.clone(),
                });
            }
        }
        self.at_end = true;
        // Nothing wanted lies between what was seen and the bound.
        self.seen = self.seen.max(self.until);
    }

    fn finish(self) -> Page {
        let next = (self.seen > 0).then(|| self.store.offset(self.seen));
        Page::new(self.events, next, self.at_end)
    }
}
