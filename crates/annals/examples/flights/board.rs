//! The board of carriers: read from the tag streams (or from every aircraft, where the store has no
//! tags), and counted straight from the file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use annals::{EventSourced, PersistenceId, SeqRange, Store, Tag};
use futures_util::TryStreamExt;
use futures_util::future::ready;
use serde::Serialize;

use super::Failure;
use super::aircraft::{Aircraft, Event};
use super::row::Row;

/// The figures of one carrier, as `--json` prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) carrier: String,
    pub(crate) flights: u64,
    pub(crate) cancelled: u64,
    /// Over the flights whose time in the air is known.
    pub(crate) miles: u64,
    /// Over the flights whose time in the air is known.
    pub(crate) arrival_delay_minutes: i64,
}

/// The figures of each carrier.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    lines: BTreeMap<String, Line>,
}

impl Board {
    /// Counts the rows of a file, without a look at any event.
    pub(crate) fn of_rows(rows: &[Arc<Row>]) -> Self {
        let mut board = Self::default();
        for row in rows {
            let line = board.line(&row.key.carrier);
            line.flights += 1;
            line.cancelled += u64::from(!row.departed);
            if row.air_minutes.is_some() {
                line.miles += u64::from(row.miles);
                line.arrival_delay_minutes += i64::from(row.arrival_delay_minutes.unwrap_or(0));
            }
        }
        board
    }

    /// Counts an event.
    pub(crate) fn add(&mut self, event: &Event) {
        let line = self.line(&event.flight().carrier);
        match event {
            Event::Departed { .. } => line.flights += 1,
            Event::Cancelled { .. } => {
                line.flights += 1;
                line.cancelled += 1;
            }
            Event::Arrived { miles, delay_minutes, .. } => {
                line.miles += u64::from(*miles);
                line.arrival_delay_minutes += i64::from(delay_minutes.unwrap_or(0));
            }
            Event::Diverted { .. } => {}
        }
    }

    fn line(&mut self, carrier: &str) -> &mut Line {
        self.lines.entry(carrier.to_owned()).or_insert_with(|| Line {
            carrier: carrier.to_owned(),
            flights: 0,
            cancelled: 0,
            miles: 0,
            arrival_delay_minutes: 0,
        })
    }

    /// The carriers, the one with the most flights first.
    pub(crate) fn lines(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.values().collect();
        lines.sort_by_key(|line| Reverse(line.flights));
        lines
    }

    /// The sum over all carriers.
    pub(crate) fn total(&self) -> Line {
        let mut total = Self::default();
        for line in self.lines.values() {
            let sum = total.line("all");
            sum.flights += line.flights;
            sum.cancelled += line.cancelled;
            sum.miles += line.miles;
            sum.arrival_delay_minutes += line.arrival_delay_minutes;
        }
        total.line("all").clone()
    }

    /// Where this board, read from the streams, is not the one counted from the file.
    pub(crate) fn differences(&self, file: &Self) -> Vec<String> {
        let carriers = self.lines.keys().chain(file.lines.keys());
        let carriers: BTreeSet<&String> = carriers.collect();
        let differs = |carrier: &&String| self.lines.get(*carrier) != file.lines.get(*carrier);
        let shown = |line: Option<&Line>| line.map_or("nothing".to_owned(), Line::to_json);
        carriers
            .into_iter()
            .filter(differs)
            .map(|carrier| {
                let streams = shown(self.lines.get(carrier));
                let file = shown(file.lines.get(carrier));
                format!("{carrier}: the streams say {streams}, the file {file}")
            })
            .collect()
    }
}

impl Line {
    /// The line as JSON, its fields in the order of their declaration.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text and integers have a form in JSON")
    }
}

/// Aircraft that are read at a time.
const IDS_AT_A_TIME: usize = 32;

/// Reads the events of `carriers` that there are now, and gives each one and its aircraft to `take`.
pub(crate) async fn read_carriers(
    store: &Store,
    carriers: &BTreeSet<&str>,
    take: impl FnMut(PersistenceId, Event),
) -> Result<(), Failure> {
    match store.capabilities().tags {
        true => read_tags(store, carriers, take).await,
        false => read_ids(store, carriers, take).await,
    }
}

/// Reads all aircraft, since the store cannot be read by tag.
async fn read_ids(
    store: &Store,
    carriers: &BTreeSet<&str>,
    mut take: impl FnMut(PersistenceId, Event),
) -> Result<(), Failure> {
    let codec = annals::event_codec::<Aircraft>();
    let query = store.query();
    let ids = query.current_persistence_ids(None).map_ok(|entry| entry.persistence_id);
    let aircraft = ids.try_filter(|id| ready(id.entity_type() == Aircraft::ENTITY_TYPE));
    let read = |id| {
        let events = query.current_events_by_persistence_id(id, SeqRange::ALL, None);
        events.try_collect::<Vec<_>>()
    };
    let mut histories = pin!(aircraft.map_ok(read).try_buffer_unordered(IDS_AT_A_TIME));
    while let Some(history) = histories.try_next().await? {
        for envelope in history {
            let event: Event = codec.decode(&envelope.event.payload)?;
            if carriers.contains(event.flight().carrier.as_str()) {
                take(envelope.persistence_id, event);
            }
        }
    }
    Ok(())
}

/// Reads what the tag streams of `carriers` hold.
async fn read_tags(
    store: &Store,
    carriers: &BTreeSet<&str>,
    mut take: impl FnMut(PersistenceId, Event),
) -> Result<(), Failure> {
    let codec = annals::event_codec::<Aircraft>();
    let query = store.query();
    for carrier in carriers {
        let mut stream = query.current_events_by_tag(Tag::new(*carrier)?, None);
        while let Some(envelope) = stream.try_next().await? {
            // A tag is anybody's: events of other entities are none of ours.
            if envelope.persistence_id.entity_type() == Aircraft::ENTITY_TYPE {
                let event = codec.decode(&envelope.event.payload)?;
                take(envelope.persistence_id, event);
            }
        }
    }
    Ok(())
}
