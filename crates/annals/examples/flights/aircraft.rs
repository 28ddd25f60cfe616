//! The entity: an aircraft, which records the flights it was to make.

use std::collections::HashSet;
use std::sync::Arc;

use annals::{Context, Effect, EventSourced, Reply, Tag, Tags};
use serde::{Deserialize, Serialize};

use super::row::{FlightKey, Route, Row};

/// What happened to a flight. Each event names its flight and route, so that whoever reads it by a tag
/// needs no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// It left. Each flight either departed or was cancelled.
    Departed { flight: FlightKey, route: Route, delay_minutes: Option<i32> },
    /// It reached its destination.
    Arrived {
        flight: FlightKey,
        route: Route,
        air_minutes: u32,
        miles: u32,
        delay_minutes: Option<i32>,
    },
    /// It landed, but was in the air for no known time: it went elsewhere first.
    Diverted { flight: FlightKey, route: Route },
    /// It never left.
    Cancelled { flight: FlightKey, route: Route },
}

impl Event {
    fn all_of(row: &Row) -> Vec<Self> {
        let (flight, route) = (row.key.clone(), row.route.clone());
        let mut events = vec![match row.departed {
            true => Self::Departed {
                flight: flight.clone(),
                route: route.clone(),
                delay_minutes: row.departure_delay_minutes,
            },
            false => Self::Cancelled { flight: flight.clone(), route: route.clone() },
        }];
        match row.air_minutes {
            Some(air_minutes) => events.push(Self::Arrived {
                flight,
                route,
                air_minutes,
                miles: row.miles,
                delay_minutes: row.arrival_delay_minutes,
            }),
            None if row.departed && row.landed => events.push(Self::Diverted { flight, route }),
            None => {}
        }
        events
    }

    /// Which flight it is about.
    pub(crate) fn flight(&self) -> &FlightKey {
        match self {
            Self::Departed { flight, .. }
            | Self::Arrived { flight, .. }
            | Self::Diverted { flight, .. }
            | Self::Cancelled { flight, .. } => flight,
        }
    }

    /// Which route it is about.
    pub(crate) fn route(&self) -> &Route {
        match self {
            Self::Departed { route, .. }
            | Self::Arrived { route, .. }
            | Self::Diverted { route, .. }
            | Self::Cancelled { route, .. } => route,
        }
    }
}

/// What an aircraft is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Record what became of a flight; the answer is how many events that took.
    Record { row: Arc<Row>, reply: Reply<Result<usize, AlreadyRecorded>> },
    /// Tell the figures.
    Totals { reply: Reply<Totals> },
}

/// The flight of a command is recorded already: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlreadyRecorded;

/// What an aircraft's events add up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aircraft {
    recorded: HashSet<FlightKey>,
    totals: Totals,
}

/// The figures of an aircraft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) departed: u32,
    pub(crate) arrived: u32,
    pub(crate) diverted: u32,
    pub(crate) cancelled: u32,
    pub(crate) air_minutes: u64,
    pub(crate) miles: u64,
}

impl EventSourced for Aircraft {
    const ENTITY_TYPE: &'static str = "aircraft";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
        match command {
            Command::Record { row, reply } if self.recorded.contains(&row.key) => {
                Effect::reply(reply, Err(AlreadyRecorded))
            }
            Command::Record { row, reply } => {
                let events = Event::all_of(&row);
                let count = events.len();
                Effect::persist_all(events).then_reply(reply, move |_| Ok(count))
            }
            Command::Totals { reply } => Effect::reply(reply, self.totals),
        }
    }

    fn apply(&mut self, event: &Event) {
        let totals = &mut self.totals;
        match event {
            Event::Departed { flight, .. } => {
                self.recorded.insert(flight.clone());
                totals.departed += 1;
            }
            Event::Cancelled { flight, .. } => {
                self.recorded.insert(flight.clone());
                totals.cancelled += 1;
            }
            Event::Arrived { air_minutes, miles, .. } => {
                totals.arrived += 1;
                totals.air_minutes += u64::from(*air_minutes);
                totals.miles += u64::from(*miles);
            }
            Event::Diverted { .. } => totals.diverted += 1,
        }
    }

    /// Its carrier and its route; neither is ever empty, since such a row is malformed.
    fn tags(&self, event: &Event) -> Tags {
        let texts = [event.flight().carrier.clone(), event.route().to_string()];
        texts.into_iter().filter_map(|text| Tag::new(text).ok()).collect()
    }
}
