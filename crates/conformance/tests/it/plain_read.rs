//! The read journal of a plain store.

use annals_core::{
    Capabilities, Envelope, Error, IdEntry, IdPage, Offset, Page, ReadJournal, Result, Scope, Tag,
    Wakeup,
};
use async_trait::async_trait;

use crate::data::{Data, Entry, split};
use crate::flaw::Flaw;
use crate::plain::{PAGE_EVENTS, Plain};

impl Plain {
    pub(crate) fn position(&self, data: &Data, offset: &Offset) -> Result<u64> {
        if self.is(Flaw::ForeignOffsetAccepted) {
            return split(offset).map(|(_, position)| position);
        }
        let position = match data.position(offset) {
            Err(_) if self.is(Flaw::MalformedOffsetAccepted) && split(offset).is_err() => 0,
            position => position?,
        };
        let dead = |entry: &Entry| entry.position == position && entry.deleted;
        if self.is(Flaw::OffsetDiesWithEvent) && data.log.iter().any(dead) {
            return Err(Error::invalid("the event of this offset is deleted"));
        }
        Ok(position)
    }

    fn reads(&self, scope: &Scope) -> Result<()> {
        let limits = self.limits();
        self.needs(match scope {
            Scope::All => limits.all_events,
            Scope::Id(..) => true,
            Scope::Tag(_) => limits.tags,
            Scope::Slices(_) => limits.slices,
        })
    }

    fn wants(&self, scope: &Scope, entry: &Entry) -> bool {
        match scope {
            Scope::All => true,
            Scope::Id(id, range) => entry.id == *id && range.contains(entry.event.seq_nr),
            Scope::Tag(tag) => {
                let prefix = |own: &Tag| own.as_str().starts_with(tag.as_str());
                entry.event.tags.contains(tag)
                    || self.is(Flaw::TagsByPrefix) && entry.event.tags.iter().any(prefix)
            }
            Scope::Slices(slices) => {
                let slice = entry.id.slice();
                if self.is(Flaw::WrongSlice) {
                    return (slices.min().get()..=slices.max().get())
                        .contains(&(1023 - slice.get()));
                }
                let last = self.is(Flaw::SliceBoundExclusive) && slice == slices.max();
                slices.contains(slice) && !last
            }
        }
    }
}

