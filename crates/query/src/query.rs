//! The queries: which events, from where, how far.

use std::sync::Arc;

use annals_core::{
    BoxStream, Envelope, IdEntry, Offset, Page, PersistenceId, ReadJournal, Result, Scope,
    SeqRange, SliceRange, Tag,
};

use crate::events::Events;
use crate::ids::IdReader;
use crate::options::{Extent, QueryOptions};
use crate::pages::PageReader;

/// Queries over a read journal. Cheap to clone.
///
/// `after` is where a stream resumes: the offset of the last event that was handled, or `None` for
/// the beginning (Q3). Nothing is read before a stream is polled.
///
/// # Errors
/// Of every stream, as its last item: `Invalid` for an offset that the store did not make (Q8),
/// `Unsupported` for a scope that it cannot read, `Corrupt` for events out of order or with a hole,
/// and what the store itself reports.
#[derive(Debug, Clone)]
pub struct Query {
    journal: Arc<dyn ReadJournal>,
    options: QueryOptions,
}

impl Query {
    /// Queries over `journal` with the default settings.
    pub fn new(journal: Arc<dyn ReadJournal>) -> Self {
        Self { journal, options: QueryOptions::default() }
    }

    /// The same queries with `options`.
    #[must_use]
    pub fn with_options(mut self, options: QueryOptions) -> Self {
        self.options = options;
        self
    }

    /// The pages of `scope`, none of them empty: the layer for many readers, who share the decoded
    /// events. [`Page::next`] of the last page handled is where to resume.
    pub fn pages(
        &self,
        scope: Scope,
        extent: Extent,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Page>> {
        PageReader::new(self.journal.clone(), self.options, scope, extent, after).into_stream()
    }

    /// The events of `scope`, one by one.
    pub fn events(
        &self,
        scope: Scope,
        extent: Extent,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        Box::pin(Events::new(self.pages(scope, extent, after)))
    }

    /// The ids that hold or held events, each once (Q6); in the order of their first one where the store
    /// [has it](annals_core::Capabilities::ids_in_order).
    pub fn ids(
        &self,
        extent: Extent,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<IdEntry>> {
        IdReader::new(self.journal.clone(), self.options, extent, after).into_stream()
    }

    /// The ids that exist now. Where the store has no order of ids, one that is first used while one reads
    /// may be among them.
    pub fn current_persistence_ids(
        &self,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<IdEntry>> {
        self.ids(Extent::Current, after)
    }

    /// The ids that exist now, then every new one. Where the store has no order of ids, ids from before
    /// `after` come again too, and each id that was given takes memory.
    pub fn persistence_ids(&self, after: Option<Offset>) -> BoxStream<'static, Result<IdEntry>> {
        self.ids(Extent::Live, after)
    }

    /// The events of one entity that exist now.
    pub fn current_events_by_persistence_id(
        &self,
        id: PersistenceId,
        range: SeqRange,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Id(id, range), Extent::Current, after)
    }

    /// The events of one entity, old and new; ends behind number `range.to`.
    pub fn events_by_persistence_id(
        &self,
        id: PersistenceId,
        range: SeqRange,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Id(id, range), Extent::Live, after)
    }

    /// The events that carry `tag` and exist now.
    pub fn current_events_by_tag(
        &self,
        tag: Tag,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Tag(tag), Extent::Current, after)
    }

    /// The events that carry `tag`, old and new.
    pub fn events_by_tag(
        &self,
        tag: Tag,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Tag(tag), Extent::Live, after)
    }

    /// The events of the entities in `slices` that exist now.
    pub fn current_events_by_slices(
        &self,
        slices: SliceRange,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Slices(slices), Extent::Current, after)
    }

    /// The events of the entities in `slices`, old and new.
    pub fn events_by_slices(
        &self,
        slices: SliceRange,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::Slices(slices), Extent::Live, after)
    }

    /// All events that exist now, in the order of commits.
    pub fn current_all_events(
        &self,
        after: Option<Offset>,
    ) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::All, Extent::Current, after)
    }

    /// All events, old and new, in the order of commits.
    pub fn all_events(&self, after: Option<Offset>) -> BoxStream<'static, Result<Envelope>> {
        self.events(Scope::All, Extent::Live, after)
    }
}
