//! What a reader of one entity may take for granted, asserted: the right entity, numbers of the
//! range that ascend, and no hole.

use annals_core::{Envelope, Error, PersistenceId, Result, Scope, SeqNr, SeqRange};

use crate::options::Gaps;

/// Checks the events of one entity as they pass. Other scopes are not checked: that would take a
/// number for each entity ever seen.
pub(crate) struct OrderCheck {
    entity: Option<(PersistenceId, SeqRange)>,
    gaps: Gaps,
    last: SeqNr,
}

impl OrderCheck {
    pub(crate) fn new(scope: &Scope, gaps: Gaps) -> Self {
        let entity = match scope {
            Scope::Id(id, range) => Some((id.clone(), *range)),
            _ => None,
        };
        Self { entity, gaps, last: SeqNr::ZERO }
    }

    /// Whether no more event can come.
    pub(crate) fn is_complete(&self) -> bool {
        self.entity.as_ref().is_some_and(|(_, range)| range.is_empty() || self.last >= range.to)
    }

    /// Checks the events of a page. Between two pages numbers may be missing, since events may be
    /// deleted while one reads; inside a page, which shows one moment, they may not.
    pub(crate) fn check(&mut self, events: &[Envelope]) -> Result<()> {
        let Some((id, range)) = &self.entity else { return Ok(()) };
        for (index, envelope) in events.iter().enumerate() {
            let seq_nr = envelope.event.seq_nr;
            if envelope.persistence_id != *id || !range.contains(seq_nr) {
                return Err(Error::corrupt(format!(
                    "a query of {id}, events {}-{}, was given event {seq_nr} of {} (at {})",
                    range.from, range.to, envelope.persistence_id, envelope.offset
                )));
            }
            if seq_nr <= self.last {
                return Err(Error::corrupt(format!(
                    "event {seq_nr} of {id} comes after its event {} (at {})",
                    self.last, envelope.offset
                )));
            }
            if index > 0 && seq_nr != self.last.next() && self.gaps == Gaps::Refuse {
                return Err(Error::corrupt(format!(
                    "{id} has a hole: event {} is followed by {seq_nr} (at {}); verify the store",
                    self.last, envelope.offset
                )));
            }
            self.last = seq_nr;
        }
        Ok(())
    }
}
