//! Reading across entities: the events of one, the ids, and (see [`crate::tags`]) the events of a tag.

use annals_core::{
    Capabilities, Envelope, Error, IdEntry, IdPage, Offset, Page, PersistenceId, ReadJournal,
    Result, Scope, SeqNr, SeqRange, StoredEvent, Wakeup,
};
use async_trait::async_trait;
use scylla::response::PagingState;

use crate::error;
use crate::journal::BATCH_BYTES;
use crate::offset::Offsets;
use crate::replay::EntityReader;
use crate::store::{CassandraStore, Inner};

/// The most ids of one page.
const IDS_MAX: usize = 5_000;

#[async_trait]
impl ReadJournal for CassandraStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    async fn end(&self, scope: &Scope) -> Result<Option<Offset>> {
        let _request = self.inner.enter().await?;
        match scope {
            Scope::Id(id, _) => {
                let highest = self.inner.bounds(id).await?.highest;
                Ok((!highest.is_zero()).then(|| self.inner.offsets().of_entity(highest)))
            }
            Scope::Tag(_) if self.inner.capabilities.tags => Ok(Some(self.inner.end_of_tag())),
            Scope::Tag(_) | Scope::All | Scope::Slices(_) => Err(unsupported(scope)),
        }
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let _request = self.inner.enter().await?;
        check_max(events_max)?;
        match scope {
            Scope::Id(id, range) => {
                self.inner.page_of_id(id, *range, after, until, events_max).await
            }
            Scope::Tag(tag) if self.inner.capabilities.tags => {
                self.inner.page_of_tag(tag, after, until, events_max).await
            }
            Scope::Tag(_) | Scope::All | Scope::Slices(_) => Err(unsupported(scope)),
        }
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let _request = self.inner.enter().await?;
        check_max(ids_max)?;
        self.inner.page_of_ids(after, ids_max.min(IDS_MAX)).await
    }

    fn changed(&self) -> Wakeup {
        let mut commits = self.inner.commits();
        let closed = self.inner.is_closed();
        let refresh = self.inner.settings.query.refresh_interval;
        Box::pin(async move {
            if !closed {
                // What other processes wrote shows at the next look only.
                let _ = tokio::time::timeout(refresh, commits.changed()).await;
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

fn unsupported(scope: &Scope) -> Error {
    let what = match scope {
        Scope::All => "all events",
        Scope::Slices(_) => "slices",
        Scope::Tag(_) => "a tag: events-by-tag.enabled is off",
        Scope::Id(..) => "an entity",
    };
    Error::unsupported(format!("a cassandra store does not read {what}"))
}

impl Inner {
    pub(crate) fn offsets(&self) -> Offsets {
        Offsets::of_store(self.store_id)
    }

    async fn page_of_id(
        &self,
        id: &PersistenceId,
        range: SeqRange,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let offsets = self.offsets();
        let after = after.map(|offset| offsets.entity(offset)).transpose()?;
        let until = until.map(|offset| offsets.entity(offset)).transpose()?;
        let bounds = self.bounds(id).await?;
        let last = range.to.min(until.unwrap_or(SeqNr::MAX)).min(bounds.highest);
        let from = range.from.max(after.map_or(SeqNr::ZERO, SeqNr::next));
        let mut from = from.max(bounds.deleted_to.next());
        let window = u64::try_from(events_max).unwrap_or(u64::MAX);
        let mut events: Vec<Envelope> = Vec::new();
        let mut bytes = 0_usize;
        // A window may hold nothing but events that are deleted logically.
        while from <= last && events.is_empty() {
            let to = from.previous().plus(window).min(last);
            let mut reader = EntityReader::new(self, id, SeqRange::new(from, to), bounds);
            'rows: while let Some(rows) = reader.next(self).await? {
                for row in rows {
                    if bytes >= BATCH_BYTES {
                        break 'rows;
                    }
                    bytes = bytes.saturating_add(row.event.size_bytes());
                    events.push(envelope(offsets, id, row.event));
                }
            }
            from = to.next();
        }
        let seen = events.last().map(|envelope| envelope.event.seq_nr);
        let at_end = seen.unwrap_or(after.unwrap_or_default()) >= last || events.is_empty();
        // Behind the end there is nothing yet, so a reader stays where it was.
        let next = seen.or(after).map(|seq_nr| offsets.of_entity(seq_nr));
        Ok(Page::new(events, next, at_end))
    }

    async fn page_of_ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let what = || "listing the ids".to_owned();
        if !self.settings.journal.support_all_persistence_ids {
            return Err(Error::unsupported(
                "ids cannot be listed: journal.support-all-persistence-ids is off",
            ));
        }
        let offsets = self.offsets();
        let after = after.map(|offset| offsets.id(offset)).transpose()?;
        let statements = &self.connection.statements;
        let rows_max = i32::try_from(ids_max).unwrap_or(i32::MAX).saturating_add(1);
        let mut ids = Vec::new();
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let found = match &after {
                None => {
                    let statement = &statements.entities.select_ids;
                    self.connection.read_page(statement, (), rows_max, from, what).await?
                }
                Some((_, id)) => {
                    let statement = &statements.entities.select_ids_from;
                    let values = (id.as_str(),);
                    self.connection.read_page(statement, values, rows_max, from, what).await?
                }
            };
            let rows = found.rows.rows::<(String, i64)>();
            for row in rows.map_err(|error| error::of_rows(what(), error))? {
                let (id, token) = row.map_err(|error| error::of_rows(what(), error))?;
                let id = PersistenceId::new(id)?;
                // Ids of one token are in the order of their bytes.
                let seen = |(at, last): &(i64, PersistenceId)| *at == token && id <= *last;
                if after.as_ref().is_some_and(seen) {
                    continue;
                }
                if ids.len() == ids_max {
                    return Ok(id_page(ids, false));
                }
                let offset = offsets.of_id(token, &id);
                ids.push(IdEntry { offset, persistence_id: id });
            }
            page = found.next;
        }
        Ok(id_page(ids, true))
    }
}

fn id_page(ids: Vec<IdEntry>, at_end: bool) -> IdPage {
    let next = ids.last().map(|entry| entry.offset.clone());
    IdPage { ids, next, at_end }
}

fn envelope(offsets: Offsets, id: &PersistenceId, event: StoredEvent) -> Envelope {
    let offset = offsets.of_entity(event.seq_nr);
    Envelope { offset, persistence_id: id.clone(), event }
}
