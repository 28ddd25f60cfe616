//! The stream of ids.
//!
//! Where a store has no order of ids, a new one may stand anywhere in the listing. A live stream then
//! lists everything anew at each wake-up, and remembers what it gave.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use annals_core::{BoxStream, IdEntry, Offset, PersistenceId, ReadJournal, Result, Wakeup};
use futures_util::stream;

use crate::options::{Extent, QueryOptions};
use crate::pages::stuck;

/// The state of a stream of ids between two of them.
pub(crate) struct IdReader {
    journal: Arc<dyn ReadJournal>,
    ids_max: usize,
    extent: Extent,
    after: Option<Offset>,
    ids: VecDeque<IdEntry>,
    /// What was given, where new ids have no place of their own.
    given: Option<HashSet<PersistenceId>>,
    phase: Phase,
}

enum Phase {
    Reading,
    /// Everything was read; the wake-up, older than the last page, tells of more.
    Waiting(Wakeup),
    Done,
}

impl IdReader {
    pub(crate) fn new(
        journal: Arc<dyn ReadJournal>,
        options: QueryOptions,
        extent: Extent,
        after: Option<Offset>,
    ) -> Self {
        let ids_max = options.page_events_max.max(1);
        let in_order = journal.capabilities().ids_in_order;
        let given = (extent == Extent::Live && !in_order).then(HashSet::new);
        Self { journal, ids_max, extent, after, ids: VecDeque::new(), given, phase: Phase::Reading }
    }

    /// The ids; ends after the first error.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<IdEntry>> {
        Box::pin(stream::try_unfold(self, Self::next))
    }

    async fn next(mut self) -> Result<Option<(IdEntry, Self)>> {
        loop {
            if let Some(id) = self.ids.pop_front() {
                return Ok(Some((id, self)));
            }
            self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Done => return Ok(None),
                Phase::Waiting(wakeup) => {
                    wakeup.await;
                    if self.given.is_some() {
                        self.after = None;
                    }
                    Phase::Reading
                }
                Phase::Reading => self.read().await?,
            };
        }
    }

    async fn read(&mut self) -> Result<Phase> {
        let wakeup = self.journal.changed();
        let page = self.journal.ids(self.after.as_ref(), self.ids_max).await?;
        let advanced = page.next.is_some() && page.next != self.after;
        let finished = page.at_end && page.ids.is_empty();
        if !advanced && !finished {
            return Err(stuck(self.journal.capabilities().name, self.after.as_ref()));
        }
        if page.next.is_some() {
            self.after = page.next;
        }
        self.ids = page.ids.into();
        if let Some(given) = &mut self.given {
            self.ids.retain(|entry| given.insert(entry.persistence_id.clone()));
        }
        Ok(match (page.at_end, self.extent) {
            (false, _) => Phase::Reading,
            (true, Extent::Current) => Phase::Done,
            (true, Extent::Live) => Phase::Waiting(wakeup),
        })
    }
}