#[async_trait]
impl ReadJournal for Plain {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn end(&self, _scope: &Scope) -> Result<Option<Offset>> {
        let data = self.data()?;
        Ok((data.last_position > 0).then(|| data.offset(data.last_position)))
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        self.reads(scope)?;
        let data = self.data()?;
        if events_max == 0 && !self.is(Flaw::EmptyPages) {
            return Err(Error::invalid("a page of no events"));
        }
        let resumes = after.is_some();
        let mut after = after.map_or(Ok(0), |offset| self.position(&data, offset))?;
        let mut end =
            until.map_or(Ok(data.last_position), |offset| self.position(&data, offset))?;
        if self.is(Flaw::UntilIgnored) {
            end = data.last_position;
        }
        if self.is(Flaw::UntilExclusive) && until.is_some() {
            end -= 1;
        }
        if self.is(Flaw::ReadLags) && end == data.last_position {
            end = end.saturating_sub(1);
        }
        if self.is(Flaw::ResumeRepeats) && resumes {
            after -= 1;
        }
        if self.is(Flaw::SlowReaderDropped) {
            after = after.max(data.last_position.saturating_sub(150));
        }
        let mut left = data.log.iter().filter(|entry| {
            after < entry.position
                && entry.position <= end
                && (!entry.deleted || self.is(Flaw::DeletedStillRead))
                && self.wants(scope, entry)
        });
        let events_max =
            if self.is(Flaw::GiantPage) { events_max } else { events_max.min(PAGE_EVENTS) };
        let bytes_max = self.limits().replay_bytes_max;
        let mut bytes = 0;
        let mut events = Vec::new();
        let mut at_end = false;
        while events.len() < events_max {
            let Some(entry) = left.next() else {
                at_end = true;
                break;
            };
            events.push(Envelope {
                offset: data.offset(entry.position),
                persistence_id: entry.id.clone(),
                event: self.shown(&entry.event),
            });
            bytes += entry.event.size_bytes();
            // Full when another one of the largest might not fit.
            if bytes + self.limits().append_bytes_max > bytes_max && !self.is(Flaw::GiantPage) {
                break;
            }
        }
        let mut next = events.last().map(|envelope| envelope.offset.clone());
        if self.is(Flaw::PageSkips) && !at_end {
            next = left.next().map(|entry| data.offset(entry.position));
        }
        if self.is(Flaw::EmptyNeverEnds) && events.is_empty() {
            at_end = false;
        }
        if self.is(Flaw::EndTooEarly) && !events.is_empty() {
            at_end = true;
        }
        if self.is(Flaw::PagesUnordered) {
            events.reverse();
        }
        Ok(Page::new(events, next, at_end))
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let data = self.data()?;
        if ids_max == 0 && !self.is(Flaw::EmptyPages) {
            return Err(Error::invalid("a page of no ids"));
        }
        let mut listed = data.ids.clone();
        if self.is(Flaw::DeletedIdsVanish) {
            listed.retain(|(_, id)| data.log.iter().any(|e| e.id == *id && !e.deleted));
        }
        if self.is(Flaw::SnapshotsListIds) {
            let known = |id| data.bounds.contains_key(id);
            let only = data.snapshots.keys().map(|(id, _)| id).filter(|id| !known(id));
            listed.extend(only.map(|id| (data.last_position + 1, id.clone())));
            listed.dedup();
        }
        let (start, until) = match after {
            None => (0, data.last_position),
            Some(offset) => match split_listing(offset) {
                Some((offset, until)) => (self.position(&data, &offset)?, until),
                None => (self.position(&data, offset)?, data.last_position),
            },
        };
        if !self.is(Flaw::ListingGoesOn) && self.limits().ids_in_order {
            listed.retain(|(position, _)| *position <= until || *position > data.last_position);
        }
        let resumes = after.is_some() && self.is(Flaw::IdsResumeRepeats);
        if self.is(Flaw::IdsSorted) || !self.limits().ids_in_order {
            listed.sort_by(|left, right| left.1.cmp(&right.1));
            let at = listed.iter().position(|(position, _)| *position == start);
            listed.drain(..at.map_or(0, |at| at + 1));
        } else {
            listed.retain(|(position, _)| *position > start || resumes && *position == start);
        }
        let at_end = listed.len() <= ids_max;
        listed.truncate(ids_max);
        let ids: Vec<_> = listed
            .into_iter()
            .map(|(position, persistence_id)| {
                let offset = data.offset(position);
                IdEntry { offset, persistence_id }
            })
            .collect();
        let next = ids.last().map(|entry| entry.offset.clone());
        let next = next.or(at_end.then(|| data.offset(start)).filter(|_| start > 0));
        let bounded =
            |next: Offset| Offset::from_bytes([next.as_bytes(), &until.to_be_bytes()].concat());
        let next = if at_end || !self.limits().ids_in_order { next } else { next.map(bounded) };
        Ok(IdPage { ids, next, at_end })
    }

    fn changed(&self) -> Wakeup {
        if self.is(Flaw::AlwaysAwake) || self.data().is_err() {
            return Box::pin(std::future::ready(()));
        }
        if self.is(Flaw::WakesPolledOnly) {
            let store = self.clone();
            return Box::pin(async move {
                let _ = store.commits.subscribe().changed().await;
            });
        }
        let mut commits = self.commits.subscribe();
        Box::pin(async move {
            let _ = commits.changed().await;
        })
    }
}

/// An offset between two pages of a listing of ids: the place, and where the listing ends.
fn split_listing(offset: &Offset) -> Option<(Offset, u64)> {
    let (place, until) = offset.as_bytes().split_last_chunk::<8>()?;
    let place = (place.len() == 16).then(|| Offset::from_bytes(place.to_vec()))?;
    Some((place, u64::from_be_bytes(*until)))
}
