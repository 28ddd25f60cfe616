//! Reading across entities: the events of one id, and the ids. Tags, slices and one order of all events
//! are not in Pekko's tables; they are unsupported, and say so.

use annals_core::{
    Capabilities, Envelope, Error, IdPage, Journal, Offset, Page, PersistenceId, ReadJournal,
    Result, Scope, SeqNr, SeqRange, Wakeup,
};
use async_trait::async_trait;

use crate::read::Replay;
use crate::store::{DynamoDb, PAGE_BYTES};

#[async_trait]
impl ReadJournal for DynamoDb {
    fn capabilities(&self) -> Capabilities {
        self.limits()
    }

    async fn end(&self, scope: &Scope) -> Result<Option<Offset>> {
        let (id, _) = by_id(scope)?;
        let highest = self.bounds(id).await?.highest;
        Ok((!highest.is_zero()).then(|| self.inner.positions.event(id, highest)))
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let (id, range) = by_id(scope)?;
        check_max(events_max)?;
        let positions = &self.inner.positions;
        let after = after.map(|offset| positions.seq_nr(id, offset)).transpose()?;
        let until = until.map(|offset| positions.seq_nr(id, offset)).transpose()?;
        let from = after.map_or(range.from, |after| range.from.max(after.next()));
        let to = until.map_or(range.to, |until| range.to.min(until));
        let page = self.events(id, SeqRange::new(from, to), events_max).await?;
        if after.is_some() && !page.events().is_empty() {
            self.inner.pulse.found();
        }
        Ok(page)
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let _running = self.inner.enter().await?;
        check_max(ids_max)?;
        let listing = self.inner.id_listing().await?;
        let after = after.map(|offset| self.inner.positions.place(listing, offset)).transpose()?;
        self.inner.list_ids(listing, after, ids_max).await
    }

    fn changed(&self) -> Wakeup {
        self.inner.pulse.changed()
    }
}

impl DynamoDb {
    /// The first events of `range`, as many as are asked for and fit a page.
    async fn events(&self, id: &PersistenceId, range: SeqRange, events_max: usize) -> Result<Page> {
        let _running = self.inner.enter().await?;
        let behind = |seq_nr: SeqNr| self.inner.positions.event(id, seq_nr);
        // No more than can be wanted: a replay reads ahead.
        let count = u64::try_from(events_max).unwrap_or(u64::MAX);
        let (there, mut replay) =
            Replay::begin(self.inner.clone(), id.clone(), range, count).await?;
        if there.is_empty() {
            // What was looked through is not looked at again.
            let seen = there.to;
            let next = (!seen.is_zero() && seen >= range.from).then(|| behind(seen));
            return Ok(Page::new(Vec::new(), next, true));
        }
        let last = there.to.min(there.from.previous().plus(count));
        let mut events: Vec<Envelope> = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = replay.next_batch().await? {
            for event in batch.events {
                if !events.is_empty() && bytes + event.size_bytes() > PAGE_BYTES {
                    let next = events.last().map(|envelope| envelope.offset.clone());
                    return Ok(Page::new(events, next, false));
                }
                bytes += event.size_bytes();
                let offset = behind(event.seq_nr);
                events.push(Envelope { offset, persistence_id: id.clone(), event });
            }
        }
        Ok(Page::new(events, Some(behind(last)), last >= there.to))
    }
}

fn by_id(scope: &Scope) -> Result<(&PersistenceId, SeqRange)> {
    let what = match scope {
        Scope::Id(id, range) => return Ok((id, *range)),
        Scope::All => "all events in one order",
        Scope::Tag(_) => "events by tag",
        Scope::Slices(_) => "events by slices",
    };
    Err(Error::unsupported(format!(
        "a DynamoDB store does not read {what}: Pekko's tables have no place for it. Read the events of \
         each id, or copy the store to an embedded one and read that"
    )))
}

fn check_max(max: usize) -> Result<()> {
    if max == 0 {
        return Err(Error::invalid("a page of no entries was asked for"));
    }
    Ok(())
}
