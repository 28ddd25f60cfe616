//! The replay of a plain store.

use annals_core::{Batch, Error, PersistenceId, Result, SeqNr, SeqRange, StoredEvent};

use crate::data::nr;
use crate::flaw::Flaw;
use crate::plain::{CAPABILITIES, PAGE_EVENTS, Plain};

/// A batch, and what is left after it with the last number delivered.
pub(crate) type Step = Option<(Batch, (Option<Vec<StoredEvent>>, SeqNr))>;

impl Plain {
    /// The events to replay now, or `Corrupt` for a hole.
    fn history(&self, id: &PersistenceId, range: SeqRange) -> Result<Vec<StoredEvent>> {
        let data = self.data()?;
        let (deleted_to, highest) = data.bounds(id);
        if highest == 0 && self.is(Flaw::UnknownIdFails) {
            return Err(Error::invalid(format!("{id} is not known")));
        }
        let mut from = range.from.max(nr(deleted_to + 1));
        let mut to = range.to.min(nr(highest));
        if self.is(Flaw::LowerBoundExclusive) && range.from > SeqNr::FIRST {
            from = from.max(range.from.next());
        }
        if self.is(Flaw::UpperBoundIgnored) {
            to = nr(highest);
        }
        let wanted = SeqRange::new(from, to);
        let mut entries: Vec<_> = data.log.iter().collect();
        entries.retain(|entry| {
            let own = entry.id == *id
                || self.is(Flaw::IdsByPrefix) && entry.id.as_str().starts_with(id.as_str());
            let hidden = entry.deleted && !self.is(Flaw::DeleteIgnored)
                || self.is(Flaw::ReplayLags) && entry.position == data.last_position;
            let shown = wanted.contains(entry.event.seq_nr)
                || self.is(Flaw::DeleteIgnored) && range.contains(entry.event.seq_nr);
            own && !hidden && shown
        });
        if self.is(Flaw::CutAppendDropped) {
            let whole: Vec<_> = data.log.iter().filter(|entry| entry.id == *id).collect();
            entries.retain(|entry| {
                let size = whole.iter().filter(|e| e.append_id == entry.append_id).count();
                let inside = whole
                    .iter()
                    .filter(|e| e.append_id == entry.append_id && wanted.contains(e.event.seq_nr));
                inside.count() == size
            });
        }
        let events: Vec<_> = entries.into_iter().map(|entry| self.shown(&entry.event)).collect();
        let lenient = [
            Flaw::HoleSkipped,
            Flaw::ReplayLags,
            Flaw::CutAppendDropped,
            Flaw::DeleteIgnored,
            Flaw::IdsByPrefix,
            Flaw::HalfAppendVisible,
        ];
        let numbers = wanted.from.get()..=wanted.to.get();
        let whole = numbers.eq(events.iter().map(|event| event.seq_nr.get()));
        if !whole && !wanted.is_empty() && !self.flaw.is_some_and(|flaw| lenient.contains(&flaw)) {
            return Err(Error::corrupt(format!("the history of {id} has a hole")));
        }
        Ok(events)
    }

    pub(crate) fn next_batch(
        &self,
        id: &PersistenceId,
        range: SeqRange,
        rest: Option<Vec<StoredEvent>>,
        last: SeqNr,
    ) -> Result<Step> {
        let mut rest = match rest {
            None => self.whole_replay(id, range)?,
            // Flawed: what is stored now, instead of what was stored at the first poll.
            Some(rest) if self.is(Flaw::ReplayFollows) || self.is(Flaw::DeleteLeavesHole) => {
                let end = rest.last().map_or(last, |event| event.seq_nr);
                let to = if self.is(Flaw::ReplayFollows) { range.to } else { end };
                self.history(id, SeqRange::new(last.next(), to))?
            }
            Some(rest) => rest,
        };
        let mut bytes = 0;
        let fits = |event: &StoredEvent| {
            bytes += event.size_bytes();
            bytes <= CAPABILITIES.replay_bytes_max || self.is(Flaw::GiantBatch)
        };
        let events_max = if self.is(Flaw::GiantBatch) { usize::MAX } else { PAGE_EVENTS };
        // One event always fits, however large: it was stored.
        let count = rest.iter().map(fits).take(events_max).take_while(|fits| *fits).count();
        let count = count.max(1).min(rest.len());
        let events: Vec<_> = rest.drain(..count).collect();
        let Some(last) = events.last().map(|event| event.seq_nr) else { return Ok(None) };
        if self.is(Flaw::HistoryOfOnePage) {
            rest.clear();
        }
        Ok(Some((Batch { events }, (Some(rest), last))))
    }

    fn whole_replay(&self, id: &PersistenceId, range: SeqRange) -> Result<Vec<StoredEvent>> {
        let mut events = self.history(id, range)?;
        if self.is(Flaw::ReplayDescends) {
            events.reverse();
        }
        Ok(events)
    }
}
