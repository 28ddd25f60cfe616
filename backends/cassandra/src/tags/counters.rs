//! How far the tags of one entity have come, and which rows come next. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use annals_core::{Payload, SeqNr, Tag, Tags};

use crate::claims::Claim;
use crate::row::EventRow;
use crate::timeuuid::TimeUuid;

/// An event, as its rows in `tag_views` need it.
#[derive(Debug, Clone)]
pub(crate) struct TaggedEvent {
    pub(crate) seq_nr: SeqNr,
    pub(crate) timestamp: TimeUuid,
    pub(crate) writer_uuid: Arc<str>,
    pub(crate) payload: Payload,
    pub(crate) event_manifest: Arc<str>,
    pub(crate) metadata: Option<Payload>,
    pub(crate) tags: Tags,
}

impl From<EventRow> for TaggedEvent {
    /// The event of a row of `messages`.
    fn from(row: EventRow) -> Self {
        Self {
            seq_nr: row.event.seq_nr,
            timestamp: row.timestamp,
            writer_uuid: row.writer_uuid.into(),
            payload: row.event.payload,
            event_manifest: row.event.event_manifest,
            metadata: row.event.metadata,
            tags: row.event.tags,
        }
    }
}

/// How far one tag of an entity has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last event that carries it.
    pub(crate) seq_nr: SeqNr,
    /// The counter of that event.
    pub(crate) counter: i64,
    /// Its timeuuid, once it is known.
    pub(crate) timestamp: Option<TimeUuid>,
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagRow {
    pub(crate) tag: Tag,
    pub(crate) counter: i64,
    /// Which of the events.
    pub(crate) index: usize,
}

/// The tags of one entity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(HashMap<Tag, Progress>);

impl Counters {
    pub(crate) fn set(&mut self, tag: Tag, progress: Progress) {
        self.0.insert(tag, progress);
    }

    /// The rows of `events`, which follow in the order of their numbers; those that the progress covers
    /// already are left out. Moves the counters on.
    pub(crate) fn assign(&mut self, events: &[TaggedEvent]) -> Vec<TagRow> {
        let mut rows = Vec::new();
        for (index, event) in events.iter().enumerate() {
            for tag in &event.tags {
                let last = self.0.get(tag);
                if last.is_some_and(|last| event.seq_nr <= last.seq_nr) {
                    continue;
                }
                let counter = last.map_or(0, |last| last.counter) + 1;
                let timestamp = Some(event.timestamp);
                self.0.insert(tag.clone(), Progress { seq_nr: event.seq_nr, counter, timestamp });
                rows.push(TagRow { tag: tag.clone(), counter, index });
            }
        }
        rows
    }

    pub(crate) fn get(&self, tag: &Tag) -> Option<Progress> {
        self.0.get(tag).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Tag, Progress)> {
        self.0.iter().map(|(tag, progress)| (tag, *progress))
    }
}

/// What a store knows of the tags of one entity.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagState {
    pub(crate) counters: Counters,
    /// Up to which event the rows are written; `None`: not known, to be recovered first.
    pub(crate) known_to: Option<SeqNr>,
    pub(crate) epoch: Epoch,
    /// The claim under which that was learnt: who takes an entity reads its tags anew, since their counters
    /// may have been rebuilt meanwhile.
    pub(crate) claim: Option<Claim>,
}

impl TagState {
    /// Forgets what was learnt under another claim than `claim`.
    pub(crate) fn under(&mut self, claim: Option<Claim>) {
        if self.claim != claim {
            *self = Self { claim, ..Self::default() };
        }
    }
}

/// As of when the progress of an entity is written, in microseconds since 1970: as what was found of it.
///
/// Of two cells of the same time the larger value counts. So the progress of processes that share an entity
/// only ever moves on, whoever writes late or has a wrong clock; and what a JVM writes later counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) i64);

impl Default for Epoch {
    /// Of an entity without any.
    fn default() -> Self {
        Self(1)
    }
}

#[cfg(test)]
mod tests {
    use annals_core::SerializerId;

    use super::*;

    fn event(seq_nr: u64, tags: &[&str]) -> TaggedEvent {
        TaggedEvent {
            seq_nr: SeqNr::new(seq_nr).unwrap(),
            timestamp: TimeUuid::start_of(1_700_000_000_000),
            writer_uuid: "w".into(),
            payload: Payload::new(SerializerId::STRING, "", ""),
            event_manifest: "".into(),
            metadata: None,
            tags: tags.iter().map(|tag| Tag::new(*tag).unwrap()).collect(),
        }
    }

    #[test]
    fn counters_are_those_of_pekko() {
        let events = [event(1, &["a"]), event(2, &["a", "b"]), event(3, &[]), event(4, &["b"])];
        let mut counters = Counters::default();
        let rows = counters.assign(&events);
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.tag.as_str(), events[row.index].seq_nr.get(), row.counter))
            .collect();
        assert_eq!(rows, [("a", 1, 1), ("a", 2, 2), ("b", 2, 1), ("b", 4, 2)]);
        let progress = |tag| {
            let progress = counters.get(&Tag::new(tag).unwrap()).unwrap();
            (progress.seq_nr.get(), progress.counter)
        };
        assert_eq!((progress("a"), progress("b")), ((2, 2), (4, 2)));
    }

    #[test]
    fn what_the_progress_covers_is_not_written_again() {
        let mut counters = Counters::default();
        let seq_nr = SeqNr::new(2).unwrap();
        let stored = Progress { seq_nr, counter: 2, timestamp: None };
        counters.set(Tag::new("a").unwrap(), stored);
        let rows = counters.assign(&[event(1, &["a", "b"]), event(2, &["a"]), event(3, &["a"])]);
        let rows: Vec<_> =
            rows.iter().map(|row| (row.tag.as_str(), row.index, row.counter)).collect();
        assert_eq!(rows, [("b", 0, 1), ("a", 2, 3)]);
    }
}
